"""Errata stand on the pages of their release and its archives, for everybody, as soon as they are published."""

import pytest
from django.test import Client

from datasets.models import Release
from datasets.services.notices import publish_erratum
from tests.access import offered
from tests.factories import ErratumFactory, StaffFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def release() -> Release:
    return offered(name="Knee", archives=2).releases.get()


def read(path: str) -> str:
    return " ".join(Client().get(path).content.decode().split())


def test_a_published_one_shows_at_once_and_marks_its_archives(release: Release) -> None:
    wrong, right = release.archives.order_by("pk")
    erratum = ErratumFactory(release=release, text="The mask is **shifted**. <script>alert(1)</script>")
    erratum.archives.add(wrong)
    address = release.get_absolute_url()
    # The page is kept for visitors; a draft is nobody's to read.
    assert "shifted" not in read(address)

    publish_erratum(erratum, by=StaffFactory())

    page = read(address)
    assert "<strong>shifted</strong>" in page
    assert "<script>alert" not in page
    assert "Erratum of " in page
    assert f"It concerns <code>{wrong.name}</code>." in page
    assert page.count('class="state wait s3">erratum</span>') == 1
    assert "shifted" in read(f"{address}{wrong.name}/")
    assert "shifted" not in read(f"{address}{right.name}/")


def test_one_that_names_no_archive_stands_on_all_their_pages(release: Release) -> None:
    publish_erratum(ErratumFactory(release=release, text="All are shifted."), by=StaffFactory())
    for archive in release.archives.all():
        assert "All are shifted." in read(f"{release.get_absolute_url()}{archive.name}/")
    assert "state wait s3" not in read(release.get_absolute_url())


def test_the_newest_stands_first(release: Release) -> None:
    for text in ("The first.", "The second."):
        publish_erratum(ErratumFactory(release=release, text=text), by=StaffFactory())
    page = read(release.get_absolute_url())
    assert page.index("The second.") < page.index("The first.")
