"""Below /get/: a record and a redirect, HEAD from the database, the lists and the listing."""

import json
import urllib.request
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]
from pytest_django import Settings

from datasets.models import Archive, DownloadLink
from datasets.services.downloads import address_of, listing, token_of
from datasets.services.downloads.places import country_of
from datasets.storage import bucket
from datasets.views.downloads import client_of, span
from tests.factories import ArchiveFactory, granted

pytestmark = pytest.mark.django_db
LISTS = ["download.sh", "aria2.txt", "curl.txt", "wget.txt", "SHA256SUMS", "manifest.json", "commands.txt"]
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


@pytest.fixture
def link() -> DownloadLink:
    return granted()


def path(link: DownloadLink, name: str = "") -> str:
    return f"/get/{token_of(link)}/{name}"


def archive_of(link: DownloadLink) -> Archive:
    return link.release.archives.get()


def assert_private(response: Any) -> None:
    assert {name: response.headers.get(name) for name in PRIVATE} == PRIVATE
    assert not response.cookies


class TestRedirect:
    def test_a_get_is_recorded_and_sent_to_the_bucket(self, client: Client, link: DownloadLink) -> None:
        archive = archive_of(link)
        response = client.get(path(link, archive.name), headers={"user-agent": "curl/8.5.0", "range": "bytes=4096-"})
        assert response.status_code == 302
        assert response.headers["Location"].startswith(f"{bucket()._base}{archive.key}?response-content-disposition=")
        assert_private(response)
        record = link.records.get()
        facts = (record.archive, record.first_byte, record.agent, record.address, record.country)
        assert facts == (archive, 4096, "curl/8.5.0", "127.0.0.1", "")

    def test_the_bucket_gives_the_bytes_under_the_files_name(
        self, client: Client, link: DownloadLink, tmp_path: Path
    ) -> None:
        archive = archive_of(link)
        (tmp_path / "file").write_bytes(b"k-space")
        bucket().upload(tmp_path / "file", archive.key)
        response = client.get(path(link, archive.name))
        with urllib.request.urlopen(response.headers["Location"]) as answer:
            assert answer.read() == b"k-space"
            assert archive.name in answer.headers["Content-Disposition"]

    def test_each_asks_anew_and_is_a_record_of_its_own(self, client: Client, link: DownloadLink) -> None:
        for _ in range(3):
            client.get(path(link, archive_of(link).name))
        assert link.records.count() == 3

    def test_an_object_of_a_versioned_bucket_is_named_with_its_version(
        self, client: Client, link: DownloadLink
    ) -> None:
        Archive.objects.update(version_id="a.Version/1")
        location = client.get(path(link, archive_of(link).name)).headers["Location"]
        assert "&versionId=a.Version%2F1&" in location

    def test_it_reads_once_and_writes_once(self, client: Client, link: DownloadLink) -> None:
        address = path(link, archive_of(link).name)
        client.get(address)
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        assert [query["sql"].split(" (")[0] for query in queries] == ["EXECUTE open_link", "EXECUTE record_download"]

    @pytest.mark.django_db(transaction=True)
    def test_a_session_that_forgot_its_plans_makes_them_again(self, client: Client, link: DownloadLink) -> None:
        address = path(link, archive_of(link).name)
        client.get(address)
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        assert client.get(address).status_code == 302
        assert link.records.count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_a_connection_that_died_while_it_rested_is_replaced(self, client: Client, link: DownloadLink) -> None:
        address = path(link, archive_of(link).name)
        client.get(address)
        connection.ensure_connection()
        connection.connection.close()
        assert client.get(address).status_code == 302
        assert link.records.count() == 2


class TestHead:
    def test_it_is_answered_from_the_database_and_not_recorded(self, client: Client, link: DownloadLink) -> None:
        Archive.objects.update(etag="9bb58f26192e4ba00f01e2e7b136bbd8-12", size=100_694_526_932)
        response = client.head(path(link, archive_of(link).name))
        assert response.status_code == 200
        assert response.headers["Content-Length"] == "100694526932"
        assert response.headers["ETag"] == '"9bb58f26192e4ba00f01e2e7b136bbd8-12"'
        assert response.headers["Accept-Ranges"] == "bytes"
        assert response.content == b""
        assert_private(response)
        assert not link.records.exists()

    def test_without_an_etag_there_is_none(self, client: Client, link: DownloadLink) -> None:
        assert "ETag" not in client.head(path(link, archive_of(link).name)).headers

    @pytest.mark.parametrize("name", ["", *LISTS, "status"])
    def test_lists_say_how_long_they_are(self, client: Client, link: DownloadLink, name: str) -> None:
        response = client.head(path(link, name))
        assert response.content == b""
        assert int(response.headers["Content-Length"]) == len(client.get(path(link, name)).content) > 0


class TestLists:
    @pytest.mark.parametrize("name", ["", *LISTS, "status"])
    def test_each_is_private_and_takes_two_queries(self, client: Client, link: DownloadLink, name: str) -> None:
        client.get(path(link, "status"))
        with CaptureQueriesContext(connection) as queries:
            response = client.get(path(link, name))
        assert response.status_code == 200
        assert_private(response)
        assert len(queries) <= 2
        assert not link.records.exists()

    def test_the_status_of_a_link_that_works_is_ok(self, client: Client, link: DownloadLink) -> None:
        assert client.get(path(link, "status")).content == b"ok\n"

    def test_sums_are_as_sha256sum_reads_them(self, client: Client, link: DownloadLink) -> None:
        archive = archive_of(link)
        assert client.get(path(link, "SHA256SUMS")).content.decode() == f"{archive.sha256}  {archive.name}\n"

    def test_aria2_gets_name_and_checksum_for_each_address(self, client: Client, link: DownloadLink) -> None:
        archive = archive_of(link)
        lines = client.get(path(link, "aria2.txt")).content.decode().splitlines()
        assert lines[:3] == [
            address_of(link, archive.name),
            f" out={archive.name}",
            f" checksum=sha-256={archive.sha256}",
        ]

    def test_wget_and_curl_get_addresses(self, client: Client, link: DownloadLink) -> None:
        address = address_of(link, archive_of(link).name)
        assert client.get(path(link, "wget.txt")).content.decode() == f"{address}\n"
        assert f'url = "{address}"\n' in client.get(path(link, "curl.txt")).content.decode()

    def test_the_manifest_may_be_passed_on(self, client: Client, link: DownloadLink) -> None:
        text = client.get(path(link, "manifest.json")).content.decode()
        archive = archive_of(link)
        facts = json.loads(text)
        assert facts["total_size"] == archive.size
        assert facts["files"][0]["sha256"] == archive.sha256
        assert token_of(link) not in text

    @pytest.mark.parametrize("name", ["aria2.txt", "curl.txt", "wget.txt", "SHA256SUMS", "manifest.json", ""])
    def test_files_can_be_chosen(self, client: Client, link: DownloadLink, name: str) -> None:
        other = archive_of(link)
        sample = ArchiveFactory(release=link.release, name="knee_sample.tar")
        text = client.get(path(link, name), {"only": "sample"}).content.decode()
        assert sample.name in text
        assert other.name not in text

    def test_a_script_is_saved_and_not_shown(self, client: Client, link: DownloadLink) -> None:
        response = client.get(path(link, "download.sh"))
        assert response.headers["Content-Disposition"] == 'attachment; filename="download.sh"'
        assert response.content.startswith(b"#!/bin/sh\n")


class TestListing:
    def test_a_terminal_gets_plain_text(self, client: Client, link: DownloadLink) -> None:
        response = client.get(path(link), headers={"accept": "*/*"})
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert archive_of(link).name in response.content.decode()

    def test_a_browser_gets_a_page_and_no_cookie(self, client: Client, link: DownloadLink) -> None:
        client.force_login(link.grant.user)
        response = client.get(path(link), headers={"accept": "text/html,application/xhtml+xml"})
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        page = response.content.decode()
        assert address_of(link, archive_of(link).name) in page
        assert link.grant.user.name not in page
        assert " style=" not in page
        assert_private(response)

    def test_without_its_last_slash_it_is_the_same(self, client: Client, link: DownloadLink) -> None:
        assert client.get(path(link).rstrip("/")).content == client.get(path(link)).content

    def test_what_a_request_says_of_its_host_gets_nowhere(self, client: Client, link: DownloadLink) -> None:
        text = client.get(path(link), headers={"host": "localhost", "x-forwarded-host": "evil.example"}).content
        assert b"localhost" not in text.replace(b"127.0.0.1", b"")
        assert b"evil" not in text


@pytest.mark.parametrize(
    "cookie", ["sessionid=; csrftoken=", "sessionid=x; csrftoken=<bad>", "messages=broken", "a" * 4000]
)
def test_cookies_are_neither_read_nor_set(client: Client, link: DownloadLink, cookie: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path(link, archive_of(link).name), headers={"cookie": cookie})
    assert response.status_code == 302
    assert_private(response)
    assert not any("session" in query["sql"] for query in queries)


@pytest.mark.parametrize(
    ("header", "first", "asked"),
    [
        ("", 0, 1000),
        ("bytes=0-", 0, 1000),
        ("bytes=500-", 500, 500),
        ("bytes=500-599", 500, 100),
        ("bytes=0-0", 0, 1),
        ("bytes=900-5000", 900, 100),
        ("Bytes=500-", 0, 1000),
        ("bytes = 500 - ", 500, 500),
        ("bytes=-200", 800, 200),
        ("bytes=-5000", 0, 1000),
        ("bytes=-0", 1000, 0),
        ("bytes=1000-", 1000, 0),
        ("bytes=99999999999999999-", 1000, 0),
        ("bytes=9999999999999999999999999-", 0, 1000),
        ("bytes=600-500", 0, 1000),
        ("bytes=0-1,5-6", 0, 1000),
        ("bytes=-", 0, 1000),
        ("bytes=a-b", 0, 1000),
        ("bytes=٣-", 0, 1000),
        ("items=5-", 0, 1000),
        ("-5", 0, 1000),
    ],
)
def test_the_span_of_a_range_is_what_the_bucket_would_send(header: str, first: int, asked: int) -> None:
    assert span(header, 1000) == (first, asked)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
        ("a\r\nb\0c\x1b[31m\x7fd", "abc[31md"),
        ("x" * 5000, "x" * 200),
        ("\u202eevil\u2028", "evil"),
    ],
)
def test_clients_are_recorded_on_one_short_line(given: str, kept: str) -> None:
    assert client_of(given) == kept


class TestCountry:
    @pytest.fixture
    def database(self, tmp_path: Path) -> Path:
        writer = MMDBWriter(4, "Test-Country", languages=["en"])
        writer.insert_network(IPSet([str(IPv4Network("192.0.2.0/24"))]), {"country": {"iso_code": "GH"}})
        writer.insert_network(IPSet([str(IPv4Network("198.51.100.0/24"))]), {"country": "no country"})
        writer.to_db_file(str(tmp_path / "countries.mmdb"))
        return tmp_path / "countries.mmdb"

    def test_it_is_recorded_where_a_database_is_configured(
        self, client: Client, link: DownloadLink, settings: Settings, database: Path
    ) -> None:
        settings.GEOIP_DATABASE = str(database)
        settings.TRUSTED_PROXY_COUNT = 1
        client.get(path(link, archive_of(link).name), headers={"x-forwarded-for": "192.0.2.44"})
        record = link.records.get()
        assert (record.address, record.country) == ("192.0.2.44", "GH")

    @pytest.mark.parametrize("address", ["203.0.113.9", "198.51.100.9", "2001:db8::1", None])
    def test_what_the_database_does_not_know_is_not_recorded(
        self, settings: Settings, database: Path, address: str | None
    ) -> None:
        settings.GEOIP_DATABASE = str(database)
        assert country_of(address) == ""

    def test_downloads_go_on_without_the_file(
        self, client: Client, link: DownloadLink, settings: Settings, tmp_path: Path
    ) -> None:
        (tmp_path / "broken.mmdb").write_bytes(b"no database")
        for name in ("missing.mmdb", "broken.mmdb"):
            settings.GEOIP_DATABASE = str(tmp_path / name)
            assert client.get(path(link, archive_of(link).name)).status_code == 302


def test_the_listing_of_a_page_and_of_a_link_are_the_same(client: Client, link: DownloadLink) -> None:
    assert all(file.name in client.get(path(link)).content.decode() for file in listing(link).files)
