"""A page in a real browser, whose console complains of nothing."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import watched_page


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the console said: a policy that was broken, a script that failed, a file that is missing."""
    said: list[str] = []
    yield said
    assert said == []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    page = watched_page(browser, complaints)
    page.set_default_timeout(10_000)
    yield page
    page.context.close()
