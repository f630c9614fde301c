"""What production must not start with. Every problem is named at once, with what to set."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

# The database blanks none sooner (datasets/migrations/0007_forgetting.py).
LEAST_ADDRESS_DAYS = 30
WEEK = 7 * 86_400
HOST = re.compile(r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)?")
# Parts whose defaults serve one machine only.
NAMED_PARTS = (
    *("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "DEFAULT_FROM_EMAIL"),
    *("BUCKET_NAME", "EVIDENCE_BUCKET_NAME", "PREVIEW_BUCKET_NAME"),
)


def problems(settings: Mapping[str, Any]) -> Iterator[str]:
    secret = settings["SECRET_KEY"]
    if is_weak(secret):
        yield "SECRET_KEY is missing or weak: set at least 50 random characters."
    if any(is_weak(fallback) for fallback in settings["SECRET_KEY_FALLBACKS"]):
        yield "SECRET_KEY_FALLBACKS has a weak key: what it signed is believed as well. Leave it out."
    if settings["DEBUG"]:
        yield "DEBUG is on: unset it."
    hosts = settings["ALLOWED_HOSTS"]
    if not hosts or any("*" in host or host.startswith(".") for host in hosts):
        yield "ALLOWED_HOSTS is empty or has a wildcard: name each host."
    if not settings["SITE_URL"].startswith("https://"):
        yield "SITE_URL must begin with https://: mailed links are made from it."
    if not 60 <= settings["SIGNED_LIFETIME"] <= WEEK:
        yield "SIGNED_LIFETIME must be between 60 and 604800 seconds: SigV4 URLs live 7 days at most."
    if settings["ADDRESS_DAYS"] < LEAST_ADDRESS_DAYS:
        yield "ADDRESS_DAYS must be at least 30: the database blanks no network address sooner."
    if settings["FIXITY_DAYS"] < 1:
        yield "FIXITY_DAYS must be at least 1: else the bucket is asked for every key without end."
    yield from (f"{name} is missing." for name in NAMED_PARTS if not os.environ.get(name))
    yield from bucket_problems(settings)
    yield from link_key_problems(settings["LINK_KEYS"], secret)
    yield from database_problems(settings)
    if settings["TRUSTED_PROXY_COUNT"] < 1:
        yield "TRUSTED_PROXY_COUNT must say how many proxies stand in front (load balancer and nginx: 2)."


def database_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    if not settings["DATABASES"]["default"].get("HOST"):
        yield "DATABASE_URL names no host."
    if not settings["DATABASE_OWNER"]:
        return
    # What serves or works for long would hand the owner's password to whoever breaks into it.
    if Path(sys.argv[0]).name != "manage.py":
        yield "DATABASE_OWNER_URL is set: give it to `manage.py migrate` alone, not to the web server, worker or beat."
    if settings["DATABASE_OWNER"]["USER"] == settings["DATABASE_ROLE"]:
        yield "DATABASE_OWNER_URL and DATABASE_URL name the same role: let the site have one that owns nothing."


def is_weak(secret: str) -> bool:
    return len(secret) < 50 or len(set(secret)) < 5 or secret.startswith("django-insecure")


def bucket_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    if settings["EVIDENCE_BUCKET_NAME"] and settings["EVIDENCE_BUCKET_NAME"] == settings["BUCKET_NAME"]:
        yield "EVIDENCE_BUCKET_NAME is the bucket of the data: name one of its own, made with object lock."
    if settings["PREVIEW_BUCKET_NAME"] in {settings["BUCKET_NAME"], settings["EVIDENCE_BUCKET_NAME"]} - {""}:
        yield "PREVIEW_BUCKET_NAME is a bucket of something else: name one of its own, from which pictures are deleted."
    if bool(settings["BUCKET_ACCESS_KEY_ID"]) != bool(settings["BUCKET_SECRET_ACCESS_KEY"]):
        yield "BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY go together: set both or neither."
    if settings["SIGNING_KEY"] and not all(settings["SIGNING_KEY"].partition(":")):
        yield "SIGNING_KEY must be id:secret, of the key that signs links."
    if not HOST.fullmatch(settings["DOWNLOAD_HOST"]):
        yield "DOWNLOAD_HOST must be the name of a host alone, such as files.example.org."


def link_key_problems(keys: list[str], secret: str) -> Iterator[str]:
    if not keys:
        yield "LINK_KEYS is missing: set id:secret with 64 random hexadecimal digits."
    names = [key.partition(":")[0] for key in keys]
    if len(set(names)) < len(names):
        yield "LINK_KEYS uses an id twice."
    for key in keys:
        name, _, value = key.partition(":")
        if len(name) != 1 or not name.isalnum() or not name.isascii():
            yield "LINK_KEYS: each id is one letter or digit."
        if len(value) < 64 or len(set(value)) < 5 or value == secret:
            yield f"LINK_KEYS: the secret of {name!r} is weak: set 64 random hexadecimal digits, apart from SECRET_KEY."


def refuse_unsafe(settings: Mapping[str, Any]) -> None:
    """Raise ImproperlyConfigured with every problem of these settings, or return."""
    found = list(problems(settings))
    if found:
        raise ImproperlyConfigured("Production does not start:\n- " + "\n- ".join(found))
