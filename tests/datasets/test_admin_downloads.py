"""Links and download records in the admin: evidence, without any link's address."""

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets.models import AccessGrant, DownloadLink
from datasets.services.downloads import address_of, token_of
from tests.factories import DownloadLinkFactory, DownloadRecordFactory, UserFactory
from tests.maintainers import maintainer

pytestmark = pytest.mark.django_db
LINKS = "/admin/datasets/downloadlink/"
RECORDS = "/admin/datasets/downloadrecord/"


def decide(client: Client, link: DownloadLink, name: str) -> None:
    client.post(reverse("admin:datasets_downloadlink_decide", args=[link.pk, name]), {"decided": "yes"})


def test_no_page_shows_a_links_address(client: Client) -> None:
    maintainer(client)
    record = DownloadRecordFactory()
    link = record.link
    paths = [
        *(LINKS, f"{LINKS}{link.pk}/change/", f"{LINKS}{link.pk}/decide/replace/", RECORDS),
        *(f"{RECORDS}{record.pk}/change/", f"/admin/datasets/accessgrant/{link.grant_id}/change/"),
        f"/admin/accounts/user/{link.grant.user_id}/change/",
    ]

    for path in paths:
        answer = client.get(path)
        page = answer.content.decode()
        assert answer.status_code == 200
        assert token_of(link) not in page
        assert str(link.nonce) not in page
        assert address_of(link) not in page


def test_a_link_that_leaked_is_replaced(client: Client) -> None:
    maintainer(client)
    link = DownloadLinkFactory()

    decide(client, link, "replace")

    link.refresh_from_db()
    assert link.status == DownloadLink.Status.REPLACED
    assert DownloadLink.objects.live().filter(grant=link.grant, release=link.release).count() == 1


def test_two_clicks_replace_a_link_once(client: Client) -> None:
    maintainer(client)
    link = DownloadLinkFactory()

    for _click in range(2):
        decide(client, link, "replace")

    assert DownloadLink.objects.count() == 2


def test_a_link_is_revoked(client: Client) -> None:
    maintainer(client)
    link = DownloadLinkFactory()

    decide(client, link, "revoke")

    link.refresh_from_db()
    assert link.status == DownloadLink.Status.REVOKED


@pytest.mark.parametrize("asked", ["{0}", "link {0}", "link{0}"])
def test_a_link_is_found_by_its_number(asked: str, client: Client) -> None:
    maintainer(client)
    first, second = DownloadLinkFactory.create_batch(2)

    page = client.get(LINKS, {"q": asked.format(first.pk)}).content.decode()

    assert first.grant.user.email in page
    assert second.grant.user.email not in page


@pytest.mark.parametrize("asked", ["99999999999999999999999", "9223372036854775808", "link", "²"])
def test_odd_numbers_find_nothing(asked: str, client: Client) -> None:
    maintainer(client)
    link = DownloadLinkFactory()

    assert link.grant.user.email not in client.get(LINKS, {"q": asked}).content.decode()


def test_records_are_narrowed_to_days_with_both_included(client: Client) -> None:
    maintainer(client)
    noon = timezone.now().replace(hour=12, minute=0)
    for days in (1, 2, 3, 4):
        DownloadRecordFactory(issued_at=noon - timedelta(days=days), agent=f"client-of-day-{days}")
    first, last = (noon.date() - timedelta(days=days) for days in (3, 2))

    page = client.get(f"{RECORDS}?issued_at_from={first}&issued_at_until={last}").content.decode()

    shown = [day for day in (1, 2, 3, 4) if f"client-of-day-{day}" in page]
    assert shown == [2, 3]


def test_a_day_that_cannot_be_read_lists_nothing_and_says_how_to_write_it(client: Client) -> None:
    maintainer(client)
    DownloadRecordFactory(agent="a-client")

    page = client.get(RECORDS, {"issued_at_from": "22.11.2026"}).content.decode()

    assert "Write a day as 2026-11-22" in page
    assert "a-client" not in page


def test_downloads_are_exported(client: Client) -> None:
    maintainer(client)
    record = DownloadRecordFactory(country="GH", first_byte=512)
    DownloadRecordFactory()

    response: Any = client.post(f"{RECORDS}export/?link__id__exact={record.link_id}")
    [row] = csv.DictReader(StringIO(b"".join(response.streaming_content).decode()))

    assert row["archive"] == record.archive.name
    assert row["e-mail address"] == record.link.grant.user.email
    assert (row["country"], row["first byte"], row["network address"]) == ("GH", "512", "192.0.2.7")


def test_links_are_locked_in_the_order_of_their_people_as_grants_are(client: Client) -> None:
    """Otherwise two maintainers, one with links and one with grants, may wait for each other."""
    first, second = UserFactory(), UserFactory()
    links = [DownloadLinkFactory(grant__user=person) for person in (second, first)]
    maintainer(client)

    pages = (DownloadLink, links), (AccessGrant, [link.grant for link in links])
    orders = [sorted(rows, key=admin.site._registry[model].lock_order) for model, rows in pages]  # type: ignore[attr-defined]

    assert [link.grant for link in orders[0]] == orders[1] == [links[1].grant, links[0].grant]
