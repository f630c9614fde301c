"""Maintainers need a second factor; every page knows the site by its own name."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def has_shown_second_factor(request: HttpRequest) -> bool:
    """Whether this session did: what is for maintainers alone asks for that, also outside of the admin."""
    return any(record.get("method") == "mfa" for record in get_authentication_records(request, request.user))


class StaffSecondFactorMiddleware:
    """Opens the admin to a maintainer whose session has shown a second factor, and to nobody else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: tuple, kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """By what the address leads to, so that no prefix of the site can hide it. The admin answers for every address
        below its own, so none of them is left out."""
        match = request.resolver_match
        return self.led_away(request) if match and "admin" in match.app_names else None

    def led_away(self, request: HttpRequest) -> HttpResponse | None:
        """The page to which this request must go before the admin, None when it may go on."""
        user = request.user
        if not user.is_authenticated:
            # The admin leads to the sign-in itself.
            return None
        if not (user.is_active and user.is_staff):
            raise PermissionDenied("The admin is for the maintainers of this site.")
        if not get_adapter().is_mfa_enabled(user, SECOND_FACTORS):
            messages.warning(request, "Maintainers sign in with a second factor. Set one up, then the admin opens.")
            return HttpResponseRedirect(reverse("mfa_index"))
        if not has_shown_second_factor(request):
            has_app = get_adapter().is_mfa_enabled(user, [Authenticator.Type.TOTP])
            return led_to("mfa_reauthenticate" if has_app else "mfa_reauthenticate_webauthn", request)
        return None


def led_to(name: str, request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse(name)}?{urlencode({'next': request.get_full_path()})}")


class OwnNameMiddleware:
    """allauth's pages call the host of the request `site`. In this house the name `site` is that of the settings, from
    portal.context, whatever a Host header says."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_template_response(self, request: HttpRequest, response: TemplateResponse) -> TemplateResponse:
        if response.context_data:
            response.context_data.pop("site", None)
        return response
