"""Rows of work: claims, leases, deaths, back-off."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from accounts.models import Lease, OutgoingMail, Work
from accounts.models.work import MAX_DEATHS

LEASE = timedelta(seconds=60)
AGO = timedelta(seconds=1)


def make_rows(number: int, **fields: object) -> list[OutgoingMail]:
    return [OutgoingMail.objects.create(template="test", to="a@example.org", **fields) for _ in range(number)]


def claim(lease: timedelta = LEASE) -> OutgoingMail:
    """A claim that finds a row."""
    row = OutgoingMail.objects.claim(lease=lease)
    assert row is not None
    return row


def expire(row: Work) -> None:
    """What the row of a killed worker looks like once its lease ran out."""
    OutgoingMail.objects.filter(pk=row.pk).update(leased_until=timezone.now() - AGO)


@pytest.mark.django_db(transaction=True)
def test_eight_threads_claim_each_row_once() -> None:
    rows = make_rows(80)
    taken: Counter[int] = Counter()
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        while row := OutgoingMail.objects.claim(lease=LEASE):
            taken[row.pk] += 1
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == {row.pk: 1 for row in rows}
    assert set(OutgoingMail.objects.values_list("state", "attempts")) == {("running", 1)}


@pytest.mark.django_db(transaction=True)
def test_row_claimed_by_a_transaction_that_is_open_is_skipped() -> None:
    first, second = make_rows(2)
    found = []

    def other() -> None:
        found.append(OutgoingMail.objects.claim(lease=LEASE))
        connection.close()

    thread = threading.Thread(target=other)
    connection.set_autocommit(False)
    try:
        OutgoingMail.objects.select_for_update().get(pk=first.pk)
        thread.start()
        thread.join(5)
        assert found == [second]
    finally:
        connection.rollback()
        connection.set_autocommit(True)
        thread.join()


@pytest.mark.django_db
def test_rows_are_taken_in_the_order_in_which_they_are_due() -> None:
    late, early, later = make_rows(3)
    for row, seconds in ((late, 5), (early, 9), (later, -60)):
        OutgoingMail.objects.filter(pk=row.pk).update(due_at=timezone.now() - timedelta(seconds=seconds))
    assert [OutgoingMail.objects.claim(lease=LEASE) for _ in range(3)] == [early, late, None]


@pytest.mark.django_db
def test_lease_that_ran_out_is_taken_again_and_counts_a_death() -> None:
    [row] = make_rows(1)
    claim()
    assert OutgoingMail.objects.claim(lease=LEASE) is None
    expire(row)
    again = claim()
    assert (again.pk, again.state, again.attempts, again.deaths) == (row.pk, "running", 2, 1)


@pytest.mark.django_db
def test_third_death_fails_the_row_with_a_reason_and_gives_the_next_row() -> None:
    first, second = make_rows(2)
    for _ in range(MAX_DEATHS):
        OutgoingMail.objects.filter(pk=second.pk).update(due_at=timezone.now() + LEASE)
        assert OutgoingMail.objects.claim(lease=LEASE) == first
        expire(first)
    OutgoingMail.objects.filter(pk=second.pk).update(due_at=timezone.now())
    assert OutgoingMail.objects.claim(lease=LEASE) == second
    first.refresh_from_db()
    assert (first.state, first.deaths) == ("failed", MAX_DEATHS)
    assert first.reason.startswith("3 workers died on it")
    assert first.finished_at is not None


@pytest.mark.django_db
def test_worker_that_lost_its_lease_changes_nothing() -> None:
    make_rows(1)
    slow = claim()
    expire(slow)
    quick = claim()
    assert not slow.finish(Work.State.FAILED, reason="too slow")
    assert not slow.postpone(reason="too slow", base=AGO, ceiling=AGO)
    assert not slow.renew(lease=LEASE)
    quick.refresh_from_db()
    assert (quick.state, quick.reason) == ("running", "a worker died")
    assert quick.finish(Work.State.DONE)


@pytest.mark.django_db
def test_back_off_doubles_up_to_its_ceiling_with_half_of_it_jitter() -> None:
    [row] = make_rows(1)
    base, ceiling = timedelta(seconds=4), timedelta(seconds=300)
    waits: dict[int, list[float]] = {}
    for attempts in (1, 2, 3, 7, 8, 40, 5000):
        for _ in range(20):
            OutgoingMail.objects.update(state="running", leased_until=timezone.now(), attempts=attempts)
            row.refresh_from_db()
            before = timezone.now()
            assert row.postpone(reason="down", base=base, ceiling=ceiling)
            row.refresh_from_db()
            waits.setdefault(attempts, []).append((row.due_at - before).total_seconds())
    for attempts, longest in ((1, 4), (2, 8), (3, 16), (7, 256), (8, 300), (40, 300), (5000, 300)):
        assert longest / 2 <= min(waits[attempts])
        assert max(waits[attempts]) <= longest + 1
        assert max(waits[attempts]) - min(waits[attempts]) > longest / 10


@pytest.mark.django_db
def test_postponed_row_waits_until_it_is_due() -> None:
    make_rows(1)
    row = claim()
    row.postpone(reason="down", base=LEASE, ceiling=LEASE)
    assert OutgoingMail.objects.claim(lease=LEASE) is None
    row.refresh_from_db()
    assert (row.state, row.reason, row.leased_until, row.deaths) == ("waiting", "down", None, 0)


@pytest.mark.django_db
def test_failed_row_is_queued_again_only_by_retry() -> None:
    [row] = make_rows(1)
    assert not row.retry()
    row = claim()
    row.finish(Work.State.FAILED, reason="refused")
    assert OutgoingMail.objects.claim(lease=LEASE) is None
    assert row.retry()
    assert OutgoingMail.objects.claim(lease=LEASE) == row


@pytest.mark.django_db(transaction=True)
def test_held_row_is_renewed_for_as_long_as_it_takes() -> None:
    make_rows(1)
    short = timedelta(seconds=0.4)
    row = claim(short)
    with Lease(row, short):
        for _ in range(12):
            threading.Event().wait(0.1)
            assert OutgoingMail.objects.claim(lease=short) is None
        row.finish(Work.State.DONE)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.deaths) == ("done", 1, 0)


@pytest.mark.django_db
def test_exception_counts_as_a_death_and_the_third_fails_the_row_without_its_text() -> None:
    [row] = make_rows(1)
    for deaths in range(1, MAX_DEATHS + 1):
        OutgoingMail.objects.update(due_at=timezone.now())
        held = claim()
        with pytest.raises(TypeError), Lease(held, LEASE):
            raise TypeError("a secret")
        row.refresh_from_db()
        assert (row.deaths, row.leased_until) == (deaths, None)
    assert row.state == "failed"
    assert row.reason == "TypeError while it was worked on; the log has the rest"


@pytest.mark.django_db
def test_rows_that_are_due_are_found_by_their_index_among_many_that_are_done() -> None:
    now = timezone.now()
    done = [
        OutgoingMail(template="test", to="a@example.org", state="done", finished_at=now, due_at=now)
        for _ in range(3000)
    ]
    OutgoingMail.objects.bulk_create(done)
    make_rows(3)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_outgoingmail")
    assert "outgoingmail_open" in OutgoingMail.objects.due().order_by("due_at", "pk").explain()


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [timedelta(minutes=10), -timedelta(minutes=10)])
def test_row_of_a_server_whose_clock_is_wrong_is_due_when_the_database_says_so(wrong: timedelta) -> None:
    with time_machine.travel(timezone.now() + wrong):
        [row] = make_rows(1)
    assert abs(row.due_at - timezone.now()) < timedelta(minutes=1)
    assert claim() == row
