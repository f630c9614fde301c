"""Every page below /accounts/ is a page of the house: own template, nothing inline, a way on."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from tests.factories import PASSWORD, StaffFactory, UserFactory
from tests.registrations import CONFIRM, RESET, SIGNUP, newest_code, register, sign_in

pytestmark = pytest.mark.django_db
EMAIL = "quiet@example.org"
HOUSE = Path(settings.ROOT, "templates")
REGISTERED_KEY = {"name": "Passkey 1", "credential": {}}


def addresses() -> Iterator[str]:
    """All of /accounts/, with 1 where a number belongs."""

    def walk(resolver: URLResolver, before: str) -> Iterator[str]:
        for part in resolver.url_patterns:
            address = before + re.sub(r"<int:\w+>", "1", str(part.pattern))
            if isinstance(part, URLResolver):
                yield from walk(part, address)
            elif isinstance(part, URLPattern):
                yield "/" + address

    return (address for address in walk(get_resolver(), "") if address.startswith("/accounts/"))


ADDRESSES = sorted(set(addresses()))


def faults(page: Any) -> list[str]:
    html = page.content.decode()
    body = html[html.index("<main") : html.index("</main>")]
    scripts = re.findall(r"<script\b([^>]*)>", html)
    found = [
        f"inline script: {script}" for script in scripts if "src=" not in script and "application/json" not in script
    ]
    found += [f"inline style: {style}" for style in re.findall(r'<style|\sstyle="[^"]*"', html)]
    found += [f"inline handler: {handler}" for handler in re.findall(r'\son\w+="', html)]
    found += [f"foreign: {source}" for source in re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', html)]
    if not re.search(r"<a [^>]*href|<button", body):
        found.append("no way on")
    if html.count("<h1") != 1:
        found.append(f"{html.count('<h1')} headings")
    own = page.templates[0].origin.name
    if not Path(own).is_relative_to(HOUSE):
        found.append(f"not ours: {own}")
    return found


def check_all(client: Client, *, at_least: int) -> None:
    pages = {address: client.get(address) for address in ADDRESSES}
    shown = {
        address: page for address, page in pages.items() if page.status_code == 200 and "html" in page["Content-Type"]
    }
    assert {address: page.status_code for address, page in pages.items() if page.status_code >= 500} == {}
    assert {address: faults(page) for address, page in shown.items() if faults(page)} == {}
    assert len(shown) >= at_least, sorted(shown)


@pytest.fixture(autouse=True)
def _providers(settings: Settings) -> None:
    client = {"APPS": [{"client_id": "our-id", "secret": "our-secret"}]}
    settings.SOCIALACCOUNT_PROVIDERS = {"orcid": client, "github": client, "google": client}


def test_the_pages_of_a_stranger(client: Client) -> None:
    check_all(client, at_least=9)


def test_the_pages_of_somebody_who_registers(client: Client) -> None:
    register(client)
    assert faults(client.get(CONFIRM)) == []
    assert faults(client.post(CONFIRM, {"code": "1"})) == []
    assert faults(client.post(CONFIRM, {"action": "change", "email": "nonsense"})) == []
    assert faults(Client().post(SIGNUP, {})) == []


def test_the_pages_of_somebody_who_forgot_the_password(client: Client) -> None:
    UserFactory(email=EMAIL)
    client.post(RESET, {"email": EMAIL})
    code = newest_code()
    assert faults(client.post("/accounts/password/reset/confirm/", {"code": "1"})) == []
    client.post("/accounts/password/reset/confirm/", {"code": code})
    assert faults(client.post("/accounts/password/reset/complete/", {"password1": "short"})) == []


def test_the_pages_of_somebody_with_a_password_only(client: Client) -> None:
    UserFactory(email=EMAIL)
    sign_in(client, EMAIL, PASSWORD)
    check_all(client, at_least=10)


def test_the_pages_of_a_maintainer_with_every_second_factor(client: Client) -> None:
    user = StaffFactory(email=EMAIL)
    sign_in(client, EMAIL, PASSWORD)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    TOTP.activate(user, generate_totp_secret())
    RecoveryCodes.activate(user)
    key = Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data=REGISTERED_KEY)
    pages = [address for address in ADDRESSES if "webauthn/add" not in address and "webauthn/reauth" not in address]
    for address in (address.replace("/keys/1/", f"/keys/{key.pk}/") for address in pages):
        page = client.get(address)
        assert page.status_code < 500, address
        if page.status_code == 200 and "html" in page["Content-Type"]:
            assert faults(page) == [], address


def test_the_page_for_the_second_factor_at_sign_in(client: Client) -> None:
    TOTP.activate(UserFactory(email=EMAIL), generate_totp_secret())
    sign_in(client, EMAIL, PASSWORD)
    assert faults(client.get("/accounts/2fa/authenticate/")) == []
    assert faults(client.post("/accounts/2fa/authenticate/", {"code": "1"})) == []


def test_the_passkey_pages_load_their_scripts_under_the_policy(client: Client) -> None:
    UserFactory(email=EMAIL)
    sign_in(client, EMAIL, PASSWORD)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/webauthn/add/")
    html = page.content.decode()
    for script in ("mfa/js/webauthn-json.js", "mfa/js/webauthn.js", "account/js/onload.js", "passkey.js"):
        assert f'<script src="/assets/{script}"></script>' in html
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert "unsafe" not in page["Content-Security-Policy"]


def test_accounts_alone_leads_to_the_profile(client: Client) -> None:
    assert client.get("/accounts/")["Location"] == "/accounts/profile/"
    assert client.get("/accounts/profile/")["Location"] == "/accounts/login/?next=/accounts/profile/"
