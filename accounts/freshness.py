"""Whether a session is fresh: the person showed a moment ago who they are.

allauth asks again before it changes how somebody signs in, however short ago the sign-in was. For a signature the
sign-in itself counts as well, whichever way it went: so nobody who has just come in is asked twice.
"""

import time
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

KEY = "signed-in-at"


def note_sign_in(request: HttpRequest) -> None:
    request.session[KEY] = time.time()


def is_fresh(request: HttpRequest) -> bool:
    shown = [record["at"] for record in get_authentication_records(request, request.user)]
    latest = max([request.session.get(KEY, 0), *shown])
    return bool(time.time() - latest < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)


def can_show_again(request: HttpRequest) -> bool:
    """Whether the account has a password or a second factor. One that has neither comes in through a provider."""
    return bool(get_adapter().get_reauthentication_methods(request.user))


def ask_again(request: HttpRequest, *, back: str) -> HttpResponse:
    """What is done in a session that was left open: nothing, before the person shows again who they are.

    Leaves the view where the account has a password or a second factor: allauth's middleware keeps what was sent, asks
    for one, and then goes on with the request as if nothing had been between. Who has neither signs in again and comes
    back to the page that asked."""
    if can_show_again(request):
        raise ReauthenticationRequired
    return redirect(f"{reverse('sign_in_again')}?{urlencode({'next': back})}")
