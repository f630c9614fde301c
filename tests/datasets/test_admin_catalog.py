"""Datasets and releases in the admin: written as drafts, moved by services, then left as they are."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from datasets.models import Archive, Dataset, Release, Volume
from datasets.services.maintainers import create_maintainer_groups
from tests.factories import (
    AgreementFactory,
    AgreementVersionFactory,
    ArchiveFactory,
    DatasetFactory,
    ReleaseFactory,
    StaffFactory,
    VolumeFactory,
)
from tests.maintainers import let_in, maintainer, with_second_factor

pytestmark = pytest.mark.django_db
RELEASES = "/admin/datasets/release/"


def unpublished(status: str) -> Release:
    release = ReleaseFactory(status=status, published_at=None, reason="a hash differs" if status == "failed" else "")
    AgreementVersionFactory(agreement=release.dataset.agreement)
    return release


def decide(client: Client, release: Release, name: str, **answer: str) -> str:
    path = reverse("admin:datasets_release_decide", args=[release.pk, name])
    return client.post(path, {"decided": "yes", **answer}, follow=True).content.decode()


def test_a_dataset_is_added_and_changed_with_its_history(client: Client) -> None:
    user = maintainer(client)
    words = {
        "name": "Knee",
        "slug": "knee",
        "summary": "Knees.",
        "description": "Raw data.",
        "anatomy": "Knee",
        "agreement": AgreementFactory().pk,
        "access_policy": "reviewed",
        "access_days": 180,
        "preview_audience": "holders",
        "is_listed": "on",
        "position": 0,
    }
    client.post("/admin/datasets/dataset/add/", words)
    dataset = Dataset.objects.get()
    client.post(f"/admin/datasets/dataset/{dataset.pk}/change/", {**words, "access_days": 90})

    page = client.get(f"/admin/datasets/dataset/{dataset.pk}/change/").content.decode()

    assert "access days: 180 → 90" in page
    assert page.count(f"<td>{user.email}</td>") == 2


@pytest.mark.parametrize("access_days", ["0", "3651", "99999999999", "x", ""])
def test_a_term_that_cannot_be_is_refused_with_a_sentence(access_days: str, client: Client) -> None:
    maintainer(client)

    page = client.post("/admin/datasets/dataset/add/", {"name": "Knee", "access_days": access_days}).content.decode()

    assert 'id="id_access_days_error"' in page
    assert not Dataset.objects.exists()


def test_what_keeps_a_release_from_being_published_is_said(client: Client) -> None:
    maintainer(client)
    release = unpublished("ready")

    page = decide(client, release, "publish")

    release.refresh_from_db()
    assert "it has no archive" in page
    assert release.status == "ready"


def test_withdrawing_asks_for_the_reason(client: Client) -> None:
    maintainer(client)
    release = ReleaseFactory()

    page = decide(client, release, "withdraw", reason="")
    release.refresh_from_db()
    assert "Write the reason" in page
    assert release.status == "published"

    decide(client, release, "withdraw", reason="Two volumes carried dates.")
    release.refresh_from_db()
    assert (release.status, release.reason) == ("withdrawn", "Two volumes carried dates.")


def test_the_reason_of_a_withdrawal_is_said_to_stand_on_the_page_and_in_a_mail(client: Client) -> None:
    maintainer(client)

    page = client.get(reverse("admin:datasets_release_decide", args=[ReleaseFactory().pk, "withdraw"])).content.decode()

    assert "shown on the release's page" in page
    assert "in a mail to those" in page
    assert "on one line" in page


@pytest.mark.parametrize("status", ["checking", "ready", "scheduled", "published"])
def test_releases_that_are_no_drafts_are_read_only(status: str, client: Client) -> None:
    maintainer(client)
    release = ReleaseFactory() if status == "published" else unpublished(status)
    archive = ArchiveFactory(release=release)

    refused = [
        client.post(f"{RELEASES}{release.pk}/change/", {"version": "9.9"}),
        client.post(f"{RELEASES}{release.pk}/delete/", {"post": "yes"}),
        client.post(f"/admin/datasets/archive/{archive.pk}/change/", {"name": "other.tar"}),
        client.post(f"/admin/datasets/archive/{archive.pk}/delete/", {"post": "yes"}),
    ]

    assert [response.status_code for response in refused] == [403] * 4
    assert client.get(f"{RELEASES}{release.pk}/change/").status_code == 200


def test_a_draft_is_written_and_thrown_away(client: Client) -> None:
    maintainer(client)
    release = unpublished("draft")

    words = {"dataset": release.dataset_id, "version": "3.0", "summary": "", "notes": "New scans."}
    client.post(f"{RELEASES}{release.pk}/change/", words)
    release.refresh_from_db()
    assert (release.version, release.notes) == ("3.0", "New scans.")

    client.post(f"{RELEASES}{release.pk}/delete/", {"post": "yes"})
    assert not Release.objects.exists()


def test_the_form_of_a_new_release_says_how_it_gets_its_archives(client: Client) -> None:
    maintainer(client)

    assert "then import its archives from a folder of the bucket" in client.get(f"{RELEASES}add/").content.decode()


@pytest.mark.parametrize(
    ("status", "is_listed", "shown"), [("published", True, 1), ("published", False, 0), ("draft", True, 0)]
)
def test_only_what_the_catalogue_shows_is_viewed_on_the_site(
    status: str, is_listed: bool, shown: int, client: Client
) -> None:
    maintainer(client)
    release = ReleaseFactory() if status == "published" else unpublished(status)
    Dataset.objects.update(is_listed=is_listed)

    page = client.get(f"{RELEASES}{release.pk}/change/").content.decode()

    assert page.count("View on site") == shown


def test_an_archive_of_a_draft_takes_its_volumes_along_and_counts_them(client: Client) -> None:
    maintainer(client)
    archive = ArchiveFactory(release=unpublished("draft"))
    VolumeFactory.create_batch(3, archive=archive)
    path = f"/admin/datasets/archive/{archive.pk}/delete/"

    page = client.get(path).content.decode()
    client.post(path, {"post": "yes"})

    assert "Volumes: 3" in page
    assert "multicoil_train/" not in page
    assert not Archive.objects.exists()
    assert not Volume.objects.exists()


def test_an_archive_cannot_be_hidden_in_a_published_release(client: Client) -> None:
    maintainer(client)
    release = ReleaseFactory()

    page = client.post(
        "/admin/datasets/archive/add/", {"release": release.pk, "name": "late.tar", "key": "late.tar"}
    ).content.decode()

    assert "is published" in page
    assert not Archive.objects.exists()


def test_curators_write_datasets_and_see_nobody(client: Client) -> None:
    create_maintainer_groups()
    curator = with_second_factor(StaffFactory(is_superuser=False))
    curator.groups.add(Group.objects.get(name="Curators"))
    let_in(client, curator)
    DatasetFactory()

    assert client.get("/admin/datasets/dataset/").status_code == 200
    assert client.get("/admin/datasets/release/add/").status_code == 200
    for page in ("accounts/user", "accounts/signature", "datasets/accessrequest", "datasets/downloadrecord"):
        assert client.get(f"/admin/{page}/").status_code == 403
