"""Whether a session is fresh: the person showed a moment ago who they are.

allauth asks again before it changes how somebody signs in, however short ago the sign-in was. For a signature the
sign-in itself counts as well, whichever way it went: so nobody who has just come in is asked twice.
"""

import time

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.http import HttpRequest

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


def ask_again() -> None:
    """Leave the view: allauth's middleware keeps what was sent, asks for the password or a second factor, and then
    goes on with the request as if nothing had been between."""
    raise ReauthenticationRequired
