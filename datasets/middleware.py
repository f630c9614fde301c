"""What stands before the views."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch

from datasets.views.downloads import below_link

PREFIX = "/get/"
# For the request log, which names the view and never the path.
LISTING = ResolverMatch(below_link, (), {}, url_name="get_listing", route="get/<str:token>/")
FILE = ResolverMatch(below_link, (), {}, url_name="get_file", route="get/<str:token>/<str:name>")


class LinkMiddleware:
    """Answers everything below /get/ itself, so that no session, cookie, message or form is at work there.

    Cookies are neither read nor set, whatever a client sends; and machines, which ask here thousands of times, do not
    pay for what only pages need. What stands before this one (log, TLS, security headers) applies.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return self.get_response(request)
        # Refuses a foreign Host header, as CommonMiddleware does for pages.
        request.get_host()
        token, _, name = request.path_info.removeprefix(PREFIX).partition("/")
        request.resolver_match = FILE if name else LISTING
        return below_link(request, token, name)
