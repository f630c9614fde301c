"""The admin in a real browser: every kind of page under the strict policy and as axe sees it; without JavaScript; by
keyboard."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Agreement, AgreementVersion, OutgoingMail
from datasets.models import AccessRequest, Dataset, DownloadRecord, Release
from tests.access import asked, reviewed
from tests.axe import hindrances
from tests.factories import (
    AgreementVersionFactory,
    ArchiveFactory,
    DownloadRecordFactory,
    ReleaseFactory,
    StaffFactory,
    UserFactory,
    VolumeFactory,
)
from tests.maintainers import let_in, with_second_factor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(page: Page, live_server: LiveServer) -> Page:
    enter(page.context, live_server.url)
    return page


def enter(context: BrowserContext, address: str) -> None:
    client = Client()
    let_in(client, with_second_factor(StaffFactory(name="Maintainer")))
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": address}])


@pytest.fixture
def request_() -> AccessRequest:
    """Somebody asks for Brain; there is something of every other kind too."""
    request = asked(UserFactory(name="Quiet Reader", email="quiet@example.org"), reviewed(name="Brain"))
    record = DownloadRecordFactory(link__grant__user=request.user)
    VolumeFactory(archive=record.archive)
    mail = OutgoingMail.objects.latest("pk")
    OutgoingMail.objects.filter(pk=mail.pk).update(state="failed", reason="550", finished_at=mail.created_at)
    AgreementVersionFactory(status="draft", published_at=None, required_from=None)
    ArchiveFactory(release=ReleaseFactory(dataset=request.dataset, version="9.0", status="draft", published_at=None))
    return request


def kinds_of_pages(request: AccessRequest) -> list[str]:
    record, draft = DownloadRecord.objects.get(), AgreementVersion.objects.get(status="draft")
    release = Release.objects.get(status="draft")
    changed = {
        "accounts_user": request.user_id,
        "accounts_agreement": Agreement.objects.latest("pk").pk,
        "accounts_agreementversion": draft.pk,
        "accounts_signature": request.signature_id,
        "accounts_outgoingmail": OutgoingMail.objects.latest("pk").pk,
        "datasets_dataset": request.dataset_id,
        "datasets_release": release.pk,
        "datasets_accessrequest": request.pk,
        "datasets_accessgrant": record.link.grant_id,
        "datasets_downloadlink": record.link_id,
        "datasets_downloadrecord": record.pk,
    }
    lists = ["accounts_user", "datasets_downloadrecord", "datasets_accessrequest", "accounts_outgoingmail"]
    return [
        reverse("admin:index"),
        reverse("admin:work"),
        reverse("admin:dashboard"),
        f"{reverse('admin:dashboard')}?days=0&dataset={request.dataset.slug}",
        reverse("admin:app_list", args=["datasets"]),
        *(reverse(f"admin:{name}_changelist") for name in lists),
        f"{reverse('admin:accounts_user_changelist')}?q=quiet&is_active__exact=1",
        *(reverse(f"admin:{name}_change", args=[pk]) for name, pk in changed.items()),
        reverse("admin:datasets_accessrequest_decide", args=[request.pk, "decline"]),
        reverse("admin:datasets_archive_add"),
        reverse("admin:datasets_release_history", args=[release.pk]),
        reverse("admin:datasets_release_delete", args=[release.pk]),
    ]


def test_nothing_hinders_and_no_policy_is_broken(
    page: Page, live_server: LiveServer, request_: AccessRequest, complaints: list[str]
) -> None:
    found = []
    for path in kinds_of_pages(request_):
        page.goto(live_server.url + path)
        page.wait_for_load_state("networkidle")
        found += [f"{path}: {line}" for line in complaints] + hindrances(page)
        # The rules themselves write a style into the page.
        complaints.clear()
    assert found == []


def test_a_decision_without_its_reason_is_shown_without_hindrance(
    page: Page, live_server: LiveServer, request_: AccessRequest, complaints: list[str]
) -> None:
    page.goto(live_server.url + reverse("admin:datasets_accessrequest_decide", args=[request_.pk, "decline"]))
    page.get_by_role("button", name="Decline").click()

    expect(page.locator(".err")).to_contain_text("Write the reason")
    assert complaints == []
    assert hindrances(page) == []
    complaints.clear()


def test_autocompletion_works_under_the_policy(page: Page, live_server: LiveServer, request_: AccessRequest) -> None:
    page.goto(live_server.url + reverse("admin:datasets_release_add"))
    page.locator(".field-dataset .select2-selection").click()
    page.locator(".select2-search__field").fill("bra")
    page.locator(".select2-results__option", has_text="Brain").click()
    page.fill("#id_version", "2.0")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator(".messagelist .success")).to_be_visible()
    assert Release.objects.filter(dataset=request_.dataset, version="2.0").exists()


def test_pop_ups_work_under_the_policy(page: Page, live_server: LiveServer) -> None:
    page.goto(live_server.url + reverse("admin:accounts_agreementversion_add"))
    with page.expect_popup() as opened:
        page.locator("#add_id_agreement").click()
    pop_up = opened.value
    pop_up.fill("#id_title", "Knee agreement")
    pop_up.get_by_role("button", name="Save").click()

    expect(page.locator("#select2-id_agreement-container")).to_contain_text("Knee agreement")
    assert Agreement.objects.get().title == "Knee agreement"


def test_rows_are_chosen_and_narrowed_under_the_policy(
    page: Page, live_server: LiveServer, request_: AccessRequest
) -> None:
    page.goto(live_server.url + reverse("admin:accounts_user_changelist"))
    page.locator("#action-toggle").check()
    expect(page.locator(".action-counter")).to_contain_text("selected")
    page.get_by_label("Country").select_option("Ghana")
    page.locator("form.filter-form", has=page.get_by_label("Country")).get_by_role("button").click()
    page.wait_for_url("**country=GH**")

    with page.expect_download() as started:
        page.get_by_role("button", name="Export this list as CSV").click()
    assert started.value.suggested_filename.startswith("people-")
    assert "quiet@example.org" in started.value.path().read_text()


def test_a_request_is_decided_without_javascript(
    browser: Browser, live_server: LiveServer, request_: AccessRequest
) -> None:
    context = browser.new_context(java_script_enabled=False)
    enter(context, live_server.url)
    page = context.new_page()
    page.goto(live_server.url + reverse("admin:datasets_accessrequest_changelist"))
    page.locator(".action-select").check()
    page.locator("select[name=action]").select_option("decline")
    page.get_by_role("button", name="Go").click()
    page.get_by_label("Reason").fill("The purpose does not say what will be measured.")
    page.get_by_role("button", name="Decline").click()

    expect(page.locator(".messagelist .success")).to_contain_text("declined")
    request_.refresh_from_db()
    assert request_.reason == "The purpose does not say what will be measured."
    context.close()


def test_a_request_is_decided_by_keyboard(page: Page, live_server: LiveServer, request_: AccessRequest) -> None:
    page.goto(live_server.url + reverse("admin:index"))
    for wanted in ("Review", "Approve …", "Approve"):
        step_to(page, wanted)
        with page.expect_navigation():
            page.keyboard.press("Enter")

    expect(page.locator(".messagelist .success")).to_contain_text("approved")


def step_to(page: Page, text: str) -> None:
    """Press Tab until what is so called has the focus, which must be seen."""
    for _step in range(120):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text().strip() == text:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"the Tab key does not lead to {text!r} on {page.url}")


def test_listed_names_are_not_hidden(page: Page, live_server: LiveServer, request_: AccessRequest) -> None:
    """A dataset's page in the admin leads to the site's."""
    dataset = Dataset.objects.get(pk=request_.dataset_id)
    page.goto(live_server.url + reverse("admin:datasets_dataset_change", args=[dataset.pk]))
    page.get_by_role("link", name="View on site").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Brain")
