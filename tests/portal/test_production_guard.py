"""Production refuses to start on anything unsafe or incomplete, and names every problem at once."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SAFE = {
    "SECRET_KEY": secrets.token_urlsafe(64),
    "ALLOWED_HOSTS": "portal.example.org",
    "SITE_URL": "https://portal.example.org",
    "DATABASE_URL": "postgres://portal_app:secret@database.example.org/portal",
    "REDIS_URL": "rediss://cache.example.org:6379/0",
    "BUCKET_NAME": "example-data",
    "EVIDENCE_BUCKET_NAME": "example-evidence",
    "PREVIEW_BUCKET_NAME": "example-previews",
    "LINK_KEYS": f"a:{secrets.token_hex(32)}",
    "EMAIL_URL": "smtp+tls://user:secret@mail.example.org:587",
    "DEFAULT_FROM_EMAIL": "Kspace Portal <data@example.org>",
    "TRUSTED_PROXY_COUNT": "2",
}


def start(
    changes: dict[str, str | None], module: str = "portal.settings.production"
) -> subprocess.CompletedProcess[str]:
    """Import a module in a process of its own, with these settings in an otherwise empty environment."""
    values = {**SAFE, **changes}
    environment = {name: value for name, value in values.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_complete_settings_start() -> None:
    assert start({}).stderr == ""


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SECRET_KEY", None, "SECRET_KEY is missing or weak"),
        ("SECRET_KEY", "short", "SECRET_KEY is missing or weak"),
        ("SECRET_KEY", "a" * 80, "SECRET_KEY is missing or weak"),
        ("SECRET_KEY", "django-insecure-" + "x1y2z3" * 12, "SECRET_KEY is missing or weak"),
        ("SECRET_KEY_FALLBACKS", "development-only", "SECRET_KEY_FALLBACKS has a weak key"),
        ("DEBUG", "yes", "DEBUG is on"),
        ("ALLOWED_HOSTS", "*", "wildcard"),
        ("ALLOWED_HOSTS", ".example.org", "wildcard"),
        ("ALLOWED_HOSTS", "", "ALLOWED_HOSTS is empty"),
        ("SITE_URL", "http://portal.example.org", "SITE_URL must begin with https://"),
        ("SIGNED_LIFETIME", "604801", "SIGNED_LIFETIME must be between"),
        ("SIGNED_LIFETIME", "0", "SIGNED_LIFETIME must be between"),
        ("ADDRESS_DAYS", "29", "ADDRESS_DAYS must be at least 30"),
        ("FIXITY_DAYS", "0", "FIXITY_DAYS must be at least 1"),
        ("BUCKET_NAME", None, "BUCKET_NAME is missing"),
        ("EVIDENCE_BUCKET_NAME", None, "EVIDENCE_BUCKET_NAME is missing"),
        ("EVIDENCE_BUCKET_NAME", "example-data", "EVIDENCE_BUCKET_NAME is the bucket of the data"),
        ("PREVIEW_BUCKET_NAME", None, "PREVIEW_BUCKET_NAME is missing"),
        ("PREVIEW_BUCKET_NAME", "example-data", "PREVIEW_BUCKET_NAME is a bucket of something else"),
        ("PREVIEW_BUCKET_NAME", "example-evidence", "PREVIEW_BUCKET_NAME is a bucket of something else"),
        ("REDIS_URL", None, "REDIS_URL is missing"),
        ("EMAIL_URL", None, "EMAIL_URL is missing"),
        ("DEFAULT_FROM_EMAIL", None, "DEFAULT_FROM_EMAIL is missing"),
        ("DATABASE_URL", "postgres:///portal", "names no host"),
        ("BUCKET_ACCESS_KEY_ID", "AKIAEXAMPLE", "go together"),
        ("SIGNING_KEY", "AKIAEXAMPLE", "SIGNING_KEY must be id:secret"),
        ("SIGNING_KEY", "AKIAEXAMPLE:", "SIGNING_KEY must be id:secret"),
        ("DOWNLOAD_HOST", "https://files.example.org", "DOWNLOAD_HOST must be the name of a host alone"),
        ("LINK_KEYS", None, "LINK_KEYS is missing"),
        ("LINK_KEYS", "a:0123", "is weak"),
        ("LINK_KEYS", "ab:" + "0123456789abcdef" * 4, "one letter or digit"),
        ("LINK_KEYS", ",".join(["a:" + "0123456789abcdef" * 4] * 2), "uses an id twice"),
        ("DATABASE_URL", None, "DATABASE_URL is missing"),
        ("TRUSTED_PROXY_COUNT", None, "TRUSTED_PROXY_COUNT"),
    ],
)
def test_unsafe_setting_is_refused_by_name(name: str, value: str | None, sentence: str) -> None:
    refused = start({name: value})

    assert refused.returncode != 0
    assert sentence in refused.stderr


def test_key_for_links_and_host_in_front_of_the_bucket_start() -> None:
    assert start({"SIGNING_KEY": "AKIAEXAMPLE:secret", "DOWNLOAD_HOST": "files.example.org"}).stderr == ""


def test_every_problem_is_named_at_once() -> None:
    refused = start({"SECRET_KEY": None, "DEBUG": "1", "BUCKET_NAME": None})

    assert "SECRET_KEY" in refused.stderr
    assert "DEBUG is on" in refused.stderr
    assert "BUCKET_NAME is missing" in refused.stderr


def test_a_secret_is_never_repeated_in_the_refusal() -> None:
    weak = "a:" + "ab" * 10

    assert weak not in start({"LINK_KEYS": weak}).stderr


OWNER = "postgres://portal:secret@database.example.org/portal"


@pytest.mark.parametrize("module", ["portal.wsgi", "portal.celery, django.conf; django.conf.settings.DEBUG"])
def test_server_or_worker_that_knows_the_owners_password_does_not_start(module: str) -> None:
    refused = start({"DATABASE_OWNER_URL": OWNER}, module)

    assert refused.returncode != 0
    assert "DATABASE_OWNER_URL is set: give it to `manage.py migrate` alone" in refused.stderr
    assert "secret" not in refused.stderr


def test_command_line_takes_the_owners_address_if_it_is_another_roles() -> None:
    command_line = "sys; sys.argv = ['manage.py', 'migrate']; import portal.settings.production"

    assert start({"DATABASE_OWNER_URL": OWNER}, command_line).stderr == ""
    same = start({"DATABASE_OWNER_URL": SAFE["DATABASE_URL"]}, command_line)
    assert "DATABASE_OWNER_URL and DATABASE_URL name the same role" in same.stderr


def test_server_that_is_told_no_settings_takes_those_of_production() -> None:
    assert start({}, "portal.wsgi").returncode == 0
    assert "SECRET_KEY is missing or weak" in start({"SECRET_KEY": None}, "portal.wsgi").stderr


def test_development_settings_refuse_another_host_than_loopback() -> None:
    refused = start({"DJANGO_SETTINGS_MODULE": "portal.settings.development"}, "portal.wsgi")

    assert refused.returncode != 0
    assert "These settings are for loopback" in refused.stderr
