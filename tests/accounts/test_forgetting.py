"""What is not kept for ever: sessions, unfinished registrations, and from where changes came."""

from datetime import timedelta

import pytest
from django.conf import settings as site
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.exceptions import Obsolete
from accounts.mail import queue
from accounts.mail.outbox import RENDERERS
from accounts.models import OutgoingMail
from accounts.services.mails import blank_addresses
from accounts.tasks import blank_mail_addresses, clear_sessions
from tests.factories import PASSWORD, UserFactory
from tests.registrations import confirm, newest_code, register, sign_in

pytestmark = pytest.mark.django_db
TWO_WEEKS = 14 * 86_400
FACTS = {"at": "2026-11-12T08:30:00+00:00", "address": "192.0.2.9", "agent": "Firefox on Linux"}


def changed(*, days: int, state: str) -> OutgoingMail:
    """A mail that says that a password was changed."""
    mail = queue("account/password_changed", user=UserFactory(), **FACTS)
    assert mail
    finished = timezone.now() if state in ("done", "failed") else None
    leased = timezone.now() if state == "running" else None
    created = timezone.now() - timedelta(days=days)
    OutgoingMail.objects.filter(pk=mail.pk).update(
        state=state, reason="x", created_at=created, finished_at=finished, leased_until=leased
    )
    mail.refresh_from_db()
    return mail


def test_sessions_that_ran_out_are_deleted_daily_and_no_others(client: Client) -> None:
    register(client)
    sign_in(Client(), UserFactory().email, PASSWORD)
    Session.objects.filter(pk=client.session.session_key).update(expire_date=timezone.now() - timedelta(seconds=1))
    clear_sessions()
    assert Session.objects.count() == 1
    assert not Session.objects.filter(pk=client.session.session_key).exists()


def test_a_session_with_the_answers_of_a_registration_lives_for_an_hour_until_somebody_signs_in(client: Client) -> None:
    register(client)
    assert client.session.get_expiry_age() <= 3_600
    confirm(client, newest_code())
    assert "registering" not in client.session
    assert client.session.get_expiry_age() > TWO_WEEKS - 60


def test_who_signs_in_otherwise_takes_no_answers_along(client: Client) -> None:
    user = UserFactory(email="taken@example.org")
    register(client, user.email)
    assert client.session["registering"]["password"]
    # The code's quarter of an hour is over; until then signing in leads back to its page.
    session = client.session
    for key in [key for key in session.keys() if key.startswith("account_")]:  # noqa: SIM118
        del session[key]
    session.save()
    assert sign_in(client, user.email, PASSWORD)["Location"] == "/downloads/"
    assert "registering" not in client.session
    assert client.session.get_expiry_age() > TWO_WEEKS - 60


@pytest.mark.parametrize("state", ["done", "failed"])
def test_old_mails_forget_from_where_a_change_came(settings: Settings, state: str) -> None:
    settings.ADDRESS_DAYS = 30
    old = changed(days=31, state=state)
    blank_mail_addresses()
    old.refresh_from_db()
    assert old.keys == {"at": FACTS["at"]}
    with pytest.raises(Obsolete):
        RENDERERS[old.template](old)


def test_young_mails_and_mails_to_be_sent_keep_it(settings: Settings) -> None:
    settings.ADDRESS_DAYS = 30
    for days, state in ((29, "done"), (31, "waiting"), (31, "running")):
        changed(days=days, state=state)
    assert blank_addresses() == 0
    assert all(mail.keys == FACTS for mail in OutgoingMail.objects.all())


def test_the_privacy_page_says_for_how_long_mails_keep_it(client: Client, settings: Settings) -> None:
    settings.ADDRESS_DAYS = 42
    assert "42 days, then they are blanked" in client.get("/privacy/").content.decode()


def test_forgetting_is_scheduled() -> None:
    tasks = {entry["task"] for entry in site.CELERY_BEAT_SCHEDULE.values()}
    assert {clear_sessions.name, blank_mail_addresses.name} <= tasks


def test_messages_need_no_cookie_of_their_own(client: Client) -> None:
    user = UserFactory()
    sign_in(client, user.email, PASSWORD)
    client.post("/accounts/profile/sign-out-everywhere/")
    assert "You are signed out everywhere but here." in client.get("/accounts/profile/").content.decode()
    assert set(client.cookies) <= {site.SESSION_COOKIE_NAME, site.CSRF_COOKIE_NAME}
    assert not Client().get("/").cookies


def test_the_form_says_who_reads_the_purpose(client: Client) -> None:
    page = client.get("/accounts/signup/").content.decode()
    assert "The maintainers of this site read them; nobody else does." in page
