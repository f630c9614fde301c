"""The queue of requests, deciding about many, and mail that comes back, as axe and a narrow screen see them."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from datasets.models import AccessRequest, Dataset
from datasets.services.access import decline_request
from tests.access import asked, reviewed
from tests.axe import hindrances
from tests.browser.test_admin import enter
from tests.factories import PASSWORD, AccessGrantFactory, BounceFactory, StaffFactory, UserFactory
from tests.registrations import newest_code

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/admin/datasets/accessrequest/"


@pytest.fixture
def waiting() -> list[AccessRequest]:
    """Requests with hints of every kind."""
    dataset: Dataset = reviewed(name="Brain")
    boss = StaffFactory(name="Another Maintainer")
    AccessGrantFactory(user=UserFactory(email="colleague@radiology.example.edu", name="Early Reader"))
    people = [
        UserFactory(email="quiet@radiology.example.edu", name="Quiet Reader", institution="Institute of Examples"),
        UserFactory(email="private@gmail.com", name="Private Reader", institution="Hospital of Examples"),
        UserFactory(email="early@elsewhere.example.org", name="Early Reader", institution="University of Examples"),
    ]
    decline_request(asked(people[1], dataset), by=boss, reason="Say what you want to measure.")
    requests = [asked(person, dataset) for person in people]
    AccessRequest.objects.filter(pk=requests[0].pk).update(created_at=timezone.now() - timedelta(days=9))
    BounceFactory(user=people[1], said="smtp; 550 5.1.1 <private@gmail.com>: user unknown")
    return requests


def hindered(page: Page, complaints: list[str]) -> list[str]:
    """What hinders on a page, and what its console said. The rules themselves write a style into the page."""
    found = [*complaints, *hindrances(page)]
    complaints.clear()
    return found


def tick_all(page: Page) -> None:
    for box in page.locator("input[name=_selected_action]").all():
        box.check()


def test_many_are_declined_with_one_reason(
    page: Page, live_server: LiveServer, waiting: list[AccessRequest], complaints: list[str]
) -> None:
    enter(page.context, live_server.url)
    page.goto(f"{live_server.url}{QUEUE}")
    assert hindered(page, complaints) == []
    expect(page.get_by_text("over 7 days")).to_be_visible()
    tick_all(page)
    page.locator("select[name=action]").select_option("decline")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="Decline: 3 access requests")).to_be_visible()
    assert hindered(page, complaints) == []
    page.get_by_label("Reason").fill("The workshop is over.")
    page.get_by_role("button", name="Decline").click()
    expect(page.locator(".messagelist li")).to_have_count(3)
    assert not AccessRequest.objects.pending().exists()


def test_pages_about_a_person_whose_mail_comes_back(
    page: Page, live_server: LiveServer, waiting: list[AccessRequest], complaints: list[str]
) -> None:
    enter(page.context, live_server.url)
    person = waiting[1].user_id
    for path in (f"accounts/user/{person}/change/", "accounts/user/?mail=back", QUEUE.removeprefix("/admin/")):
        page.goto(f"{live_server.url}/admin/{path}")
        assert hindered(page, complaints) == []
    page.goto(f"{live_server.url}{QUEUE}{waiting[1].pk}/change/")
    assert hindered(page, complaints) == []


def test_a_person_is_told_and_shows_that_the_address_works(
    page: Page, live_server: LiveServer, waiting: list[AccessRequest], complaints: list[str]
) -> None:
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("E-mail").fill("private@gmail.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("comes back, so we cannot reach you")).to_be_visible()
    assert hindered(page, complaints) == []
    page.get_by_role("link", name="Say whether the address works").click()
    assert hindered(page, complaints) == []
    page.get_by_role("button", name="Mail me a code").click()
    assert hindered(page, complaints) == []
    page.get_by_label("Code").fill(newest_code("private@gmail.com"))
    page.get_by_role("button", name="The code arrived").click()
    expect(page.get_by_text("private@gmail.com works.")).to_be_visible()


def test_the_profile_says_so(
    page: Page, live_server: LiveServer, waiting: list[AccessRequest], complaints: list[str]
) -> None:
    client = Client()
    client.force_login(User.objects.get(email="private@gmail.com"))
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page.goto(f"{live_server.url}/accounts/profile/")
    assert hindered(page, complaints) == []
    expect(page.get_by_text("Our mail to you comes back")).to_be_visible()
