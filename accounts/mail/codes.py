"""Codes that are not stored: each is the HMAC of a nonce, so that a row may hold the nonce."""

import secrets

from django.conf import settings
from django.utils.crypto import salted_hmac

from accounts.exceptions import Obsolete

DIGITS = 6
SALT = "accounts.mail.codes"


def mint_code(purpose: str) -> tuple[str, str]:
    """A new nonce and its code of six digits. The nonce names the key, so that rotating SECRET_KEY between
    minting and sending does not mail another code than the one that is expected."""
    nonce = f"{purpose}:{_fingerprint(settings.SECRET_KEY)}:{secrets.token_urlsafe(16)}"
    return nonce, _derive(nonce, settings.SECRET_KEY)


def code_of(nonce: str) -> str:
    """The code that was minted with this nonce; Obsolete when its key is no longer in use."""
    named = nonce.split(":")[1:2]
    for key in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]:
        if named == [_fingerprint(key)]:
            return _derive(nonce, key)
    raise Obsolete("The code was made with a key that is no longer in use.")


def _derive(nonce: str, key: str) -> str:
    digest = salted_hmac(SALT, nonce, secret=key, algorithm="sha256").digest()
    return f"{int.from_bytes(digest) % 10**DIGITS:0{DIGITS}}"


def _fingerprint(key: str) -> str:
    return salted_hmac(f"{SALT}.key", "", secret=key, algorithm="sha256").hexdigest()[:8]
