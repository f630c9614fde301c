"""Sums over downloads: what they say is what counting every record would say, whatever came in which order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import Deletion, User
from datasets import tasks
from datasets.models import (
    CountedPerson,
    DownloadCount,
    DownloadDay,
    DownloadLink,
    DownloadRecord,
    DownloadShare,
    Period,
)
from datasets.services.forgetting import forget_access
from datasets.services.statistics import counting, take_standing
from datasets.services.statistics.counting import Look, count_downloads, look_at_records, settle
from tests.factories import (
    AccessGrantFactory,
    ArchiveFactory,
    DownloadLinkFactory,
    DownloadRecordFactory,
    ReleaseFactory,
    UserFactory,
)
from tests.threads import at_once

TODAY = date(2026, 11, 26)
INSTITUTIONS, COUNTRIES = ["Alpha", "Beta", "=Gamma", ""], ["GH", "IS", ""]
# What a day, a share of a period and their naive counterparts are compared by.
Counted = dict[tuple[Any, ...], tuple[int, ...]]


def counted_days() -> Counted:
    rows = DownloadDay.objects.values_list("day", "dataset", "requests", "downloads", "asked", "unsized")
    return {(day, dataset): tuple(figures) for day, dataset, *figures in rows}


def counted_shares() -> Counted:
    rows = DownloadShare.objects.values_list(
        "period", "dataset", "kind", "label", "requests", "downloads", "asked", "unsized"
    )
    return {tuple(row[:4]): tuple(row[4:]) for row in rows}


def every_record(until: int) -> list[tuple[Any, ...]]:
    names = ("issued_at", "link__grant__user", "archive", "link__grant__dataset", "country", "asked")
    rows = DownloadRecord.objects.filter(pk__lte=until).values_list(*names)
    people = dict(CountedPerson.objects.values_list("user", "institution"))
    return [(at.astimezone(UTC).date(), person, *rest, people[person]) for at, person, *rest in rows]


def sums(groups: dict[tuple[Any, ...], list[tuple[Any, ...]]]) -> Counted:
    return {
        key: (
            len(rows),
            len({(person, archive) for _day, person, archive, *_rest in rows}),
            sum(row[5] or 0 for row in rows),
            sum(row[5] is None for row in rows),
        )
        for key, rows in groups.items()
    }


def naive(today: date, until: int) -> tuple[Counted, Counted]:
    """By looking at every record."""
    days: dict[tuple[Any, ...], list[Any]] = {}
    shares: dict[tuple[Any, ...], list[Any]] = {}
    for row in every_record(until):
        day, _person, _archive, dataset, country, _asked, institution = row
        days.setdefault((day, dataset), []).append(row)
        for period in Period:
            if day >= period.first_day(today):
                for which in (dataset, None):
                    for kind, label in (("whole", ""), ("country", country), ("institution", institution)):
                        shares.setdefault((int(period), which, kind, label), []).append(row)
    return sums(days), sums(shares)


def assert_exact() -> None:
    count = DownloadCount.objects.get()
    assert count.today is not None
    days, shares = naive(count.today, count.cursor)
    assert counted_days() == days
    assert counted_shares() == shares


class Calendar:
    """The database's day, moved by hand; every record is settled at once."""

    def __init__(self) -> None:
        self.today = TODAY

    def look(self) -> Look:
        return look_at_records()._replace(today=self.today)


def trust(count: DownloadCount, look: Look) -> None:
    count.settled, count.settled_at = look.newest, look.moment


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Calendar:
    calendar = Calendar()
    monkeypatch.setattr(counting, "look_at_records", calendar.look)
    monkeypatch.setattr(counting, "settle", trust)
    return calendar


class Site:
    """Three people with two links each to the same release of one dataset, and one to another dataset's."""

    def __init__(self) -> None:
        releases = ReleaseFactory.create_batch(2)
        self.archives = {release.pk: ArchiveFactory.create_batch(2, release=release) for release in releases}
        self.people = UserFactory.create_batch(3, institution="Alpha")
        self.links: list[DownloadLink] = []
        for person in self.people:
            for release in releases:
                grant = AccessGrantFactory(user=person, dataset=release.dataset)
                ended = {"status": "replaced", "ended_at": timezone.now()}
                self.links.append(DownloadLinkFactory(grant=grant, release=release, **ended))
                self.links.append(DownloadLinkFactory(grant=grant, release=release))

    def take(self, link: int, archive: int, day: date, country: str = "GH", asked: int | None = 5) -> DownloadRecord:
        chosen = self.links[link % len(self.links)]
        files = self.archives[chosen.release_id]
        at = datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)
        return DownloadRecordFactory(
            link=chosen, archive=files[archive % len(files)], issued_at=at, country=country, asked=asked
        )

    def forget(self, number: int) -> None:
        """What a deletion does, as far as sums are concerned."""
        person = self.people[number]
        User.objects.filter(pk=person.pk).update(is_active=False)
        Deletion.objects.get_or_create(user=person, defaults={"state": "running", "leased_until": timezone.now()})
        forget_access(person)
        User.objects.filter(pk=person.pk).update(institution="")


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


RECORDS = st.tuples(
    st.just("take"),
    # Few people and files, so that they meet again: two links of one person to a release, and one of somebody else's.
    st.sampled_from([0, 0, 1, 4]),
    st.sampled_from([0, 0, 0, 1]),
    # Days ago: about the ends of each period, and a clock that goes ahead over midnight.
    st.sampled_from([-1, 0, 1, 5, 6, 7, 29, 30, 89, 365]),
    st.sampled_from(COUNTRIES),
    st.one_of(st.none(), st.integers(0, 10**12)),
)
ACTS = st.lists(
    st.one_of(
        RECORDS,
        RECORDS,
        RECORDS,
        st.tuples(st.just("count")),
        st.tuples(st.just("count")),
        st.tuples(st.just("wait"), st.sampled_from([1, 1, 2, 7, 30, 400])),
        st.tuples(st.just("move"), st.integers(0, 1), st.sampled_from(INSTITUTIONS)),
        st.tuples(st.just("forget"), st.integers(0, 1)),
    ),
    max_size=40,
)


@pytest.mark.django_db
class TestSums:
    @hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(acts=ACTS, batch=st.integers(1, 5))
    def test_are_what_counting_every_record_gives(
        self, calendar: Calendar, monkeypatch: pytest.MonkeyPatch, acts: list[tuple[Any, ...]], batch: int
    ) -> None:
        monkeypatch.setattr(counting, "BATCH", batch)
        calendar.today = TODAY
        with undone():
            count_from_here()
            site = Site()
            ways: dict[str, Callable[..., Any]] = {
                "take": lambda link, archive, ago, *facts: site.take(
                    link, archive, calendar.today - timedelta(days=ago), *facts
                ),
                "count": lambda: count_downloads(seconds=0),
                "wait": lambda days: setattr(calendar, "today", calendar.today + timedelta(days=days)),
                "move": lambda person, to: User.objects.filter(pk=site.people[person].pk, is_active=True).update(
                    institution=to
                ),
                "forget": site.forget,
            }
            for name, *facts in acts:
                ways[name](*facts)
                if DownloadCount.objects.filter(today__isnull=False).exists():
                    assert_exact()
            count_downloads(seconds=60)
            assert_exact()
            assert DownloadCount.objects.get().cursor == max(
                DownloadRecord.objects.values_list("pk", flat=True), default=DownloadCount.objects.get().cursor
            )
            current = dict(User.objects.values_list("pk", "institution"))
            assert all(kept == current[pk] for pk, kept in CountedPerson.objects.values_list("user", "institution"))

    def test_a_file_counts_once_a_period_through_whatever_link(self, calendar: Calendar) -> None:
        site = Site()
        for link, ago in ((0, 40), (1, 3), (1, 2), (0, 2)):
            site.take(link, 0, TODAY - timedelta(days=ago))
        count_downloads(seconds=60)
        whole = DownloadShare.objects.filter(kind="whole", dataset=None)
        assert dict(whole.values_list("period", "downloads")) == {7: 1, 30: 1, 90: 1, 365: 1, 0: 1}
        assert dict(whole.values_list("period", "requests")) == {7: 3, 30: 3, 90: 4, 365: 4, 0: 4}
        assert list(DownloadDay.objects.values_list("downloads", flat=True)) == [1, 1, 1]

    def test_a_file_leaves_a_period_with_the_last_of_its_days_there(self, calendar: Calendar) -> None:
        site = Site()
        for ago in (6, 5):
            site.take(0, 0, TODAY - timedelta(days=ago))
        count_downloads(seconds=60)
        week = DownloadShare.objects.filter(kind="whole", dataset=None, period=7)
        for left in ([(2, 1)], [(1, 1)], []):
            assert list(week.values_list("requests", "downloads")) == left
            calendar.today += timedelta(days=1)
            count_downloads(seconds=60)
            assert_exact()

    def test_a_record_of_a_day_before_the_last_counts_there_unless_the_day_has_the_file(
        self, calendar: Calendar
    ) -> None:
        site = Site()
        for link, ago in ((0, 3), (0, 1), (1, 3), (1, 2)):
            site.take(link, 0, TODAY - timedelta(days=ago))
            count_downloads(seconds=60)
        assert list(DownloadDay.objects.values_list("requests", "downloads")) == [(2, 1), (1, 1), (1, 1)]
        assert_exact()

    def test_who_is_forgotten_counts_on_for_no_country_and_no_institution(self, calendar: Calendar) -> None:
        site = Site()
        site.take(0, 0, TODAY, "IS")
        site.take(4, 0, TODAY, "GH")
        count_downloads(seconds=60)
        site.forget(0)
        labels = DownloadShare.objects.filter(period=0, dataset=None).values_list("kind", "label", "downloads")
        assert set(labels) == {
            ("whole", "", 2),
            ("country", "", 1),
            ("country", "GH", 1),
            ("institution", "", 1),
            ("institution", "Alpha", 1),
        }
        assert CountedPerson.objects.get(user=site.people[0]).institution == ""

    def test_a_run_that_fails_in_the_middle_counts_nothing_and_the_next_one_all(
        self, calendar: Calendar, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = Site()
        site.take(0, 0, TODAY)

        def killed(*_facts: object) -> None:
            raise SystemExit

        with monkeypatch.context() as broken:
            broken.setattr(counting, "move_changed_people", killed)
            with pytest.raises(SystemExit), transaction.atomic():
                count_downloads(seconds=60)
        assert not DownloadShare.objects.exists()
        count_downloads(seconds=60)
        count_downloads(seconds=60)
        assert_exact()
        assert DownloadDay.objects.get().requests == 1

    def test_a_database_clock_that_goes_back_takes_no_day_back(self, calendar: Calendar) -> None:
        Site().take(0, 0, TODAY)
        count_downloads(seconds=60)
        calendar.today = TODAY - timedelta(days=3)
        count_downloads(seconds=60)
        assert DownloadCount.objects.get().today == TODAY
        assert_exact()


def count_from_here() -> None:
    """Numbers of former tests are not gone through again, one by one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('datasets_downloadrecord_id_seq')")
        [[number]] = cursor.fetchall()
    DownloadCount.objects.create(cursor=number, settled=number)


def looked(**facts: Any) -> Look:
    look = Look(datetime(2026, 11, 26, 12, tzinfo=UTC), TODAY, oldest=100, following=100, newest=7)
    return look._replace(**facts)


class TestMarks:
    def test_a_mark_is_trusted_when_all_of_before_has_ended_and_some_time_has_passed(self) -> None:
        count = DownloadCount()
        settle(count, looked())
        later = looked().moment + counting.SETTLING
        settle(count, looked(following=120, oldest=99, moment=later, newest=9))
        assert count.settled == 0
        settle(count, looked(following=120, oldest=100, moment=later - timedelta(seconds=1), newest=9))
        assert count.settled == 0
        settle(count, looked(following=120, oldest=100, moment=later, newest=9))
        assert (count.settled, count.settled_at) == (7, looked().moment)
        assert (count.mark, count.mark_transaction) == (9, 120)

    def test_a_mark_of_another_server_is_set_anew_and_not_waited_for(self) -> None:
        count = DownloadCount(cursor=5, settled=5, mark=7, mark_transaction=5_000, marked_at=looked().moment)
        settle(count, looked(following=300, oldest=300, newest=7))
        assert (count.settled, count.mark_transaction) == (5, 300)
        settle(count, looked(following=301, oldest=301, moment=looked().moment + counting.SETTLING))
        assert count.settled == 7

    def test_a_mark_of_a_clock_that_went_back_is_set_anew_and_not_waited_for(self) -> None:
        ahead = looked().moment + timedelta(days=400)
        count = DownloadCount(mark=7, mark_transaction=100, marked_at=ahead)
        settle(count, looked(following=120, oldest=120, newest=9))
        assert (count.settled, count.mark, count.marked_at) == (0, 9, looked().moment)


@pytest.mark.django_db
def test_a_standing_that_was_taken_ahead_of_the_clock_is_taken_again() -> None:
    take_standing()
    (count,) = DownloadCount.objects.all()
    ahead = timezone.now() + timedelta(days=400)
    DownloadCount.objects.update(standing=count.standing | {"taken_at": ahead.isoformat()})
    take_standing()
    assert DownloadCount.objects.get().standing["taken_at"] < ahead.isoformat()


@pytest.mark.django_db(transaction=True)
class TestTogether:
    @pytest.fixture(autouse=True)
    def at_once_settled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counting, "SETTLING", timedelta(0))

    def test_who_commits_late_is_counted_once_and_nothing_is_counted_over_them(self) -> None:
        site = Site()
        written, may_commit = Event(), Event()

        def late() -> None:
            with transaction.atomic():
                site.take(0, 0, TODAY)
                written.set()
                may_commit.wait(timeout=20)
            connection.close()

        writer = Thread(target=late)
        writer.start()
        assert written.wait(timeout=20)
        after = site.take(4, 1, TODAY)
        for _run in range(3):
            count_downloads(seconds=60)
        # The lower number may still come, so the higher one waits, and the page says until when it counts.
        assert DownloadCount.objects.get().cursor == 0
        may_commit.set()
        writer.join()
        for _run in range(3):
            count_downloads(seconds=60)
        assert DownloadCount.objects.get().cursor == after.pk
        assert_exact()
        assert sum(DownloadDay.objects.values_list("requests", flat=True)) == 2

    def test_the_task_counts_what_was_recorded_before_and_how_people_wait(self) -> None:
        Site().take(0, 0, TODAY)
        for _run in range(2):
            tasks.count_downloads()
        count = DownloadCount.objects.get()
        assert count.counted_until is not None
        assert count.standing["grants"]["all"] == [6, 3]
        assert_exact()

    def test_writers_counters_and_a_deletion_at_the_same_moment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counting, "BATCH", 3)
        site = Site()

        def write(seed: int) -> None:
            for number in range(12):
                # Some numbers are given out and never used.
                with transaction.atomic():
                    ago = timedelta(days=(seed * 5 + number) % 9)
                    site.take(seed + number, number, TODAY - ago, COUNTRIES[number % 3], number or None)
                    transaction.set_rollback(number % 4 == 3)

        def count() -> None:
            for _run in range(15):
                count_downloads(seconds=60)

        def forget() -> None:
            with transaction.atomic():
                User.objects.select_for_update().get(pk=site.people[0].pk)
                site.forget(0)

        acts = [lambda: write(0), lambda: write(1), lambda: write(2), count, count, forget]
        assert at_once(acts) == [None] * len(acts)
        for _run in range(3):
            count_downloads(seconds=60)
        assert_exact()
        assert sum(DownloadDay.objects.values_list("requests", flat=True)) == DownloadRecord.objects.count() == 27
        assert not DownloadShare.objects.filter(kind="country", label__in=COUNTRIES[:2], requests=0).exists()
