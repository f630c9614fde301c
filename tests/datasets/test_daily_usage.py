"""A cap of bytes asked for a day and grant: what counts, who is told, what is refused, and what a maintainer allows."""

import re
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.mail.letters import letter
from accounts.models import OutgoingMail
from datasets.exceptions import MoveNotAllowed
from datasets.models import AccessGrant, Archive, DailyUsage, DownloadLink, DownloadRecord
from datasets.services.access import set_daily_cap
from datasets.services.downloads import delivery, issue_download, open_file, token_of
from datasets.services.downloads.usage import forget_usage
from tests.factories import DownloadLinkFactory, StaffFactory, granted
from tests.maintainers import maintainer
from tests.threads import at_once

pytestmark = pytest.mark.django_db
SIZE = 1_000
AT_HOME, NEXT_DOOR, ELSEWHERE = "192.0.2.7", "192.0.2.99", "198.51.100.7"


def offered(archives: int = 3) -> DownloadLink:
    link = granted(archives=archives)
    Archive.objects.update(size=SIZE)
    AccessGrant.objects.update(starts_at=timezone.now() - timedelta(days=9))
    return link


@pytest.fixture
def link() -> DownloadLink:
    return offered()


def names(link: DownloadLink) -> list[str]:
    return list(link.release.archives.order_by("id").values_list("name", flat=True))


def ask(link: DownloadLink, span: str = "", *, of: int = 0, at: str = AT_HOME) -> Any:
    headers = {"range": f"bytes={span}"} if span else {}
    address = f"/get/{token_of(link)}/{names(link)[of]}"
    return Client().get(address, headers=headers, REMOTE_ADDR=at)


def counted(link: DownloadLink) -> int:
    return sum(link.grant.usage.filter(day=timezone.now().date()).values_list("asked", flat=True))


class Clock:
    """Stands at noon, far from midnight, until it is moved."""

    def __init__(self) -> None:
        self.now = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)

    def move(self, **by: int) -> None:
        self.now += timedelta(**by)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("django.utils.timezone.now", lambda: clock.now)
    return clock


class TestWhatCounts:
    @pytest.mark.parametrize(
        ("span", "bytes_asked"),
        [
            *(("", 1000), ("0-", 1000), ("400-", 600), ("400-499", 100), ("-200", 200)),
            *(("0-0", 1), ("999-", 1), ("-1", 1), ("1000-", 0), ("-0", 0), ("0-0,5-6", 1000)),
        ],
    )
    def test_all_that_the_url_opens_counts_and_what_was_asked_for_is_recorded(
        self, link: DownloadLink, span: str, bytes_asked: int
    ) -> None:
        assert ask(link, span).status_code == 302
        assert (counted(link), link.records.get().asked) == (SIZE, bytes_asked)

    def test_the_url_opens_all_whatever_was_asked_for(self, link: DownloadLink) -> None:
        """So must it count; a URL that were bound to the part would stop clients that fetch another with it."""
        url = parse_qs(urlsplit(ask(link, "0-0").headers["Location"]).query)
        assert url["X-Amz-SignedHeaders"] == ["host"]

    def test_reading_single_volumes_in_any_order_counts_the_archive_once(
        self, link: DownloadLink, clock: Clock
    ) -> None:
        for first in (700, 300, 100, 900, 300):
            ask(link, f"{first}-{first + 9}")
            clock.move(minutes=11)
        assert counted(link) == SIZE

    def test_head_lists_and_status_count_nothing(self, link: DownloadLink) -> None:
        address = f"/get/{token_of(link)}/"
        Client().head(address + names(link)[0])
        for name in ("", "status", "download.sh", "aria2.txt", "manifest.json", "SHA256SUMS"):
            Client().get(address + name)
        assert not DailyUsage.objects.exists()

    def test_an_archive_fetched_over_a_line_that_breaks_a_hundred_times_counts_once(self, link: DownloadLink) -> None:
        for first in range(0, SIZE, 10):
            ask(link, f"{first}-")
        assert counted(link) == SIZE
        assert link.records.count() == 100

    def test_connections_that_share_an_archive_count_once_also_when_each_is_cut(self, link: DownloadLink) -> None:
        for first in (0, 250, 500, 750):
            ask(link, f"{first}-{first + 249}")
        for first in (100, 300, 600, 900):
            ask(link, f"{first}-{first // 250 * 250 + 249}")
        assert counted(link) == SIZE

    def test_a_client_that_got_nothing_and_tries_again_counts_once(self, link: DownloadLink, clock: Clock) -> None:
        for _ in range(5):
            ask(link)
            clock.move(minutes=9)
        assert counted(link) == SIZE

    def test_an_archive_that_is_begun_again_later_counts_again(self, link: DownloadLink, clock: Clock) -> None:
        ask(link)
        clock.move(minutes=11)
        ask(link)
        assert counted(link) == 2 * SIZE

    def test_who_begins_or_goes_on_elsewhere_counts_and_next_door_does_not(self, link: DownloadLink) -> None:
        ask(link)
        ask(link, "1-", at=NEXT_DOOR)
        assert counted(link) == SIZE
        ask(link, at=ELSEWHERE)
        ask(link, "500-", at=ELSEWHERE)
        ask(link, "1-", at="2001:db8:1::1")
        ask(link, "2-", at="2001:db8:1::ffff")
        assert counted(link) == 3 * SIZE

    def test_a_first_byte_asked_for_again_and_again_counts_each_time(self, link: DownloadLink, clock: Clock) -> None:
        for _ in range(3):
            ask(link, "0-0")
            clock.move(minutes=11)
        assert counted(link) == 3 * SIZE

    def test_other_archives_and_other_links_count_by_themselves(self, link: DownloadLink) -> None:
        ask(link)
        ask(link, "500-", of=1)
        assert counted(link) == 2 * SIZE
        other = offered()
        ask(other, "500-")
        assert (counted(link), counted(other)) == (2 * SIZE, SIZE)

    def test_on_the_next_day_what_is_under_way_counts_anew(self, link: DownloadLink, clock: Clock) -> None:
        ask(link)
        clock.move(days=1)
        ask(link, "600-")
        ask(link, "700-")
        assert list(link.grant.usage.order_by("day").values_list("asked", flat=True)) == [SIZE, SIZE]

    def test_it_reads_once_and_writes_once_for_who_begins_and_who_goes_on(self, link: DownloadLink) -> None:
        ask(link)
        for span in ("", "10-"):
            with CaptureQueriesContext(connection) as queries:
                ask(link, span, of=1)
            statements = [query["sql"].split(" (")[0] for query in queries if query["sql"].startswith("EXECUTE")]
            assert statements == ["EXECUTE open_link", "EXECUTE record_download"]


def told(template: str = "access/much_requested") -> list[str]:
    return list(OutgoingMail.objects.filter(template=template).order_by("id").values_list("keys__reached", flat=True))


class TestNotices:
    def test_a_quarter_and_all_of_it_are_told_once_each(
        self, link: DownloadLink, settings: Settings, clock: Clock
    ) -> None:
        settings.DAILY_BYTES = 8 * SIZE
        ask(link)
        assert told() == []
        ask(link, of=1)
        assert told() == told("access/much_requested_maintainer") == ["quarter"]
        assert OutgoingMail.objects.get(template="access/much_requested_maintainer").to == settings.SITE_CONTACT
        for _ in range(8):
            clock.move(minutes=11)
            ask(link)
        assert told() == told("access/much_requested_maintainer") == ["quarter", "cap"]

    def test_the_mail_leads_to_replacing_the_link_that_was_used(self, link: DownloadLink, settings: Settings) -> None:
        settings.DAILY_BYTES = 2 * SIZE
        unused = DownloadLinkFactory(grant=link.grant)
        ask(link)
        body = letter(OutgoingMail.objects.get(template="access/much_requested")).body
        assert f"{settings.SITE_URL}{reverse('replace_link', args=[link.pk])}" in body
        assert reverse("replace_link", args=[unused.pk]) not in body
        told_to_maintainers = letter(OutgoingMail.objects.get(template="access/much_requested_maintainer")).body
        assert "1 request from 1 network address." in " ".join(told_to_maintainers.split())
        assert reverse("admin:datasets_accessgrant_change", args=[link.grant_id]) in told_to_maintainers

    def test_one_request_may_reach_both(self, link: DownloadLink, settings: Settings) -> None:
        settings.DAILY_BYTES = SIZE // 2
        ask(link)
        assert told() == ["quarter", "cap"]

    def test_record_count_and_mails_are_one_commit(self, link: DownloadLink, settings: Settings) -> None:
        """What a crash between them would leave: nothing."""
        settings.DAILY_BYTES = 2 * SIZE
        with mock.patch.object(delivery, "tell_of_use", side_effect=OperationalError("gone")):
            assert ask(link).status_code == 503
        assert not DownloadRecord.objects.exists()
        assert counted(link) == 0
        assert ask(link).status_code == 302
        assert told() == ["quarter"]


class TestRefusal:
    def test_at_the_cap_files_are_refused_until_midnight_and_lists_are_not(
        self, link: DownloadLink, settings: Settings
    ) -> None:
        settings.DAILY_BYTES = SIZE
        ask(link)
        for refused in (ask(link, of=1), ask(link, "5-"), Client().get(f"/get/{token_of(link)}/status")):
            assert refused.status_code == 429
            assert 0 < int(refused.headers["Retry-After"]) <= 86_400
            text = refused.content.decode()
            assert text.count("\n") == 1
            assert "Run the same command again after 00:00 UTC: it will resume." in text
            assert f"write to {settings.SITE_CONTACT}, grant {link.grant_id}." in text
            assert text.endswith(f"replace the link at {settings.SITE_URL}/downloads/\n")
        address = f"/get/{token_of(link)}/"
        assert Client().head(address + names(link)[0]).status_code == 200
        assert {Client().get(address + name).status_code for name in ("", "download.sh", "SHA256SUMS")} == {200}
        assert link.records.count() == 1

    def test_retry_after_ends_at_midnight(self, link: DownloadLink, settings: Settings, clock: Clock) -> None:
        settings.DAILY_BYTES = SIZE
        clock.move(hours=11, minutes=59)
        ask(link)
        assert ask(link).headers["Retry-After"] == "61"
        clock.move(seconds=61)
        assert ask(link).status_code == 302

    def test_a_grant_may_have_more_or_less_than_others(self, link: DownloadLink, settings: Settings) -> None:
        settings.DAILY_BYTES = 1
        set_daily_cap(link.grant, by=StaffFactory(), daily_bytes=2 * SIZE)
        assert [ask(link, of=number).status_code for number in range(3)] == [302, 302, 429]

    @pytest.mark.django_db(transaction=True)
    def test_sixteen_at_once_exceed_the_cap_by_what_was_on_its_way_at_most(
        self, settings: Settings, clock: Clock
    ) -> None:
        settings.DAILY_BYTES = 20 * SIZE
        link = offered(archives=16)
        for _ in range(3):
            at_once([partial(ask, link, of=number) for number in range(16)])
            clock.move(minutes=11)
        assert 20 * SIZE <= counted(link) <= 20 * SIZE + 15 * SIZE
        assert counted(link) == SIZE * link.records.count()
        assert told() == ["quarter", "cap"]


def page(client: Client, address: str) -> str:
    text = client.get(address).content.decode()
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


class TestPages:
    @pytest.mark.parametrize(
        ("asked", "words"),
        [(50, None), (500, "500 bytes were asked for today"), (1000, "All that a day allows was asked for")],
    )
    def test_my_downloads_tells_of_much(
        self, client: Client, link: DownloadLink, settings: Settings, asked: int, words: str | None
    ) -> None:
        settings.DAILY_BYTES = SIZE
        client.force_login(link.grant.user)
        DailyUsage.objects.create(grant=link.grant, day=timezone.now().date(), asked=asked)
        text = page(client, reverse("downloads"))
        assert (words in text) if words else ("asked for today" not in text)

    def test_the_link_that_was_replaced_says_so_and_the_new_one_is_refused_by_the_same_cap(
        self, client: Client, link: DownloadLink, settings: Settings
    ) -> None:
        settings.DAILY_BYTES = SIZE
        ask(link)
        client.force_login(link.grant.user)
        client.post(reverse("replace_link", args=[link.pk]))
        new = link.grant.links.live().get()
        assert "This link was replaced" in ask(link).content.decode()
        assert ask(new).status_code == 429

    def test_a_maintainer_sets_the_bytes_a_day_and_the_history_keeps_it(
        self, client: Client, link: DownloadLink, settings: Settings
    ) -> None:
        person = maintainer(client)
        address = reverse("admin:datasets_accessgrant_decide", args=[link.grant_id, "daily-cap"])
        assert "TB a day" in page(client, address)
        client.post(address, {"decided": "yes", "terabytes": "20.5"})
        grant = AccessGrant.objects.get()
        assert grant.daily_bytes == 20_500_000_000_000
        told = page(client, reverse("admin:datasets_accessgrant_change", args=[grant.pk]))
        assert "20.50 TB, its own" in told
        assert f"{person.email} bytes a day: nothing → " in told
        client.post(address, {"decided": "yes", "terabytes": ""})
        assert AccessGrant.objects.get().daily_bytes is None

    @pytest.mark.parametrize("daily_bytes", [0, -1, 10**15 + 1])
    def test_a_cap_that_makes_no_sense_is_refused(self, link: DownloadLink, daily_bytes: int) -> None:
        with pytest.raises(MoveNotAllowed, match="at most 1,000 TB a day"):
            set_daily_cap(link.grant, by=StaffFactory(), daily_bytes=daily_bytes)


def test_what_was_counted_is_forgotten_in_time(link: DownloadLink) -> None:
    today: date = datetime.now(tz=timezone.get_default_timezone()).date()
    for days in (0, 90, 91, 400):
        DailyUsage.objects.create(grant=link.grant, day=today - timedelta(days=days), asked=1)
    assert forget_usage(90) == 2
    assert sorted((today - day).days for day in link.grant.usage.values_list("day", flat=True)) == [0, 90]


def test_without_a_known_address_a_client_still_goes_on(link: DownloadLink) -> None:
    token, name = token_of(link), names(link)[0]
    for first in (0, 300):
        issue_download(open_file(token, name), first_byte=first, address=None)
    assert counted(link) == SIZE
