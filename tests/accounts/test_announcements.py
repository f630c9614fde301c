"""Announcements are stopped on the profile, and by the link in a mail, which needs no session."""

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.services.announcements import person_of, token_of, unsubscribe, unsubscribe_address
from tests.factories import UserFactory
from tests.sessions import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return UserFactory()


def path(user: User) -> str:
    return f"/unsubscribe/{token_of(user)}/"


def is_unsubscribed(user: User) -> bool:
    user.refresh_from_db()
    return user.unsubscribed_at is not None


def test_opening_the_link_stops_nothing_and_its_button_does(user: User) -> None:
    # Mail scanners open every link, and nobody is signed in.
    browser = Client(enforce_csrf_checks=True)
    page = browser.get(path(user))
    assert page.status_code == 200
    assert user.email not in page.content.decode()
    assert not is_unsubscribed(user)

    page = browser.post(path(user))

    assert "Announcements are stopped" in page.content.decode()
    assert is_unsubscribed(user)


def test_one_click_of_a_mail_program_is_answered_without_a_redirect(user: User) -> None:
    program = Client(enforce_csrf_checks=True)
    answer = program.post(
        path(user), "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded", HTTP_COOKIE=""
    )
    assert answer.status_code == 200
    assert not answer.cookies
    assert is_unsubscribed(user)


def test_a_second_click_keeps_the_first_ones_time_and_it_can_be_undone(user: User) -> None:
    browser = Client()
    browser.post(path(user))
    user.refresh_from_db()
    first = user.unsubscribed_at
    browser.post(path(user))
    user.refresh_from_db()
    assert user.unsubscribed_at == first

    page = browser.post(path(user), {"again": "yes"})

    assert "Announcements come again" in page.content.decode()
    assert not is_unsubscribed(user)


def test_a_link_of_another_or_a_damaged_one_does_nothing(user: User) -> None:
    token, other = token_of(user), token_of(UserFactory())
    forged = [token[:11] + other[11:], token[:-1], token + "A", token[:-1] + "~", "0" * 32, token.swapcase()]
    for wrong in forged:
        page = Client().post(f"/unsubscribe/{wrong}/")
        assert page.status_code == 404, wrong
        assert "This link is not complete" in page.content.decode()
    assert not User.objects.exclude(unsubscribed_at=None).exists()


def test_links_outlive_a_key_that_is_replaced_and_end_with_it(user: User, settings: Settings) -> None:
    token, old = token_of(user), settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [old]
    assert person_of(token) == user
    settings.SECRET_KEY_FALLBACKS = []
    assert person_of(token) is None


def test_the_link_of_a_deleted_account_is_nobodys(user: User) -> None:
    User.objects.filter(pk=user.pk).update(email="deleted-00@deleted.invalid")
    assert Client().post(path(user)).status_code == 404


def test_a_link_is_short_enough_for_a_mail(user: User, settings: Settings) -> None:
    settings.SITE_URL = "https://data.radiology.university.example.org"
    assert len(unsubscribe_address(user)) < 100


def test_on_the_profile_they_are_stopped_and_sent_again(user: User) -> None:
    browser = signed_in(user)
    assert "Send me no announcements" in browser.get("/accounts/profile/").content.decode()

    page = browser.post("/accounts/profile/announcements/", follow=True).content.decode()
    assert "You get none since" in page
    assert is_unsubscribed(user)

    browser.post("/accounts/profile/announcements/", {"again": "yes"})
    assert not is_unsubscribed(user)


def test_only_who_is_signed_in_stops_them_on_the_profile(user: User) -> None:
    answer = Client().post("/accounts/profile/announcements/")
    assert answer.status_code == 302
    assert "/accounts/login/" in answer["Location"]


def test_my_data_says_since_when(user: User) -> None:
    unsubscribe(user)
    user.refresh_from_db()
    exported = signed_in(user).get("/accounts/my-data.json").json()
    assert exported["account"]["unsubscribed_from_announcements"] is not None
