"""Signing in a session that was left open, in a real browser: with a passkey, with a password, through a provider."""

import pytest
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as site_settings
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import Signature, User
from datasets.models import Dataset
from tests.access import offered
from tests.browser.test_accounts import EMAIL, give_device, make_passkey, seen, sign_in, site
from tests.factories import PASSWORD, UserFactory
from tests.sessions import signed_in

__all__ = ["site"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user(live_server: LiveServer) -> User:
    return UserFactory(email=EMAIL, name="Quiet Reader")


@pytest.fixture
def dataset() -> Dataset:
    return offered()


def without_password(user: User) -> None:
    user.set_unusable_password()
    user.save()


def left_open(page: Page, site: str, user: User) -> None:
    """A session of this person whose sign-in was 16 minutes ago."""
    name = site_settings.SESSION_COOKIE_NAME
    session = signed_in(user, ago=16 * 60).cookies[name].value
    page.context.add_cookies([{"name": name, "value": session, "url": site}])


def sign(page: Page, site: str, dataset: Dataset) -> None:
    page.goto(f"{site}/datasets/{dataset.slug}/agreement/")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_label("Your full name, as your signature").fill("Quiet Reader")
    page.get_by_role("button", name="Sign version").click()
    page.wait_for_load_state()


def test_a_passkey_does_for_who_has_no_password(page: Page, site: str, user: User, dataset: Dataset) -> None:
    sign_in(page, site)
    give_device(page)
    make_passkey(page, site, alone=True)
    without_password(user)
    left_open(page, site, user)

    sign(page, site, dataset)
    assert not Signature.objects.exists()
    assert seen(page) == []
    # The recovery codes that came with the passkey are asked for first.
    page.get_by_role("link", name="A passkey").click()
    page.get_by_role("button", name="Use a passkey").click()

    page.wait_for_url("**/downloads/**")
    expect(page.get_by_text("You signed version 1.")).to_be_visible()
    assert Signature.objects.get().user == user


def test_a_wrong_password_is_said_and_the_right_one_goes_on(
    page: Page, site: str, user: User, dataset: Dataset
) -> None:
    left_open(page, site, user)

    sign(page, site, dataset)
    assert seen(page) == []
    page.fill("#id_password", "not the password")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("link", name="This is not your password")).to_be_visible()
    assert not Signature.objects.exists()
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Go on").click()

    page.wait_for_url("**/downloads/**")
    assert Signature.objects.get().user == user


def test_who_comes_through_a_provider_is_led_there_again(
    page: Page, site: str, user: User, dataset: Dataset, settings: Settings
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {"orcid": {"APPS": [{"client_id": "our-id", "secret": "our-secret"}]}}
    directives = {**settings.CONTENT_SECURITY_POLICY["DIRECTIVES"], "form-action": ["'self'", "https://orcid.org"]}
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": directives}
    page.route("https://orcid.org/**", lambda route: route.fulfill(body="Is it you?"))
    SocialAccount.objects.create(user=user, provider="orcid", uid="0000-0002-1825-0097")
    without_password(user)
    left_open(page, site, user)

    sign(page, site, dataset)
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    assert seen(page) == []
    page.get_by_role("button", name="Sign in with ORCID").click()

    page.wait_for_url("https://orcid.org/oauth/authorize?**")
    assert not Signature.objects.exists()
