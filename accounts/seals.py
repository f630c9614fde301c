"""Secrets that must be read again, sealed with SECRET_KEY: who reads only the database has none of them."""

import base64

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac

SALT = "accounts.seals"


def seal(text: str) -> str:
    return _keys().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Also what was sealed with a key that is now among SECRET_KEY_FALLBACKS; cryptography's InvalidToken otherwise."""
    return _keys().decrypt(sealed).decode()


def _keys() -> MultiFernet:
    """The first one seals, all of them unseal."""
    return MultiFernet([_key(secret) for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]])


def _key(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(salted_hmac(SALT, "", secret=secret, algorithm="sha256").digest()))
