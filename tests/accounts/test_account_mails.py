"""The mails about an account: each says who, when, from what, and what to do if it was somebody else."""

import re
from datetime import timedelta
from pathlib import Path

import allauth
import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.exceptions import Obsolete
from accounts.mail import mint_code, queue
from accounts.mail.letters import letter
from accounts.mail.outbox import RENDERERS
from accounts.models import OutgoingMail
from tests.factories import UserFactory
from tests.letters import text_of
from tests.registrations import read

pytestmark = pytest.mark.django_db
# allauth's mails for ways that this site does not offer: links instead of codes, and signing in by mail.
NOT_OFFERED = {"password_reset_key", "login_code"}
CODES = ["email_confirmation", "email_confirmation_signup", "password_reset_code"]
ANSWERS = ["account_already_exists", "unknown_account"]
EVENTS = [
    "account_connected",
    "account_disconnected",
    "email_changed",
    "email_deleted",
    "password_changed",
    "password_reset",
    "password_set",
    "recovery_codes_generated",
    "totp_activated",
    "totp_deactivated",
    "webauthn_added",
    "webauthn_removed",
]
FACTS = {
    "at": "2026-11-12T08:30:00+00:00",
    "address": "192.0.2.9",
    "agent": "Firefox on Linux",
    "provider": "GitHub",
    "from_email": "old@example.org",
    "to_email": "new@example.org",
    "deleted_email": "old@example.org",
}


@pytest.fixture(autouse=True)
def _site(settings: Settings) -> None:
    settings.SITE_URL = "https://portal.example.org"
    settings.SITE_CONTACT = "help@example.org"


def queued(template: str, **keys: str) -> OutgoingMail:
    mail = queue(f"account/{template}", user=UserFactory(email="quiet@example.org", name="Quiet Reader"), **keys)
    assert mail
    return mail


def test_every_mail_that_allauth_sends_has_one_of_ours() -> None:
    sources = Path(allauth.__file__).parent.rglob("*.py")
    found = {
        name
        for source in sources
        if "headless" not in source.parts
        for name in re.findall(r'"(?:account|mfa|socialaccount)/email/(\w+)"', source.read_text())
    }
    ours = {name.removeprefix("account/") for name in RENDERERS if name.startswith("account/")}
    assert found - NOT_OFFERED == ours - {"deleted", "address_check"} == {*CODES, *ANSWERS, *EVENTS}


@pytest.mark.parametrize("template", EVENTS)
def test_a_change_is_told_with_who_when_and_from_what(template: str) -> None:
    message = read(queued(template, **FACTS))
    assert message["Subject"].endswith("Kspace Portal")
    for kind in ("plain", "html"):
        said = text_of(message, kind)
        for fact in ("quiet@example.org", "12 Nov 2026", "08:30", "Firefox on Linux", "192.0.2.9", "help@example.org"):
            assert fact in said
        assert "If it was not" in said
    assert max(len(line) for line in text_of(message).splitlines()) < 100


@pytest.mark.parametrize("template", CODES)
def test_a_code_is_in_both_parts_with_its_end(template: str) -> None:
    nonce, code = mint_code("confirm")
    message = read(queued(template, nonce=nonce))
    assert message["Subject"] == "Your code for Kspace Portal"
    for kind in ("plain", "html"):
        assert code in text_of(message, kind)
        assert "It works until" in text_of(message, kind)


def test_a_code_that_ran_out_in_an_outage_is_not_sent() -> None:
    mail = queued("password_reset_code", nonce=mint_code("reset")[0])
    mail.created_at = timezone.now() - timedelta(minutes=16)
    with pytest.raises(Obsolete, match="run out"):
        letter(mail)


@pytest.mark.parametrize("template", [*CODES, *ANSWERS])
def test_a_mail_to_somebody_unproven_does_not_repeat_what_was_typed(template: str) -> None:
    user = UserFactory(name="Cheap watches at evil.example.com", email="quiet@example.org")
    mail = queue(f"account/{template}", user=user, nonce=mint_code("confirm")[0])
    assert mail
    message = read(mail)
    assert "watches" not in message["Subject"] + text_of(message) + text_of(message, "html")


@pytest.mark.parametrize("template", ANSWERS)
def test_an_answer_leads_to_the_site(template: str) -> None:
    said = text_of(read(queued(template)))
    assert re.search(r"^    https://portal\.example\.org/accounts/\S+/$", said, re.MULTILINE)
