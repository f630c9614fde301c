"""Second factors, and that no maintainer reaches the admin without one."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.test import Client
from django.urls import get_script_prefix, set_script_prefix
from pytest_django import Settings

from accounts.models import User
from tests.factories import PASSWORD, StaffFactory, UserFactory
from tests.letters import text_of
from tests.maintainers import maintainer
from tests.registrations import is_signed_in, mails, read, sign_in, templates

pytestmark = pytest.mark.django_db
ADMIN = "/admin/"
EMAIL = "quiet@example.org"


def code_of(secret: str, later: int = 0) -> str:
    """The code of now, or of so many periods later."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + later))


def with_app(user: User) -> str:
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def reauthenticated(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert client.post(answer["Location"], {"password": PASSWORD})["Location"] == address


@pytest.fixture
def quiet(client: Client) -> User:
    user = UserFactory(email=EMAIL)
    sign_in(client, EMAIL, PASSWORD)
    return user


# The admin --------------------------------------------------------------------------------------------------


def test_a_maintainer_without_a_second_factor_is_led_to_set_one_up(client: Client) -> None:
    StaffFactory(email=EMAIL)
    sign_in(client, EMAIL, PASSWORD)
    for address in (ADMIN, "/admin/accounts/user/", "/admin/accounts/user/add/", "/admin/nowhere/"):
        answer = client.get(address)
        assert answer["Location"] == "/accounts/2fa/"
    page = client.get("/accounts/2fa/").content.decode()
    assert "Maintainers sign in with a second factor" in page
    assert "/accounts/2fa/totp/activate/" in page


def test_setting_up_an_app_opens_the_admin_after_its_code(
    client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    StaffFactory(email=EMAIL)
    sign_in(client, EMAIL, PASSWORD)
    activate = "/accounts/2fa/totp/activate/"
    reauthenticated(client, activate)
    (secret,) = re.findall(r"<code>([A-Z2-7]{32})</code>", client.get(activate).content.decode())
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(activate, {"code": code_of(secret)})["Location"] == "/accounts/2fa/recovery-codes/"
    assert templates() == ["totp_activated"]

    answer = client.get(ADMIN)
    assert urlsplit(answer["Location"]).path == "/accounts/2fa/reauthenticate/"
    assert parse_qs(urlsplit(answer["Location"]).query) == {"next": [ADMIN]}
    forget_used_codes()
    assert client.post(answer["Location"], {"code": code_of(secret)})["Location"] == ADMIN
    assert client.get(ADMIN).status_code == 200


def forget_used_codes() -> None:
    """A code works once; the next one would take half a minute to wait for."""
    cache.clear()


def test_a_maintainer_signs_in_with_password_and_code_and_is_let_in(client: Client) -> None:
    secret = with_app(StaffFactory(email=EMAIL))
    assert sign_in(client, EMAIL, PASSWORD)["Location"] == "/accounts/2fa/authenticate/"
    assert client.get(ADMIN).status_code == 302
    client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})
    assert client.get(ADMIN).status_code == 200


def test_the_admins_own_doors_lead_to_the_house_doors(client: Client) -> None:
    user = StaffFactory(email=EMAIL)
    with_app(user)
    answer = client.get(ADMIN)
    assert answer["Location"] == "/admin/login/?next=/admin/"
    assert client.get(answer["Location"])["Location"] == "/accounts/login/?next=/admin/"
    form = {"username": EMAIL, "password": PASSWORD, "next": ADMIN}
    assert client.post("/admin/login/", form)["Location"].startswith("/accounts/login/")
    assert not is_signed_in(client)
    maintainer(client, email="other@example.org")
    assert client.get("/admin/password_change/")["Location"] == "/accounts/password/change/"


def test_a_prefix_of_the_site_does_not_open_the_admin(client: Client, settings: Settings) -> None:
    """As behind a proxy that serves the site below /portal/: addresses have the prefix, what is asked has not."""
    StaffFactory(email=EMAIL)
    sign_in(client, EMAIL, PASSWORD)
    before = get_script_prefix()
    settings.FORCE_SCRIPT_NAME = "/portal"
    set_script_prefix("/portal/")
    try:
        behind = Client()
        behind.cookies = client.cookies
        for address in (ADMIN, "/admin/accounts/user/", "/admin/nowhere/"):
            assert behind.get(address)["Location"] == "/portal/accounts/2fa/"
    finally:
        set_script_prefix(before)


def test_a_researcher_is_not_led_round_in_circles(client: Client, quiet: User) -> None:
    assert client.get(ADMIN).status_code == 403
    assert client.get("/admin/login/?next=/admin/").status_code == 403


def test_a_session_from_before_the_second_factor_must_show_it(client: Client) -> None:
    user = StaffFactory(email=EMAIL)
    client.force_login(user)
    with_app(user)
    assert client.get(ADMIN)["Location"].startswith("/accounts/2fa/reauthenticate/")


# App and recovery codes -------------------------------------------------------------------------------------


def test_the_page_draws_the_secret_as_a_picture_in_the_page(client: Client, quiet: User) -> None:
    reauthenticated(client, "/accounts/2fa/totp/activate/")
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    assert '<svg role="img" aria-label="QR code of the secret below"' in page
    assert "data:image" not in page


def test_a_wrong_app_code_is_refused_with_a_way_on(client: Client) -> None:
    with_app(UserFactory(email=EMAIL))
    sign_in(client, EMAIL, PASSWORD)
    page = client.post("/accounts/2fa/authenticate/", {"code": "000000"}).content.decode()
    assert "take the newest" in page
    assert "recovery code" in page
    assert not is_signed_in(client)


def test_five_wrong_app_codes_make_even_the_right_one_wait(client: Client) -> None:
    secret = with_app(UserFactory(email=EMAIL))
    sign_in(client, EMAIL, PASSWORD)
    for _ in range(5):
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert "Wait five minutes" in client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)}).content.decode()
    assert not is_signed_in(client)


@pytest.fixture
def own_clock(settings: Settings) -> Iterator[time_machine.Traveller]:
    """A clock that stands still until it is moved, also for what is cached."""
    settings.CACHES = settings.CACHES | {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    with time_machine.travel(datetime(2026, 11, 12, 8, 30, tzinfo=UTC), tick=False) as clock:
        yield clock


def enters_with(code: str) -> bool:
    client = Client()
    sign_in(client, EMAIL, PASSWORD)
    client.post("/accounts/2fa/authenticate/", {"code": code})
    return is_signed_in(client)


def test_a_used_app_code_is_refused_for_as_long_as_it_would_be_accepted(own_clock: time_machine.Traveller) -> None:
    secret = with_app(UserFactory(email=EMAIL))
    # Of an app that is half a minute early: such a code would be taken for ninety seconds.
    code = code_of(secret, later=1)
    assert enters_with(code)
    for _ in range(8):
        own_clock.shift(11)
        assert not enters_with(f"{code[:3]} {code[3:]}")
    assert enters_with(code_of(secret))


def test_the_code_that_set_up_an_app_does_not_sign_in(client: Client, quiet: User) -> None:
    activate = "/accounts/2fa/totp/activate/"
    reauthenticated(client, activate)
    (secret,) = re.findall(r"<code>([A-Z2-7]{32})</code>", client.get(activate).content.decode())
    code = code_of(secret)
    client.post(activate, {"code": code})
    assert not enters_with(code)
    assert enters_with(code_of(secret, later=1))


def test_a_recovery_code_works_once(client: Client) -> None:
    user = UserFactory(email=EMAIL)
    with_app(user)
    code = RecoveryCodes.activate(user).get_unused_codes()[0]
    sign_in(client, EMAIL, PASSWORD)
    client.post("/accounts/2fa/authenticate/", {"code": code})
    assert is_signed_in(client)
    again = Client()
    sign_in(again, EMAIL, PASSWORD)
    again.post("/accounts/2fa/authenticate/", {"code": code})
    assert not is_signed_in(again)


def test_recovery_codes_are_shown_only_after_the_password(client: Client, quiet: User) -> None:
    with_app(quiet)
    codes = RecoveryCodes.activate(quiet).get_unused_codes()
    address = "/accounts/2fa/recovery-codes/"
    reauthenticated(client, address)
    page = client.get(address).content.decode()
    assert all(code in page for code in codes)
    download = client.get(address + "download/")
    assert codes[0] in download.content.decode()
    assert "Kspace Portal, http" in download.content.decode()


def test_removing_the_app_is_told(client: Client, quiet: User) -> None:
    with_app(quiet)
    address = "/accounts/2fa/totp/deactivate/"
    reauthenticated(client, address)
    assert client.post(address)["Location"] == "/accounts/2fa/"
    assert not Authenticator.objects.exists()
    (mail,) = mails()
    assert "authenticator app of your account was removed" in text_of(read(mail)).replace("\n", " ")


# Passkeys ---------------------------------------------------------------------------------------------------

HOSTILE = [
    "",
    "null",
    "[]",
    "5",
    '"text"',
    "{}",
    "{",
    "nonsense",
    json.dumps({"id": "x", "rawId": "x", "type": "public-key", "response": 5}),
    json.dumps({"id": "x", "rawId": "x", "type": "public-key", "response": {}}),
    json.dumps({"id": [], "rawId": {}, "type": 1, "response": {"clientDataJSON": "!!", "authenticatorData": "é"}}),
    json.dumps(
        {
            "id": "AAAA",
            "rawId": "AAAA",
            "type": "public-key",
            "response": {
                "clientDataJSON": "e30",
                "authenticatorData": "AAAA",
                "attestationObject": "AAAA",
                "signature": "AAAA",
                "userHandle": "é",
            },
        }
    ),
    json.dumps(
        {
            "id": "AAAA",
            "rawId": "AAAA",
            "type": "public-key",
            "response": {
                "clientDataJSON": "eyJ0eXBlIjoieCIsImNoYWxsZW5nZSI6IkEiLCJvcmlnaW4iOiJ4In0",
                "authenticatorData": "A" * 50,
                "attestationObject": "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YUA",
                "signature": "AAAA",
                "userHandle": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
            },
        }
    ),
]


@pytest.mark.parametrize("credential", HOSTILE)
def test_a_hostile_passkey_is_refused(client: Client, quiet: User, credential: str) -> None:
    stranger = Client()
    stranger.get("/accounts/2fa/webauthn/login/", headers={"accept": "application/json"})
    assert stranger.post("/accounts/2fa/webauthn/login/", {"credential": credential}).status_code == 302
    assert not is_signed_in(stranger)

    address = "/accounts/2fa/webauthn/add/"
    reauthenticated(client, address)
    client.get(address)
    assert client.post(address, {"name": "x", "credential": credential}).status_code == 200
    assert not Authenticator.objects.exists()
