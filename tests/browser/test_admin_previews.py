"""Rendering again, in a real browser: from the list to the page that says how far it is, and a row's pictures."""

import io
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone
from PIL import Image
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from datasets.models import Preview
from datasets.storage import preview_bucket
from tests.archives import PICTURES
from tests.axe import hindrances
from tests.browser.test_admin import enter
from tests.factories import PreviewFactory, VolumeFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(page: Page, live_server: LiveServer) -> Page:
    enter(page.context, live_server.url)
    return page


def test_chosen_previews_are_rendered_again_and_one_looks_how_far_they_are(page: Page, live_server: LiveServer) -> None:
    PreviewFactory.create_batch(3, pictures=PICTURES)
    page.goto(f"{live_server.url}/admin/datasets/preview/")
    page.get_by_role("checkbox").nth(1).check()
    page.get_by_role("checkbox").nth(2).check()
    page.get_by_role("combobox", name="Action").select_option("Render previews")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("img", name="0 of 2 are done, 0 failed, 0 at work, 2 to come")).to_be_visible()
    Preview.objects.filter(state="waiting").update(state="done", finished_at=timezone.now())
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("img", name="2 of 2 are done")).to_be_visible()
    expect(page.get_by_text("All are finished.")).to_be_visible()


def test_nothing_hinders_anybody_on_the_page_of_progress(
    page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    asked = timezone.now() - timedelta(minutes=5)
    archive = VolumeFactory().archive
    facts = {"asked_at": asked, "volume__archive": archive}
    PreviewFactory.create_batch(23, pictures=PICTURES, **facts)
    reason = "The file says that it holds 23 TB of k-space, which is more than it has bytes for."
    PreviewFactory.create_batch(2, state="failed", reason=reason, finished_at=timezone.now(), **facts)
    PreviewFactory(state="running", leased_until=timezone.now(), **facts)
    PreviewFactory.create_batch(14, **facts)
    page.goto(f"{live_server.url}/admin/datasets/preview/progress/?asked={quote(asked.isoformat())}")
    expect(page.get_by_text("At the pace so far")).to_be_visible()
    assert complaints == []
    assert hindrances(page) == []
    # The rules themselves write a style into the page.
    complaints.clear()


def test_a_rows_pictures_are_shown(page: Page, live_server: LiveServer, complaints: list[str]) -> None:
    row = PreviewFactory(pictures=PICTURES)
    content = io.BytesIO()
    Image.new("L", (320, 320), 90).save(content, "webp")
    for name in PICTURES:
        preview_bucket().put(f"{row.folder}/{name}", content.getvalue())
    page.goto(f"{live_server.url}/admin/datasets/preview/{row.pk}/change/")
    picture = page.get_by_role("img", name="Reconstruction of slice 2").first
    expect(picture).to_be_visible()
    # It is fetched when it is seen.
    expect(picture).to_have_js_property("naturalWidth", 320)
    assert complaints == []
    assert hindrances(page) == []
    # The rules themselves write a style into the page.
    complaints.clear()
