"""Announcements, and who wants none. What people must know, such as an error in their data, is no announcement.

The link in a mail needs no session: it is one character-saving token, base64url of the person's number in 8 bytes and
a 16-byte HMAC of it. It can do nothing but this.
"""

import base64
import hmac
import re

from django.conf import settings
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.crypto import salted_hmac

from accounts.models import User

SALT = "accounts.services.announcements"
SHAPE = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
NUMBER_BYTES, SEAL_BYTES = 8, 16


def unsubscribe(user: User) -> None:
    User.objects.filter(pk=user.pk, unsubscribed_at=None).update(unsubscribed_at=Now())


def subscribe(user: User) -> None:
    User.objects.filter(pk=user.pk).update(unsubscribed_at=None)


def stop_digest(user: User) -> None:
    """No daily mail about requests to this maintainer."""
    User.objects.filter(pk=user.pk, undigested_at=None).update(undigested_at=Now())


def resume_digest(user: User) -> None:
    User.objects.filter(pk=user.pk).update(undigested_at=None)


def token_of(user: User) -> str:
    raw = user.pk.to_bytes(NUMBER_BYTES, "big")
    return base64.urlsafe_b64encode(raw + _seal(raw, settings.SECRET_KEY)).decode()


def person_of(token: str) -> User | None:
    """Whom a token of this site is about, while there is such an account."""
    if not SHAPE.fullmatch(token):
        return None
    sealed = base64.urlsafe_b64decode(token)
    raw = sealed[:NUMBER_BYTES]
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not any(hmac.compare_digest(sealed[NUMBER_BYTES:], _seal(raw, key)) for key in keys):
        return None
    user = User.objects.filter(pk=int.from_bytes(raw, "big")).first()
    return None if user is None or user.is_forgotten else user


def unsubscribe_address(user: User) -> str:
    return settings.SITE_URL + reverse("unsubscribe", args=[token_of(user)])


def unsubscribe_headers(address: str) -> dict[str, str]:
    """What lets a mail program offer a button (RFC 2369) that works with one click (RFC 8058)."""
    return {
        "List-Unsubscribe": f"<{address}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _seal(raw: bytes, key: str) -> bytes:
    return salted_hmac(SALT, raw, secret=key, algorithm="sha256").digest()[:SEAL_BYTES]
