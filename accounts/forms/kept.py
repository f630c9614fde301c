"""The answers of a registration, kept in the session while its address waits for its code.

They fill the form again when somebody starts anew. Where the address was taken there is no account that they were
written to; correcting the address then makes it, with the password that is kept as a hash.
"""

import time
from datetime import UTC, datetime
from typing import TypedDict

from django.http import HttpRequest

KEY = "registering"
RESETS_KEY = "resets-asked-for"
SECONDS = 3_600


class Kept(TypedDict):
    until: float
    answers: dict[str, str]
    password: str
    """A hash, or empty where there is an account."""


def keep(request: HttpRequest, answers: dict[str, str], *, password: str = "") -> None:
    """The whole session ends with the answers: it is nobody's yet."""
    until = time.time() + SECONDS
    request.session[KEY] = Kept(until=until, answers=answers, password=password)
    request.session.set_expiry(datetime.fromtimestamp(until, UTC))


def kept(request: HttpRequest) -> Kept | None:
    found = request.session.get(KEY)
    return found if found and found["until"] > time.time() else None


def forget(request: HttpRequest) -> None:
    if request.session.pop(KEY, None) is not None:
        # As long again as everybody's.
        request.session.set_expiry(None)


def keep_reset(request: HttpRequest, nonce: str) -> None:
    """Who asks for a new password twice need not know which of the two mails counts. More than three are too many."""
    request.session[RESETS_KEY] = [*asked_resets(request), nonce][-3:]


def asked_resets(request: HttpRequest) -> list[str]:
    found: list[str] = request.session.get(RESETS_KEY, [])
    return found
