"""Below /get/, what is refused: one plain sentence each, the right status, nothing recorded, never a 500."""

import re
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
import redis
from django.db import InterfaceError, InternalError, OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import User
from datasets.exceptions import BucketDown, Refusal
from datasets.models import AccessGrant, Archive, DownloadLink, DownloadRecord, Release
from datasets.services.downloads import delivery, rates, replace_link, token_of
from datasets.storage import Bucket
from datasets.views.downloads import STATUS_OF
from tests.factories import AgreementVersionFactory, granted
from tests.owner import as_owner

pytestmark = pytest.mark.django_db


@pytest.fixture
def link() -> DownloadLink:
    return granted()


def path(link: DownloadLink, name: str = "") -> str:
    return f"/get/{token_of(link)}/{name}"


def name_of(link: DownloadLink) -> str:
    return link.release.archives.values_list("name", flat=True)[0]


def assert_sentence(response: Any, status: int) -> str:
    """One line of plain text that nobody keeps or indexes, and no cookie."""
    text = response.content.decode()
    assert response.status_code == status, text
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Robots-Tag"] == "noindex"
    assert not response.cookies
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    return text[:-1]


def end_grant(link: DownloadLink) -> None:
    now = timezone.now()
    AccessGrant.objects.update(starts_at=now - timedelta(days=9), ends_at=now - timedelta(days=1))


def revoke_grant(link: DownloadLink) -> None:
    AccessGrant.objects.update(status="revoked", reason="the project has closed", revoked_at=timezone.now())


def require_another_version(link: DownloadLink) -> None:
    AgreementVersionFactory(agreement=link.release.dataset.agreement, number=31_000)


def disable_account(link: DownloadLink) -> None:
    User.objects.update(is_active=False)


def withdraw_release(link: DownloadLink) -> None:
    Release.objects.update(status="withdrawn", reason="two volumes carried dates", withdrawn_at=timezone.now())


def unpublish_release(link: DownloadLink) -> None:
    Release.objects.update(status="ready")


def replace(link: DownloadLink) -> None:
    replace_link(link, by=link.grant.user)


REFUSALS = [
    (revoke_grant, 403, "the project has closed"),
    (require_another_version, 403, "Read and sign it at"),
    (disable_account, 403, "was disabled"),
    (replace, 403, "was replaced"),
    (end_grant, 410, "Renew it at"),
    (withdraw_release, 410, "two volumes carried dates"),
    (unpublish_release, 404, "is not published"),
]


@pytest.mark.parametrize(("act", "status", "words"), REFUSALS, ids=[act.__name__ for act, _, _ in REFUSALS])
def test_a_refusal_holds_for_every_address_below_the_link_and_for_head(
    client: Client, link: DownloadLink, act: object, status: int, words: str
) -> None:
    name = name_of(link)
    act(link)  # type: ignore[operator]
    for below in (name, "", "status", "download.sh", "aria2.txt", "SHA256SUMS", "manifest.json", "nothing.tar"):
        assert words in assert_sentence(client.get(path(link, below)), status)
    head = client.head(path(link, name))
    assert (head.status_code, head.content) == (status, b"")
    assert not DownloadRecord.objects.exists()


def test_after_renewal_the_same_address_works_again(client: Client, link: DownloadLink) -> None:
    end_grant(link)
    assert client.get(path(link, name_of(link))).status_code == 410
    AccessGrant.objects.update(ends_at=timezone.now() + timedelta(days=180))
    assert client.get(path(link, name_of(link))).status_code == 302


def test_every_refusal_of_the_domain_has_its_status() -> None:
    assert set(STATUS_OF) == set(Refusal.__subclasses__())


def test_an_unknown_file_is_named_and_the_way_to_all_is_told(client: Client, link: DownloadLink) -> None:
    text = assert_sentence(client.get(path(link, "knee_vall.tar.xz")), 404)
    assert text.startswith(f'{link.release} has no file "knee_vall.tar.xz". All its files are listed at http://')
    assert text.endswith(path(link))


def test_a_file_of_another_release_or_not_yet_verified_is_unknown(client: Client, link: DownloadLink) -> None:
    assert_sentence(client.get(path(link, name_of(granted()))), 404)
    Archive.objects.filter(release=link.release).update(status="registered")
    assert_sentence(client.get(path(link, name_of(link))), 404)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_other_methods_are_told_which_there_are(link: DownloadLink, method: str) -> None:
    client = Client(enforce_csrf_checks=True)
    for below in (name_of(link), "", "download.sh"):
        response = getattr(client, method)(path(link, below))
        assert_sentence(response, 405)
        assert response.headers["Allow"] == "GET, HEAD"


class TestHostilePaths:
    @pytest.mark.parametrize(
        "name",
        [
            "..",
            "../",
            "../../etc/passwd",
            "%2e%2e/%2e%2e/etc/passwd",
            "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "..%5c..%5cwindows",
            "/",
            "//",
            "/status",
            "status/",
            "status%00",
            "%00",
            "NAME%00.txt",
            "NAME/",
            "NAME%2f",
            "NAME%20",
            "NAME;id",
            "NAME%3fonly=x",
            "%0d%0aLocation:%20http://evil.example",
            "%ff%fe",
            "%c0%ae%c0%ae/",
            "%F0%9F%92%A9",
            "%E2%80%AE",
            "<script>alert(1)</script>",
            "'%20OR%201=1--",
            "%25s%25(x)s",
            "STATUS",
            "Download.sh",
            "x" * 5000,
        ],
    )
    def test_in_the_file_part_they_are_an_unknown_file(self, client: Client, link: DownloadLink, name: str) -> None:
        response = client.get(path(link, name.replace("NAME", name_of(link))))
        text = assert_sentence(response, 404)
        assert "has no file" in text
        assert len(text) < 600
        assert "Location" not in response.headers
        assert not DownloadRecord.objects.exists()

    @pytest.mark.parametrize(
        "token", ["", "..", "%2e%2e", "%00", "%ff", "a", "x" * 33, "x" * 5000, "%E2%80%AE", "get", "<b>", "%2f" * 33]
    )
    def test_in_the_token_they_are_an_unknown_link(self, client: Client, token: str) -> None:
        for address in (f"/get/{token}", f"/get/{token}/", f"/get/{token}/knee.tar", f"/get/{token}/status"):
            assert "This link is not complete" in assert_sentence(client.get(address), 404)

    def test_a_link_that_was_cut_or_glued_together_is_unknown(self, client: Client, link: DownloadLink) -> None:
        for address in (path(link)[:-2], path(link)[:20], path(link).rstrip("/") + "x", "/get//" + path(link)[5:]):
            assert_sentence(client.get(address), 404)

    @hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
    def test_whatever_is_written_there_gets_a_sentence(self, client: Client, link: DownloadLink, text: str) -> None:
        with mock.patch.object(rates, "require_rate"):
            response = client.generic("GET", path(link, text))
        assert response.status_code in (200, 404)
        assert response.headers["Cache-Control"] == "no-store"


class TestHostileHeaders:
    @pytest.mark.parametrize(
        "headers",
        [
            {"range": "bytes=" + ",".join(f"{n}-{n}" for n in range(2000))},
            {"range": "bytes=-9999999999999999999999999999999999"},
            {"range": "\x00\xff"},
            {"user-agent": "\x00\x1b[2J\u00ff" * 500},
            {"user-agent": "() { :;}; /bin/true"},
            {"accept": "text/html" * 2000},
            {"x-forwarded-for": "'; DROP TABLE x; --, \x00"},
            {"if-range": '"x"', "if-match": "*", "if-none-match": "*"},
            {"authorization": "Bearer " + "x" * 5000},
            {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"},
        ],
        ids=lambda headers: ",".join(headers),
    )
    def test_they_change_nothing(self, client: Client, link: DownloadLink, headers: dict[str, str]) -> None:
        response = client.get(path(link, name_of(link)), headers=headers)
        assert response.status_code == 302
        assert "evil" not in response.headers["Location"]
        record = DownloadRecord.objects.get()
        assert record.first_byte <= (record.archive.size or 0)
        assert len(record.agent) <= 200
        assert record.agent.isprintable()

    def test_a_foreign_host_is_refused(self, client: Client, link: DownloadLink) -> None:
        assert client.get(path(link, name_of(link)), headers={"host": "evil.example"}).status_code == 400
        assert not DownloadRecord.objects.exists()

    def test_who_comes_past_the_proxies_is_refused_and_not_recorded(
        self, client: Client, link: DownloadLink, settings: Settings
    ) -> None:
        settings.TRUSTED_PROXY_COUNT = 2
        text = assert_sentence(client.get(path(link, name_of(link)), headers={"x-forwarded-for": "192.0.2.1"}), 400)
        assert "did not come through" in text
        assert not DownloadRecord.objects.exists()

    @pytest.mark.parametrize(
        "query", ["only=", "only=[", "only=%00", "only=" + "*a" * 2000, "&".join(["only=*"] * 500)]
    )
    def test_odd_patterns_are_answered_quickly(self, client: Client, link: DownloadLink, query: str) -> None:
        response = client.get(f"{path(link, 'SHA256SUMS')}?{query}")
        assert response.status_code in (200, 404)
        assert response.headers["Cache-Control"] == "no-store"


class TestRate:
    def test_a_link_that_runs_wild_is_told_when_to_come_back(
        self, client: Client, link: DownloadLink, settings: Settings
    ) -> None:
        settings.LINK_RATE = 3
        other = granted()
        with mock.patch("datasets.services.downloads.rates.time.time", return_value=1_700_000_020.0):
            answers = [client.get(path(link, "status")).status_code for _ in range(3)]
            response = client.get(path(link, name_of(link)))
            assert client.get(path(other, "status")).status_code == 200
        assert answers == [200, 200, 200]
        assert assert_sentence(response, 429) == (
            "This link was asked more than 3 times within a minute. "
            "Run the same command again in 20 seconds: it will resume."
        )
        assert response.headers["Retry-After"] == "20"
        with mock.patch("datasets.services.downloads.rates.time.time", return_value=1_700_000_040.0):
            assert client.get(path(link, name_of(link))).status_code == 302

    def test_its_counters_do_not_stay(self, client: Client, link: DownloadLink, settings: Settings) -> None:
        client.get(path(link, "status"))
        cache = redis.Redis.from_url(settings.REDIS_URL)
        names = list(cache.scan_iter("link-rate:*"))
        assert names
        assert all(0 < cache.ttl(name) <= 120 for name in names)

    def test_unknown_links_are_not_counted(self, client: Client, settings: Settings) -> None:
        client.get(f"/get/{'x' * 33}/status")
        assert not list(redis.Redis.from_url(settings.REDIS_URL).scan_iter("link-rate:*"))

    def test_without_the_cache_downloads_go_on(self, client: Client, link: DownloadLink, settings: Settings) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:9/0"
        settings.LINK_RATE = 0
        for _ in range(2):
            assert client.get(path(link, name_of(link))).status_code == 302

    def test_a_cache_that_comes_back_counts_again(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        counter = rates.Counter(settings.REDIS_URL)
        assert counter.add_one("link-rate:test") == 1
        counter.connection.disconnect()
        with mock.patch.object(counter.connection, "send_command", side_effect=redis.ConnectionError("away")):
            assert counter.add_one("link-rate:test") is None
            assert counter.add_one("link-rate:test") is None
        monkeypatch.setattr(rates, "REST_SECONDS", 0.0)
        counter.asleep_until = 0.0
        assert counter.add_one("link-rate:test") == 2


class TestPartsDown:
    def test_a_bucket_without_credentials_is_told_and_not_recorded(
        self, client: Client, link: DownloadLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object, **__: object) -> str:
            raise BucketDown("no credentials")

        monkeypatch.setattr(Bucket, "presign", fails)
        response = client.get(path(link, name_of(link)))
        assert assert_sentence(response, 503).startswith("The storage does not answer. Your link is fine;")
        assert re.fullmatch("[0-9]+", response.headers["Retry-After"])
        assert not DownloadRecord.objects.exists()

    @pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
    def test_a_database_that_is_away_is_told(
        self, client: Client, link: DownloadLink, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = name_of(link)

        def fails(*_: object) -> None:
            raise error

        monkeypatch.setattr("datasets.services.downloads.delivery._read", fails)
        response = client.get(path(link, name))
        assert "Your link is fine" in assert_sentence(response, 503)
        assert response.headers["Retry-After"]

    def test_no_url_leaves_whose_record_was_not_written(
        self, client: Client, link: DownloadLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = delivery.execute

        def fails_to_write(cursor: CursorWrapper, statement: str, values: tuple) -> None:
            if statement == delivery.EXECUTE_RECORD:
                raise OperationalError("gone")
            run(cursor, statement, values)

        monkeypatch.setattr(delivery, "execute", fails_to_write)
        response = client.get(path(link, name_of(link)))
        assert_sentence(response, 503)
        assert "Location" not in response.headers

    def test_a_standby_that_can_only_read_is_told_and_left(
        self, client: Client, link: DownloadLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a failover the connections lead to a database that takes no record."""
        url = path(link, name_of(link))
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")
        response = client.get(url)
        assert "Your link is fine" in assert_sentence(response, 503)
        assert "Location" not in response.headers

    def test_other_mistakes_of_the_database_are_not_called_an_outage(
        self, client: Client, link: DownloadLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(delivery, "_read", mock.Mock(side_effect=InternalError("a mistake")))
        with pytest.raises(InternalError):
            client.get(path(link, "status"))


@pytest.mark.django_db(transaction=True)
class TestPreparedStatements:
    def test_a_column_of_another_type_is_no_error_on_a_live_connection(self, client: Client) -> None:
        link = granted()
        url = path(link, name_of(link))
        assert client.get(url).status_code == 302
        with as_owner() as cursor:
            # The history's, which a migration makes anew.
            cursor.execute("DROP TRIGGER pgtrigger_update_update_c2fc2 ON datasets_archive")
            cursor.execute("ALTER TABLE datasets_archive ALTER COLUMN etag TYPE varchar(300)")
        assert client.get(url).status_code == 302

    def test_a_connection_to_a_standby_is_not_kept(self, client: Client) -> None:
        link = granted()
        url = path(link, name_of(link))
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        assert_sentence(client.get(url), 503)
        assert client.get(url).status_code == 302
