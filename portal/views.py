"""Home, the site's own texts, and errors."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def home(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


def help_page(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


def privacy(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


def cite(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return HttpResponse("This form is too old. Load the page again and send it once more.", status=403)
