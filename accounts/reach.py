"""When mail to a person came back: why, and how they show that their address works all the same."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.exceptions import MoveNotAllowed
from accounts.forms.codes import CheckAddressForm
from accounts.mail import bounce_of
from accounts.models import User
from accounts.services.codes import check_address, is_on_its_way
from accounts.tasks import hint, send_mails

# The nonce of the code that this session asked for last.
ASKED = "address-check"


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def check_address_page(request: HttpRequest) -> HttpResponse:
    """Why mail came back; a button that mails a code, and the field for it."""
    user = cast(User, request.user)
    bounce = bounce_of(user)
    if bounce is None:
        messages.info(request, f"Mail to {user.email} arrives as far as we know.")
        return redirect("profile")
    if "send" in request.POST:
        return _send(request, user)
    asked, form = request.session.get(ASKED, ""), None
    if is_on_its_way(user, asked):
        form = CheckAddressForm(request.POST or None, code=asked, user=user, email=user.email)
    elif "code" in request.POST:
        messages.error(request, "That code has ended, or was for another address. Ask for another.")
    if form and form.is_valid():
        del request.session[ASKED]
        messages.success(request, f"{user.email} works. Mails to it are sent as before.")
        return redirect("profile")
    context: dict[str, Any] = {"bounce": bounce, "form": form, "sender": settings.DEFAULT_FROM_EMAIL}
    return render(request, "accounts/check_address.html", context)


def _send(request: HttpRequest, user: User) -> HttpResponse:
    try:
        request.session[ASKED] = check_address(user)
    except MoveNotAllowed as refusal:
        messages.error(request, str(refusal))
    else:
        hint(send_mails)
    return redirect("check_address")
