"""Signing in with ORCID, GitHub and Google, where they are configured. The provider's own pages are not ours: what
it answers to our server is played here."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from pytest_django import Settings

from accounts.adapter import ProviderAdapter
from accounts.models import User
from tests.factories import PASSWORD, UserFactory
from tests.registrations import ANSWERS, CONFIRM, LOGIN, SIGNUP, confirm, is_signed_in, newest_code, sign_in, templates

pytestmark = pytest.mark.django_db
ORCID_ID = "0000-0002-1825-0097"
RECORD = {
    "orcid-identifier": {"path": ORCID_ID, "uri": f"https://orcid.org/{ORCID_ID}"},
    "person": {"name": {"given-names": {"value": "Quiet"}, "family-name": {"value": "Reader"}}},
    "activities-summary": {"works": "a long list"},
}


class Provider(requests.Session):
    """Answers as the provider's servers do."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__()
        self.answers = answers

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        answer = next(value for part, value in self.answers.items() if part in url)
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code = 200
        response.headers["content-type"] = "application/json"
        if isinstance(answer, int):
            response.status_code = answer
            response._content = b"<h1>Down</h1>"
        else:
            response.json = lambda **_: answer  # type: ignore[method-assign]
            response._content = b"{}"
        return response


Play = Callable[..., None]


@pytest.fixture
def play(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Configure a provider and play what it answers, by parts of addresses."""

    def playing(provider: str, **answers: Any) -> None:
        settings.SOCIALACCOUNT_PROVIDERS = {provider: {"APPS": [{"client_id": "our-id", "secret": "our-secret"}]}}
        monkeypatch.setattr(ProviderAdapter, "get_requests_session", lambda _self: Provider(answers))

    return playing


def come_back(client: Client, provider: str) -> Any:
    """Go to the provider and come back with its code."""
    gone = client.post(f"/accounts/{provider}/login/")
    state = parse_qs(urlsplit(gone["Location"]).query)["state"][0]
    callback = "/accounts/google/login/callback/" if provider == "google" else f"/accounts/{provider}/login/callback/"
    return client.get(callback, {"code": "a-code", "state": state})


def orcid(play: Play) -> None:
    play("orcid", token={"access_token": "t", "orcid": ORCID_ID}, record=RECORD)


def test_providers_are_offered_only_when_configured(client: Client, settings: Settings) -> None:
    for address in (LOGIN, SIGNUP):
        assert "ORCID" not in client.get(address).content.decode().upper()
    settings.SOCIALACCOUNT_PROVIDERS = {"orcid": {"APPS": [{"client_id": "our-id", "secret": "our-secret"}]}}
    for address in (LOGIN, SIGNUP):
        page = client.get(address).content.decode()
        assert 'action="/accounts/orcid/login/' in page
        assert "github" not in page.lower()


def test_a_provider_that_is_not_configured_is_no_page(client: Client) -> None:
    for address in ("/accounts/orcid/login/", "/accounts/github/login/callback/?code=x", "/accounts/google/login/"):
        assert client.get(address).status_code == 404
        assert client.post(address).status_code == 404


def test_a_link_to_a_provider_asks_before_it_leads_there(client: Client, play: Play) -> None:
    orcid(play)
    page = client.get("/accounts/orcid/login/")
    assert page.status_code == 200
    assert "Go to" in page.content.decode()


def test_orcid_gives_no_address_so_it_is_asked_for_and_confirmed(client: Client, play: Play) -> None:
    orcid(play)
    assert come_back(client, "orcid")["Location"] == "/accounts/3rdparty/signup/"
    page = client.get("/accounts/3rdparty/signup/").content.decode()
    assert 'value="Quiet Reader"' in page
    assert "password" not in page.lower().replace("one-time", "")

    answer = client.post("/accounts/3rdparty/signup/", {"email": "quiet@example.org", **ANSWERS})

    assert answer["Location"] == CONFIRM
    assert not is_signed_in(client)
    confirm(client, newest_code())
    assert is_signed_in(client)
    user = User.objects.get()
    assert user.profile_is_complete
    assert not user.has_usable_password()
    assert SocialAccount.objects.get().uid == ORCID_ID
    assert SocialAccount.objects.get().extra_data == {}


def test_who_registered_with_orcid_signs_in_with_it(client: Client, play: Play) -> None:
    user = UserFactory(email="quiet@example.org")
    SocialAccount.objects.create(user=user, provider="orcid", uid=ORCID_ID)
    orcid(play)
    assert come_back(client, "orcid")["Location"] == "/downloads/"
    assert is_signed_in(client)
    assert SocialAccount.objects.get().extra_data == {}


def test_an_address_that_the_provider_confirmed_needs_no_code(client: Client, play: Play) -> None:
    emails = [{"email": "quiet@example.org", "primary": True, "verified": True}]
    play(
        "github",
        access_token={"access_token": "t"},
        **{"user/emails": emails, "user": {"id": 7, "login": "quiet", "name": "Quiet Reader"}},
    )
    assert come_back(client, "github")["Location"] == "/accounts/3rdparty/signup/"
    page = client.get("/accounts/3rdparty/signup/").content.decode()
    assert 'value="quiet@example.org"' in page
    client.post("/accounts/3rdparty/signup/", {"email": "quiet@example.org", **ANSWERS})
    assert is_signed_in(client)
    assert EmailAddress.objects.get().verified


def test_another_address_than_the_confirmed_one_needs_its_code(client: Client, play: Play) -> None:
    emails = [{"email": "quiet@example.org", "primary": True, "verified": True}]
    play(
        "github",
        access_token={"access_token": "t"},
        **{"user/emails": emails, "user": {"id": 7, "login": "quiet", "name": "Quiet Reader"}},
    )
    come_back(client, "github")
    client.post("/accounts/3rdparty/signup/", {"email": "other@example.org", **ANSWERS})
    user = User.objects.get()
    assert not EmailAddress.objects.filter(user=user, email="other@example.org", verified=True).exists()


def test_an_address_that_has_an_account_is_not_taken_over(client: Client, play: Play) -> None:
    UserFactory(email="taken@example.org")
    orcid(play)
    come_back(client, "orcid")
    answer = client.post("/accounts/3rdparty/signup/", {"email": "taken@example.org", **ANSWERS})
    assert answer["Location"] == CONFIRM
    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()
    assert templates("taken@example.org") == ["account_already_exists"]


@pytest.mark.parametrize(
    "answers",
    [
        {"token": requests.ConnectionError("no answer")},
        {"token": requests.Timeout("slow")},
        {"token": 500},
        {"token": {"error": "invalid_grant"}},
        {"token": {"access_token": "t"}},
        {"token": {"access_token": "t", "orcid": ORCID_ID}, "record": 500},
        {"token": {"access_token": "t", "orcid": ORCID_ID}, "record": {"error-code": 9016}},
        {"token": {"access_token": "t", "orcid": ORCID_ID}, "record": {**RECORD, "person": None}},
    ],
)
def test_a_provider_that_answers_nonsense_leads_to_a_page_with_a_way_on(
    client: Client, play: Play, answers: dict[str, Any]
) -> None:
    play("orcid", **answers)
    answer = come_back(client, "orcid")
    assert answer.status_code in (302, 401)
    if answer.status_code == 401:
        assert LOGIN in answer.content.decode()
    assert not User.objects.exists()


def test_coming_back_without_having_gone_or_having_said_no_leads_on(client: Client, play: Play) -> None:
    orcid(play)
    assert client.get("/accounts/orcid/login/callback/?code=x&state=forged").status_code == 401
    gone = client.post("/accounts/orcid/login/")
    state = parse_qs(urlsplit(gone["Location"]).query)["state"][0]
    answer = client.get("/accounts/orcid/login/callback/", {"error": "access_denied", "state": state})
    assert answer["Location"] == "/accounts/3rdparty/login/cancelled/"
    assert LOGIN in client.get(answer["Location"]).content.decode()


def test_a_provider_is_connected_and_disconnected_after_the_password_and_both_are_told(
    client: Client, play: Play, django_capture_on_commit_callbacks: Any
) -> None:
    orcid(play)
    UserFactory(email="quiet@example.org")
    sign_in(client, "quiet@example.org", PASSWORD)
    gone = client.post("/accounts/orcid/login/?process=connect")
    state = parse_qs(urlsplit(gone["Location"]).query)["state"][0]
    answer = client.get("/accounts/orcid/login/callback/", {"code": "a-code", "state": state})
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert client.post(answer["Location"], {"password": PASSWORD})["Location"] == "/accounts/3rdparty/"
    account = SocialAccount.objects.get()
    assert "Remove it" in client.get("/accounts/3rdparty/").content.decode()
    client.post("/accounts/3rdparty/", {"account": account.pk})
    assert not SocialAccount.objects.exists()
    assert templates() == ["account_connected", "account_disconnected"]


def test_the_settings_offer_what_the_environment_names_and_let_forms_lead_there() -> None:
    """Chrome holds the redirect that follows a form against form-action, so a provider's site must be in it."""
    told = (
        "import json, portal.settings.base as s; print(json.dumps([list(s.SOCIALACCOUNT_PROVIDERS), s.FORMS_LEAD_TO]))"
    )
    environment = {**os.environ, "ORCID_CLIENT": "APP-0123456789ABCDEF:a:secret", "GITHUB_CLIENT": ""}
    done = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [["orcid"], ["'self'", "https://orcid.org"]]
