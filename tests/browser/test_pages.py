"""The site's pages in a real browser: seen by axe in both schemes, wide and narrow; without JavaScript; by keyboard."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from datasets.models import AccessGrant, Dataset, DownloadLink, Release
from datasets.services.downloads import token_of
from tests.access import publish_next
from tests.axe import hindrances
from tests.chromium import watched_page
from tests.factories import (
    AccessRequestFactory,
    AgreementVersionFactory,
    ArchiveFactory,
    DatasetFactory,
    DownloadRecordFactory,
    ReleaseFactory,
    VolumeFactory,
    granted,
)

pytestmark = pytest.mark.django_db(transaction=True)
NOTES = "## Changed\n\n- One archive\n\n| archive | volumes |\n|---|--:|\n| `knee_val.tar.xz` | 118 |\n\n[More](/help/)"


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the console said: a policy that was broken, a file that is missing."""
    said: list[str] = []
    yield said
    assert [line for line in said if "the server responded with a status of" not in line] == []


@pytest.fixture
def link() -> DownloadLink:
    """Access to Knee 2.0, whose archives are of every kind; 1.0 is withdrawn; Brain is reviewed."""
    link = granted(name="Quiet Reader")
    dataset, release = link.grant.dataset, link.release
    Dataset.objects.filter(pk=dataset.pk).update(
        slug="knee", name="Knee", description=NOTES, citation="Reader A. *Knees*. 2026.", doi="10.5555/1"
    )
    release.version, release.summary, release.notes = "2.0", "Test sets complete.", NOTES
    release.save()
    for name, split, coils in (("knee_sample.tar", "sample", "1, 15"), ("knee_DICOMs.tar.xz", "images", "")):
        ArchiveFactory(release=release, name=name, split=split, coils=coils)
    VolumeFactory.create_batch(60, archive=release.archives.get(name="knee_sample.tar"))
    ArchiveFactory(
        release=ReleaseFactory(
            dataset=dataset,
            version="1.0",
            status=Release.Status.WITHDRAWN,
            reason="Two volumes carried dates.",
            withdrawn_at=timezone.now(),
        )
    )
    brain = DatasetFactory(slug="brain", name="Brain", access_policy=Dataset.AccessPolicy.REVIEWED)
    AgreementVersionFactory(agreement=brain.agreement, summary="- Research only.\n- Nothing is passed on.")
    ArchiveFactory(release__dataset=brain, release__version="1.0")
    DownloadRecordFactory(link=link, archive=release.archives.get(name="knee_sample.tar"))
    return DownloadLink.objects.select_related("grant__user", "grant__dataset", "release__dataset").get(pk=link.pk)


def sign_in(context: BrowserContext, user: User, address: str) -> None:
    client = Client()
    client.force_login(user)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": address}])


PUBLIC = (
    "/",
    "/datasets/",
    "/datasets/knee/",
    "/datasets/brain/",
    "/datasets/brain/agreement/",
    "/datasets/knee/2.0/",
    "/datasets/knee/1.0/",
    "/datasets/knee/2.0/knee_sample.tar/?page=2",
    "/help/",
    "/privacy/",
    "/cite/",
    "/nowhere/",
)


def test_nothing_hinders_a_visitor(page: Page, live_server: LiveServer, link: DownloadLink) -> None:
    found = []
    for path in PUBLIC:
        page.goto(live_server.url + path)
        found += hindrances(page)
    assert found == []


def test_nothing_hinders_somebody_with_access(page: Page, live_server: LiveServer, link: DownloadLink) -> None:
    sign_in(page.context, link.grant.user, live_server.url)
    signature = link.grant.user.signatures.get()
    AccessRequestFactory(user=link.grant.user, dataset=Dataset.objects.get(slug="brain"), signature=signature)
    found = []
    for path in (
        "/datasets/knee/",
        "/datasets/knee/2.0/?archive=knee_sample.tar&archive=nothing.tar",
        "/datasets/brain/",
        "/datasets/knee/agreement/",
        "/downloads/",
    ):
        page.goto(live_server.url + path)
        found += hindrances(page)
    assert found == []


CHANGED = """\
# Agreement

The text of the version after it.

## Teaching

The Recipient may show these in one course:

| split | slices |
|---|--:|
| train | 40 |

1. with the source named
2. without names of people

## Use

Research and [teaching](https://example.org/) only.

> What is quoted stays.

    lines of code
"""


def test_nothing_hinders_somebody_who_reads_what_changed(
    page: Page, live_server: LiveServer, link: DownloadLink
) -> None:
    sign_in(page.context, link.grant.user, live_server.url)
    publish_next(
        link.grant.dataset, due_in=timedelta(days=20), text=CHANGED, changes="Many asked.", statements=["I agree."]
    )
    found = []
    for path in (
        "/datasets/knee/agreement/",
        f"/accounts/agreements/{link.grant.dataset.agreement.slug}/",
        "/accounts/profile/",
    ):
        page.goto(live_server.url + path)
        found += hindrances(page)
    assert found == []
    page.goto(f"{live_server.url}/datasets/knee/agreement/")
    expect(page.locator("#h-changes")).to_contain_text("What changed since version")
    page.locator(".difference h3 a", has_text="Teaching").click()
    expect(page.locator("h2", has_text="Teaching")).to_be_in_viewport()


def test_nothing_hinders_somebody_who_is_refused(page: Page, live_server: LiveServer, link: DownloadLink) -> None:
    sign_in(page.context, link.grant.user, live_server.url)
    now = timezone.now()
    found = []
    for change in (
        {"starts_at": now - timedelta(days=9), "ends_at": now - timedelta(days=1)},
        {"status": "revoked", "reason": "the project has closed", "revoked_at": now},
    ):
        AccessGrant.objects.filter(pk=link.grant.pk).update(**change)
        for path in ("/datasets/knee/", "/downloads/"):
            page.goto(live_server.url + path)
            found += hindrances(page)
    assert found == []


def test_nothing_hinders_anybody_in_an_empty_site(page: Page, live_server: LiveServer) -> None:
    found = []
    for path in ("/", "/datasets/", "/cite/"):
        page.goto(live_server.url + path)
        found += hindrances(page)
    assert found == []


@pytest.mark.urls("tests.portal.test_views")
def test_nothing_hinders_anybody_when_something_goes_wrong(page: Page, live_server: LiveServer) -> None:
    found = []
    for how in ("denied", "mistake", "bucket", "suspicious"):
        page.goto(f"{live_server.url}/failing/{how}/")
        found += hindrances(page)
    assert found == []


def test_archives_are_chosen_and_commands_are_read_without_javascript(
    browser: Browser, live_server: LiveServer, link: DownloadLink
) -> None:
    context = browser.new_context(java_script_enabled=False)
    sign_in(context, link.grant.user, live_server.url)
    page = context.new_page()

    page.goto(f"{live_server.url}/datasets/knee/2.0/")
    page.get_by_label("knee_sample.tar").check()
    page.get_by_role("button", name="Commands for the archives ticked").click()

    expect(page.get_by_label("knee_sample.tar")).to_be_checked()
    command = page.locator(".body-1 code").first
    expect(command).to_contain_text(f"/get/{token_of(link)}/download.sh?only=knee_sample.tar")
    expect(page.locator(".body-2")).to_be_hidden()
    page.locator("label", has_text="aria2").click()
    expect(page.locator(".body-2")).to_be_visible()
    expect(page.locator(".body-1")).to_be_hidden()
    expect(page.locator(".copy:visible")).to_have_count(0)
    context.close()


def test_one_click_copies_a_command(
    browser: Browser, complaints: list[str], live_server: LiveServer, link: DownloadLink
) -> None:
    page = watched_page(browser, complaints)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page.context, link.grant.user, live_server.url)

    page.goto(f"{live_server.url}/datasets/knee/2.0/")
    page.get_by_role("button", name="Copy").first.click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator(".body-1 code").first.text_content()
    page.context.close()


def test_the_keyboard_skips_to_the_content_and_moves_between_clients(
    page: Page, live_server: LiveServer, link: DownloadLink
) -> None:
    sign_in(page.context, link.grant.user, live_server.url)
    page.goto(f"{live_server.url}/datasets/knee/2.0/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    page.get_by_label("Script").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("aria2")).to_be_checked()
    expect(page.locator(".body-2")).to_be_visible()


def test_a_form_with_errors_says_so_in_its_title_and_takes_the_focus(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/accounts/signup/")
    page.get_by_role("button", name="Send me a code").click()

    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.locator("#errors")).to_be_focused()
    page.get_by_role("link", name="E-mail address").click()
    expect(page.locator("#id_email")).to_be_focused()
    order = "e => [...e.closest('.field').children].map(child => child.className || child.tagName.toLowerCase())"
    above = page.locator("#id_email").evaluate(order)
    assert above[-1] == "input"
