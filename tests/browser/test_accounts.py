"""Accounts in a real browser: passkeys on a device that Chromium plays, and every page as axe sees it."""

import re

import pytest
from allauth.mfa.models import Authenticator
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.factories import PASSWORD, SignatureFactory, StaffFactory, UserFactory
from tests.registrations import CONFIRM, LOGIN, RESET, SIGNUP, newest_code

pytestmark = pytest.mark.django_db(transaction=True)
EMAIL = "quiet@example.org"
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def site(live_server: LiveServer) -> str:
    """The site by its name: passkeys are made for names, not for 127.0.0.1."""
    return live_server.url.replace("127.0.0.1", "localhost")


def sign_in(page: Page, site: str) -> None:
    page.goto(site + LOGIN)
    page.fill("#id_login", EMAIL)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_load_state()


def reauthenticate(page: Page, address: str) -> None:
    page.goto(address)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_load_state()


def give_device(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})


def make_passkey(page: Page, site: str, *, alone: bool) -> None:
    reauthenticate(page, site + "/accounts/2fa/webauthn/add/")
    page.fill("#id_name", "Laptop")
    page.set_checked("#id_passwordless", alone)
    page.get_by_role("button", name="Make the passkey").click()
    page.wait_for_url(re.compile(r"/accounts/2fa/(recovery-codes/)?$"))


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_load_state()


def test_a_passkey_signs_in_alone(page: Page, site: str) -> None:
    UserFactory(email=EMAIL, name="Quiet Reader")
    sign_in(page, site)
    give_device(page)
    make_passkey(page, site, alone=True)
    assert Authenticator.objects.filter(type=Authenticator.Type.WEBAUTHN).count() == 1
    sign_out(page)

    page.goto(site + LOGIN)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/downloads/")
    expect(page.get_by_role("link", name="Quiet Reader")).to_be_visible()


def test_a_passkey_is_a_maintainers_second_factor(page: Page, site: str) -> None:
    StaffFactory(email=EMAIL)
    sign_in(page, site)
    give_device(page)
    make_passkey(page, site, alone=False)
    sign_out(page)

    sign_in(page, site)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/downloads/")
    page.goto(site + "/admin/")
    expect(page).to_have_url(site + "/admin/")


def test_a_passkey_that_the_device_refuses_is_said(page: Page, site: str) -> None:
    page.goto(site + LOGIN)
    give_device(page)
    expect(page.get_by_text("The passkey was not used")).to_be_hidden()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("The passkey was not used")).to_be_visible()


def test_passkeys_are_not_offered_where_the_site_has_no_name(page: Page, live_server: LiveServer) -> None:
    page.goto(live_server.url.replace("localhost", "127.0.0.1") + LOGIN)
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()


def test_a_form_leads_to_a_configured_provider_under_the_policy(page: Page, site: str, settings: Settings) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {"orcid": {"APPS": [{"client_id": "our-id", "secret": "our-secret"}]}}
    directives = {**settings.CONTENT_SECURITY_POLICY["DIRECTIVES"], "form-action": ["'self'", "https://orcid.org"]}
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": directives}
    page.route("https://orcid.org/**", lambda route: route.fulfill(body="Is it you?"))
    page.goto(site + LOGIN)
    page.get_by_role("button", name="ORCID").click()
    page.wait_for_url("https://orcid.org/oauth/authorize?**")


def findings(page: Page) -> list[str]:
    results = Axe().run(page).response["violations"]
    found = [f"{page.url}: {found['id']} at {found['nodes'][0]['target']}" for found in results]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"{page.url}: scrolls sideways")
    return found


def seen(page: Page) -> list[str]:
    """What is wrong with this page, in both schemes, wide and narrow."""
    page.wait_for_load_state()
    found = []
    for scheme, width in (("light", 1280), ("dark", 375)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        found += findings(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    return found


def test_nothing_hinders_anybody_on_the_way_in(page: Page, site: str) -> None:
    found = []
    page.goto(site + SIGNUP)
    page.get_by_role("button", name="Send me a code").click()
    found += seen(page)
    page.fill("#id_email", EMAIL)
    page.fill("#id_name", "Quiet Reader")
    page.fill("#id_institution", "Accra Institute of Imaging")
    page.select_option("#id_country", "GH")
    page.check("#id_position_0")
    page.fill("#id_research_purpose", "Where do reconstructions of undersampled knees fail? " * 3)
    page.fill("#id_password1", PASSWORD)
    page.get_by_role("button", name="Send me a code").click()
    page.wait_for_url("**" + CONFIRM)
    found += seen(page)
    page.fill("#id_code", "1")
    page.get_by_role("button", name="Confirm my address").click()
    found += seen(page)
    page.fill("#id_code", newest_code(EMAIL))
    page.get_by_role("button", name="Confirm my address").click()
    page.wait_for_url("**/downloads/")
    sign_out(page)
    for address in (LOGIN, RESET, "/accounts/inactive/", "/accounts/3rdparty/login/cancelled/"):
        page.goto(site + address)
        found += seen(page)
    assert found == []


def test_nothing_hinders_anybody_inside(page: Page, site: str) -> None:
    SignatureFactory(user=UserFactory(email=EMAIL))
    sign_in(page, site)
    give_device(page)
    found = []
    page.goto(site + "/accounts/2fa/totp/activate/")
    found += seen(page)
    make_passkey(page, site, alone=True)
    for address in (
        "profile/",
        "profile/delete/",
        "deleted/",
        "email/",
        "password/change/",
        "logout/",
        "3rdparty/",
        "2fa/",
        "2fa/totp/activate/",
        "2fa/recovery-codes/",
        "2fa/recovery-codes/generate/",
        "2fa/webauthn/",
        "2fa/webauthn/add/",
        f"2fa/webauthn/keys/{Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN).pk}/edit/",
        f"2fa/webauthn/keys/{Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN).pk}/remove/",
        "2fa/webauthn/reauthenticate/",
    ):
        page.goto(site + "/accounts/" + address)
        found += seen(page)
    assert found == []
