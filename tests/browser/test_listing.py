"""The page of a link, opened in a browser."""

from collections.abc import Iterator

import pytest
from django.test import override_settings
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from datasets.models import DownloadLink
from datasets.services.downloads import address_of
from tests.axe import hindrances
from tests.chromium import chromium, watched_page
from tests.factories import ArchiveFactory, granted

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def link(live_server: LiveServer) -> Iterator[DownloadLink]:
    with override_settings(SITE_URL=live_server.url):
        link = granted(archives=2)
        ArchiveFactory(release=link.release, name="knee_" + "with_a_very_long_name_" * 6 + ".tar.xz")
        yield link


def test_nothing_hinders_its_reader_and_no_cookie_is_set(link: DownloadLink) -> None:
    said: list[str] = []
    with chromium() as browser:
        page = watched_page(browser, said)
        page.goto(address_of(link))
        expect(page.get_by_role("heading", level=1)).to_have_text(str(link.release))
        expect(page.get_by_text("sh dataset")).to_be_visible()
        assert hindrances(page) == []
        assert page.context.cookies() == []
        page.context.close()
    assert said == []
