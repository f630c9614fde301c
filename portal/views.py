"""Home and errors."""

from django.http import HttpRequest, HttpResponse


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return HttpResponse("This form is too old. Load the page again and send it once more.", status=403)
