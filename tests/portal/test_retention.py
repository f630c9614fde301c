"""What is kept for how long: every model has its rule, every rule its line on the page, and old rows go."""

from datetime import datetime, timedelta

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.conf import settings as site
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from django.utils.html import escape
from pytest_django import Settings

from accounts.exceptions import Obsolete
from accounts.mail import queue
from accounts.mail.outbox import RENDERERS
from accounts.models import OutgoingMail, User
from accounts.services import retention
from accounts.services.deletions import delete_own_account
from accounts.services.retention import Rule, rules
from accounts.tasks import forget_what_is_old
from datasets.models import AccessRequest, DownloadRecord
from tests.factories import (
    PASSWORD,
    AccessRequestFactory,
    DownloadRecordFactory,
    SignatureFactory,
    StaffFactory,
    UserFactory,
)
from tests.owner import as_owner
from tests.registrations import register, sign_in

pytestmark = pytest.mark.django_db
FACTS = {"at": "2026-11-12T08:30:00+00:00", "address": "192.0.2.9", "agent": "Firefox on Linux"}


def ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


# The rules ------------------------------------------------------------------------------------------------


def test_every_model_has_a_rule_and_no_rule_names_another() -> None:
    tables = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    models = {model._meta.label for model in tables if not model._meta.proxy}
    assert {label for rule in rules() for label in rule.models} == models


def test_every_rule_is_a_line_of_the_privacy_page(client: Client, settings: Settings) -> None:
    settings.ADDRESS_DAYS = 42
    page = client.get("/privacy/").content.decode()
    for rule in rules():
        for part in (rule.what, rule.why, rule.seen_by, rule.term):
            assert escape(part) in page
    assert "42 days, then it is blanked" in page
    assert "42 days, then they are blanked" in page
    assert "{" not in page


def test_whoever_has_a_time_is_forgotten_by_a_task_that_runs_daily() -> None:
    assert {rule.what for rule in rules() if "{days}" in rule.how_long} <= {
        rule.what for rule in rules() if rule.forget and rule.days() > 0
    }
    [entry] = [entry for entry in site.CELERY_BEAT_SCHEDULE.values() if entry["task"] == forget_what_is_old.name]
    assert entry["schedule"].run_every == timedelta(days=1)


def test_a_rule_that_fails_holds_up_no_other_and_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_days: int) -> int:
        raise DatabaseError("refused")

    def note(days: int) -> int:
        done.append(days)
        return 0

    done: list[int] = []
    told = [Rule(models=(), what="x", why="", seen_by="", how_long="", forget=forget) for forget in (fail, note)]
    monkeypatch.setattr(retention, "rules", lambda: told)
    with pytest.raises(DatabaseError, match="refused"):
        forget_what_is_old()
    assert done == [0]
    assert "a rule of retention was not enforced" in caplog.messages


def test_when_the_time_is_up_it_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        mail("done", 91)
    assert retention.forget_what_is_old(seconds=0)
    assert OutgoingMail.objects.count() == 3
    while retention.forget_what_is_old(seconds=0):
        pass
    assert OutgoingMail.objects.count() == 0


# Old goes, young stays --------------------------------------------------------------------------------------


def mail(state: str, days: float, **keys: str) -> OutgoingMail:
    row = queue("account/password_changed", user=UserFactory(), **keys)
    assert row
    finished = timezone.now() if state in ("done", "failed") else None
    leased = timezone.now() if state == "running" else None
    OutgoingMail.objects.filter(pk=row.pk).update(
        state=state, reason="x", created_at=ago(days), finished_at=finished, leased_until=leased
    )
    row.refresh_from_db()
    return row


def unconfirmed(days: float, **fields: object) -> User:
    user = UserFactory(verified=False, date_joined=ago(days), **fields)
    EmailAddress.objects.create(user=user, email=user.email, primary=True)
    queue("account/email_confirmation_signup", user=user, nonce="x")
    return user


def entry(days: float) -> LogEntry:
    kind = ContentType.objects.get_for_model(User)
    row = LogEntry.objects.create(user=StaffFactory(), content_type=kind, object_repr="so", action_flag=CHANGE)
    LogEntry.objects.filter(pk=row.pk).update(action_time=ago(days))
    return row


def decided(status: str, days: float) -> AccessRequest:
    request = AccessRequestFactory(status=status, decided_at=ago(days), reason="No.")
    with as_owner(freely_with=["datasets_accessrequestevent"]) as cursor:
        cursor.execute(
            "UPDATE datasets_accessrequestevent SET pgh_created_at = %s WHERE pgh_obj_id = %s", [ago(days), request.pk]
        )
    return request


def test_sent_mails_go_after_90_days_and_failed_ones_after_180() -> None:
    for state, days in (("done", 91), ("failed", 181)):
        mail(state, days)
    young = [("done", 89), ("failed", 179), ("waiting", 400), ("running", 400)]
    kept = {mail(state, days).pk for state, days in young}
    forget_what_is_old()
    assert set(OutgoingMail.objects.values_list("pk", flat=True)) == kept


@pytest.mark.parametrize("state", ["done", "failed"])
def test_old_mails_forget_from_where_a_change_came(settings: Settings, state: str) -> None:
    settings.ADDRESS_DAYS = 30
    old = mail(state, 31, **FACTS)
    forget_what_is_old()
    old.refresh_from_db()
    assert old.keys == {"at": FACTS["at"]}
    with pytest.raises(Obsolete):
        RENDERERS[old.template](old)


def test_young_mails_and_mails_to_be_sent_keep_it(settings: Settings) -> None:
    settings.ADDRESS_DAYS = 30
    for days, state in ((29, "done"), (31, "waiting"), (31, "running")):
        mail(state, days, **FACTS)
    forget_what_is_old()
    assert all(row.keys == FACTS for row in OutgoingMail.objects.all())


def test_registrations_that_nobody_confirmed_go_after_30_days_with_their_mails() -> None:
    unconfirmed(31)
    kept = {
        unconfirmed(29),
        UserFactory(date_joined=ago(400)),
        unconfirmed(400, last_login=timezone.now()),
        unconfirmed(400, is_staff=True),
        SignatureFactory(user=unconfirmed(400)).user,
        # Made at the command line, without an address to confirm.
        UserFactory(verified=False, date_joined=ago(400)),
    }
    deleted = unconfirmed(400)
    delete_own_account(deleted)
    forget_what_is_old()
    assert set(User.objects.filter(is_superuser=False)) >= kept | {deleted}
    assert User.objects.count() == len(kept) + 1
    assert OutgoingMail.objects.filter(user=None).count() == 0


def test_sessions_that_ran_out_go_and_no_others(client: Client) -> None:
    register(client)
    sign_in(Client(), UserFactory().email, PASSWORD)
    Session.objects.filter(pk=client.session.session_key).update(expire_date=timezone.now() - timedelta(seconds=1))
    forget_what_is_old()
    assert Session.objects.count() == 1
    assert not Session.objects.filter(pk=client.session.session_key).exists()


def test_the_admins_log_goes_after_two_years() -> None:
    entry(731)
    kept = entry(729)
    forget_what_is_old()
    assert list(LogEntry.objects.all()) == [kept]


@pytest.mark.parametrize("status", ["declined", "withdrawn"])
def test_purposes_that_led_nowhere_go_after_a_year_also_in_the_history(status: str) -> None:
    old, young, approved = decided(status, 366), decided(status, 364), decided("approved", 366)
    forget_what_is_old()
    for request, is_kept in ((old, False), (young, True), (approved, True)):
        request.refresh_from_db()
        assert bool(request.purpose) is is_kept
        assert request.reason == "No."
        assert {bool(event.purpose) for event in request.events.all()} == {is_kept}  # type: ignore[attr-defined]


def test_addresses_of_downloads_are_blanked_batch_by_batch(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ADDRESS_DAYS = 30
    monkeypatch.setattr("datasets.services.retention.BATCH", 2)
    old = [DownloadRecordFactory(issued_at=ago(days), country="GH") for days in (31, 40, 50, 60, 400)]
    young = DownloadRecordFactory(issued_at=ago(29))
    forget_what_is_old()
    rows = DownloadRecord.objects.in_bulk()
    assert {(rows[row.pk].address, rows[row.pk].agent, rows[row.pk].country) for row in old} == {(None, "curl/8", "GH")}
    assert rows[young.pk].address == "192.0.2.7"
