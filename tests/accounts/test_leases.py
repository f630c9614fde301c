"""What becomes of a held row when the database goes away under it."""

import threading
from datetime import timedelta

import pytest
from django.db import DataError, InterfaceError, OperationalError, connection
from django.utils import timezone

from accounts.models import Lease, OutgoingMail
from accounts.models.work import MAX_DEATHS
from tests.owner import as_owner

pytestmark = pytest.mark.django_db(transaction=True)
LEASE = timedelta(seconds=60)


def claimed() -> OutgoingMail:
    OutgoingMail.objects.update(due_at=timezone.now() - LEASE)
    row = OutgoingMail.objects.claim(lease=LEASE)
    assert row is not None
    return row


def ask_while_the_connection_is_cut() -> None:
    """As a restart of the database does it, seen from one worker."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()

    def terminate() -> None:
        with as_owner() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        connection.close()

    thread = threading.Thread(target=terminate)
    thread.start()
    thread.join()
    OutgoingMail.objects.count()


def test_database_that_cuts_the_connection_costs_a_row_no_death_however_often() -> None:
    row = OutgoingMail.objects.create(template="test", to="a@example.org")
    for _ in range(MAX_DEATHS + 1):
        held = claimed()
        with pytest.raises((OperationalError, InterfaceError)), Lease(held, LEASE):
            ask_while_the_connection_is_cut()
        row.refresh_from_db()
        assert (row.state, row.deaths) == ("waiting", 0)
    assert row.reason == "The database went away while it was worked on"
    assert row.due_at > timezone.now()


def test_mistake_that_the_database_finds_counts_as_a_death() -> None:
    row = OutgoingMail.objects.create(template="test", to="a@example.org")
    held = claimed()
    with pytest.raises(DataError), Lease(held, LEASE), connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    row.refresh_from_db()
    assert (row.state, row.deaths) == ("waiting", 1)


def test_database_that_stays_away_leaves_the_row_to_its_lease(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_args: object, **_facts: object) -> bool:
        raise OperationalError("still restarting")

    row = OutgoingMail.objects.create(template="test", to="a@example.org")
    held = claimed()
    monkeypatch.setattr(OutgoingMail, "postpone", away)
    with pytest.raises(OperationalError, match="first"), Lease(held, LEASE):
        raise OperationalError("first")
    assert "row not given back: the database does not answer" in caplog.messages
    row.refresh_from_db()
    assert row.state == "running"
    OutgoingMail.objects.update(leased_until=timezone.now() - LEASE)
    assert claimed().deaths == 1
