"""What stands before everything else: health, and a line in the log for every request."""

import logging
import re
import secrets
from collections.abc import Callable
from time import perf_counter

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from structlog.contextvars import bound_contextvars

from portal.health import readiness

Handler = Callable[[HttpRequest], HttpResponse]
logger = logging.getLogger("portal.requests")

# What a proxy may call a request.
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class HealthMiddleware:
    """Answers /healthz and /readyz before anything else looks at the request: a load balancer comes without TLS and
    with the instance's address as its Host, which is no name of the site."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.answers = {"/healthz": alive, "/readyz": ready}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.answers.get(request.path_info)
        if answer is None:
            return self.get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        response = answer()
        response["Cache-Control"] = "no-store"
        return response


def alive() -> HttpResponse:
    """The process answers; it says nothing of what it depends on."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


def ready() -> HttpResponse:
    state = readiness()
    response = JsonResponse(state.words, status=200 if state.is_ready else 503)
    if not state.is_ready:
        response["Retry-After"] = "10"
    return response


class RequestLogMiddleware:
    """Gives every request an id, which all its lines in the log and its answer carry, and logs how it went.

    Neither path nor query is logged, for links are secrets; the view's name is."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = perf_counter()
        request_id = _given_id(request) or secrets.token_hex(8)
        request.request_id = request_id  # type: ignore[attr-defined]
        with bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            response["X-Request-ID"] = request_id
            match = request.resolver_match
            # Asking for request.user here would read the session of requests that never needed one.
            user = getattr(request, "_cached_user", None)
            logger.info(
                "request",
                extra={
                    "method": request.method,
                    "view": match.view_name if match else None,
                    "status": response.status_code,
                    "ms": round((perf_counter() - began) * 1000, 1),
                    "user": user.pk if user else None,
                },
            )
        return response


def _given_id(request: HttpRequest) -> str | None:
    """The id that a proxy gave. Without a proxy of ours in front, the header is anybody's."""
    given = request.META.get("HTTP_X_REQUEST_ID")
    return given if given and settings.TRUSTED_PROXY_COUNT and REQUEST_ID.fullmatch(given) else None
