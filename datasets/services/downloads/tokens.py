"""Tokens of links: what stands in an address after /get/.

A token is one character that names the key, and base64url of the link's 8-byte nonce and a 16-byte HMAC of both:
33 characters, short enough for every mail program. Nothing of it is stored, so it can be shown again at any time,
and a foreign or damaged one is refused before the database is asked.
"""

import base64
import hmac
import re
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from datasets.exceptions import LinkUnknown
from datasets.models import DownloadLink
from datasets.permissions import site_address

# 24 bytes are exactly 32 characters, without padding or spare bits: each token has one spelling only.
SHAPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{32}\Z", re.ASCII)
NONCE_BYTES, SEAL_BYTES = 8, 16
# Whatever else is ever signed with these keys, its signature is none of a link.
DOMAIN = b"datasets.DownloadLink\0"


def mint(nonce: int) -> str:
    """The token of a nonce, under the key that mints now."""
    keys = link_keys(tuple(settings.LINK_KEYS))
    if not keys:
        raise ImproperlyConfigured("LINK_KEYS is missing: set id:secret with 64 random hexadecimal digits.")
    key_id = next(iter(keys))
    raw = nonce.to_bytes(NONCE_BYTES, "big", signed=True)
    return key_id + base64.urlsafe_b64encode(raw + seal(keys[key_id], key_id, raw)).decode()


def nonce_of(token: str) -> int:
    """The nonce under a token that this site made; LinkUnknown for any other text."""
    if SHAPE.match(token):
        key_id = token[0]
        key = link_keys(tuple(settings.LINK_KEYS)).get(key_id)
        sealed = base64.urlsafe_b64decode(token[1:])
        raw = sealed[:NONCE_BYTES]
        if key is not None and hmac.compare_digest(sealed[NONCE_BYTES:], seal(key, key_id, raw)):
            return int.from_bytes(raw, "big", signed=True)
    raise LinkUnknown(link_unknown())


def seal(key: bytes, key_id: str, raw: bytes) -> bytes:
    return hmac.digest(key, DOMAIN + key_id.encode() + raw, "sha256")[:SEAL_BYTES]


@lru_cache(maxsize=2)
def link_keys(entries: tuple[str, ...]) -> dict[str, bytes]:
    """LINK_KEYS as key id → secret, in their order: the first mints, all of them verify."""
    return {name: secret.encode() for name, _, secret in (entry.partition(":") for entry in entries)}


def link_unknown() -> str:
    return (
        "This link is not complete; mail programs sometimes cut long lines. "
        f"Copy it again from {site_address('downloads')}"
    )


def token_of(link: DownloadLink) -> str:
    return mint(link.nonce)


def address_of(link: DownloadLink, name: str = "") -> str:
    """The absolute address of a link, or of a file below it."""
    return address_below(token_of(link), name)


def address_below(token: str, name: str = "") -> str:
    return settings.SITE_URL + reverse("get_listing", args=[token]) + name
