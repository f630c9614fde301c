"""The maintainer's way in a real browser: folder, ticks, progress, dry run, publication, withdrawal, its undoing."""

from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from datasets.models import Archive, Release
from datasets.services.releases import ingest_due_archives, ingesting
from datasets.storage import bucket
from tests import imports
from tests.access import granted, offered
from tests.axe import hindrances
from tests.browser.test_admin import enter
from tests.factories import ArchiveFactory, DriftFactory, FixityCheckFactory, IngestFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ingesting, "Sandbox", imports.Reader)
    imports.empty()
    yield
    imports.empty()


@pytest.fixture
def page(page: Page, live_server: LiveServer) -> Page:
    enter(page.context, live_server.url)
    return page


def harmless(page: Page, complaints: list[str]) -> None:
    assert complaints == []
    assert hindrances(page) == []
    # The rules themselves write a style into the page.
    complaints.clear()


def test_from_a_folder_to_a_withdrawal_and_back(page: Page, live_server: LiveServer, complaints: list[str]) -> None:
    dataset = offered()
    granted(UserFactory(), dataset)
    release = imports.draft(dataset)
    imports.upload("knee_multicoil_train.tar.xz")
    imports.upload("knee_singlecoil_val.tar")
    bucket().put(f"{imports.FOLDER}README.txt", b"hello")
    page.goto(f"{live_server.url}/admin/datasets/release/{release.pk}/change/")
    page.get_by_role("link", name="Import …").click()
    page.get_by_label("Folder of the bucket").fill(imports.place())
    page.get_by_role("button", name="List it").click()
    expect(page.get_by_label(f"Take {imports.FOLDER}README.txt")).to_be_disabled()
    harmless(page, complaints)

    page.get_by_role("button", name="Import and check what is ticked").click()
    expect(page.get_by_text("0 verified, 0 being read, 2 waiting, 0 failed")).to_be_visible()
    ingest_due_archives(seconds=60)
    page.get_by_role("link", name="look again").click()
    expect(page.get_by_text("2 verified, 0 being read, 0 waiting, 0 failed")).to_be_visible()

    page.get_by_role("link", name="Dry run").click()
    expect(page.get_by_text("Nothing keeps it from being published")).to_be_visible()
    expect(page.get_by_text("1 person with access")).to_be_visible()
    page.get_by_role("link", name="Publish …").click()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text(f"{release} is published.").first).to_be_visible()

    page.get_by_role("link", name="Withdraw …").click()
    page.get_by_label("Reason").fill("Two volumes carried dates.")
    page.get_by_role("button", name="Withdraw").click()
    page.get_by_role("link", name="Undo the withdrawal …").click()
    page.get_by_role("button", name="Undo the withdrawal").click()
    expect(page.get_by_text(f"{release} is published again.").first).to_be_visible()
    assert Release.objects.get(pk=release.pk).status == "published"


def test_nothing_hinders_anybody_on_the_page_of_progress(
    page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    row = IngestFactory(archive__name="knee_multicoil_test.tar.xz", bytes_read=43 * 10**9, volumes_read=39)
    release = row.archive.release
    Archive.objects.filter(pk=row.archive_id).update(status="ingesting")
    reason = "File 42 of the archive cannot be opened: multicoil_train/file1000412.h5: This is no HDF5 file."
    ArchiveFactory(release=release, status="failed", sha256="", reason=reason)
    ArchiveFactory.create_batch(3, release=release)
    page.goto(f"{live_server.url}/admin/datasets/release/{release.pk}/progress/")
    expect(page.get_by_text("3 verified, 1 being read, 0 waiting, 1 failed")).to_be_visible()
    expect(page.get_by_text("multicoil_train/file1000412.h5")).to_be_visible()
    harmless(page, complaints)


def test_nothing_hinders_anybody_on_the_page_of_the_dry_run(
    page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    dataset = offered()
    ArchiveFactory(release=dataset.releases.get(), name="knee_train.tar", size=43_270_118_204)
    release = imports.read_into(imports.draft(dataset, notes=""), "knee_train.tar", "knee_val.tar")
    page.goto(f"{live_server.url}/admin/datasets/release/{release.pk}/dry-run/")
    expect(page.get_by_text("Its notes are not written.")).to_be_visible()
    for name in ("SHA256SUMS", "download.sh", "manifest.json"):
        page.locator("summary", has_text=name).click()
    expect(page.get_by_label("SHA256SUMS")).to_contain_text("knee_train.tar")
    harmless(page, complaints)


def test_nothing_hinders_anybody_on_the_pages_of_fixity_and_history(
    page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    drift = DriftFactory()
    release = drift.archive.release
    FixityCheckFactory(release=release, state="done", finished_at=timezone.now(), checked=1, drifted=1)
    page.goto(f"{live_server.url}/admin/datasets/drift/")
    expect(page.get_by_text("every one was asked for since")).to_be_visible()
    harmless(page, complaints)
    for path in (f"drift/{drift.pk}/change/", f"release/{release.pk}/history/", "release/removed/", "fixitycheck/"):
        page.goto(f"{live_server.url}/admin/datasets/{path}")
        harmless(page, complaints)
