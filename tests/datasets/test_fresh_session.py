"""Signing asks again who it is when the session is not fresh, and loses nothing that was filled in."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Signature, User
from datasets.models import AccessGrant, Dataset
from tests.access import offered, publish_next
from tests.accounts.test_providers import ORCID_ID, Play, come_back, orcid, play
from tests.accounts.test_second_factors import code_of, with_app
from tests.datasets.test_access_views import agreement, filled
from tests.factories import PASSWORD, UserFactory
from tests.registrations import confirmed, sign_in
from tests.sessions import signed_in

__all__ = ["play"]

pytestmark = pytest.mark.django_db
# A minute more than a session is fresh.
STALE = 16 * 60


@pytest.fixture
def dataset() -> Dataset:
    return offered()


@pytest.fixture
def user() -> User:
    return UserFactory(name="Quiet Reader")


def send(client: Client, dataset: Dataset, **facts: Any) -> Any:
    return client.post(agreement(dataset), filled(dataset, **facts))


def is_signed(user: User) -> bool:
    return Signature.objects.filter(user=user).exists() or AccessGrant.objects.filter(user=user).exists()


def asked_at(answer: Any) -> str:
    assert answer.status_code == 302
    return urlsplit(answer["Location"]).path


def test_who_has_just_signed_in_signs_at_once(dataset: Dataset, client: Client) -> None:
    user = UserFactory(name="Quiet Reader", email="quiet@example.org")
    sign_in(client, user.email, PASSWORD)

    assert send(client, dataset)["Location"] == f"/downloads/#{dataset.slug}"

    assert is_signed(user)


def test_who_has_just_registered_signs_at_once(dataset: Dataset, client: Client) -> None:
    confirmed(client)

    assert send(client, dataset)["Location"] == f"/downloads/#{dataset.slug}"


def test_a_session_that_was_left_open_is_asked_for_the_password_and_nothing_is_signed(
    dataset: Dataset, user: User
) -> None:
    client = signed_in(user, ago=STALE)

    answer = send(client, dataset)

    assert asked_at(answer) == reverse("account_reauthenticate")
    assert parse_qs(urlsplit(answer["Location"]).query) == {"next": [agreement(dataset)]}
    assert not is_signed(user)
    assert "until then nothing is recorded" in client.get(answer["Location"]).content.decode()


def test_the_right_password_signs_with_what_was_filled_in(dataset: Dataset, user: User) -> None:
    client = signed_in(user, ago=STALE)
    asked = send(client, dataset, typed_name="quiet  READER")["Location"]

    answer = client.post(asked, {"password": PASSWORD, "next": agreement(dataset)})

    assert answer["Location"] == f"/downloads/#{dataset.slug}"
    signature = Signature.objects.get(user=user)
    assert signature.typed_name == "quiet READER"
    assert signature.statements == signature.version.statements
    assert "You signed version 1." in client.get(answer["Location"]).content.decode()


def test_a_wrong_password_signs_nothing_and_the_right_one_after_it_does(dataset: Dataset, user: User) -> None:
    client = signed_in(user, ago=STALE)
    asked = send(client, dataset)["Location"]

    wrong = client.post(asked, {"password": "not the password", "next": agreement(dataset)})

    assert wrong.status_code == 200
    assert "This is not your password" in wrong.content.decode()
    assert not is_signed(user)
    client.post(asked, {"password": PASSWORD, "next": agreement(dataset)})
    assert is_signed(user)


def test_who_only_looks_again_instead_signs_nothing(dataset: Dataset, user: User) -> None:
    client = signed_in(user, ago=STALE)
    send(client, dataset)

    assert client.get(agreement(dataset)).status_code == 200

    assert not is_signed(user)


def test_an_authenticator_app_does_as_well(dataset: Dataset, user: User) -> None:
    secret = with_app(user)
    client = signed_in(user, ago=STALE)
    page = client.get(send(client, dataset)["Location"]).content.decode()
    other = f"{reverse('mfa_reauthenticate')}?next={agreement(dataset).replace('/', '%2F')}"
    assert other in page

    client.post(other, {"code": "000000", "next": agreement(dataset)})
    assert not is_signed(user)
    client.post(other, {"code": code_of(secret), "next": agreement(dataset)})

    assert is_signed(user)


def test_who_has_no_password_but_an_app_is_asked_for_its_code(dataset: Dataset, user: User) -> None:
    user.set_unusable_password()
    user.save()
    secret = with_app(user)
    client = signed_in(user, ago=STALE)

    asked = send(client, dataset)["Location"]

    assert urlsplit(asked).path == reverse("mfa_reauthenticate")
    client.post(asked, {"code": code_of(secret), "next": agreement(dataset)})
    assert is_signed(user)


def test_who_has_a_passkey_alone_is_asked_for_it(dataset: Dataset, user: User) -> None:
    user.set_unusable_password()
    user.save()
    Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop", "credential": {}})

    answer = send(signed_in(user, ago=STALE), dataset)

    assert asked_at(answer) == reverse("mfa_reauthenticate_webauthn")
    assert not is_signed(user)


def test_a_form_that_is_not_whole_is_corrected_before_anybody_is_asked(dataset: Dataset, user: User) -> None:
    client = signed_in(user, ago=STALE)

    answer = send(client, dataset, statements=[])

    assert answer.status_code == 200
    assert "Tick every statement" in answer.content.decode()


def test_a_version_that_was_published_meanwhile_is_not_signed(dataset: Dataset, user: User) -> None:
    client = signed_in(user, ago=STALE)
    asked = send(client, dataset)["Location"]
    publish_next(dataset)

    answer = client.post(asked, {"password": PASSWORD, "next": agreement(dataset)}, follow=True)

    assert "Version 2 of the agreement was published while you read" in answer.content.decode()
    assert not is_signed(user)


# Who comes in through a provider alone ------------------------------------------------------------------------------


@pytest.fixture
def provided(user: User) -> User:
    user.set_unusable_password()
    user.save()
    SocialAccount.objects.create(user=user, provider="orcid", uid=ORCID_ID)
    return user


def test_a_provider_is_asked_again_and_then_the_signature_is_given(
    dataset: Dataset, provided: User, play: Play
) -> None:
    orcid(play)
    client = signed_in(provided, ago=STALE)
    asked = send(client, dataset)["Location"]
    assert urlsplit(asked).path == reverse("sign_in_again")
    page = client.get(asked).content.decode()
    assert "Sign in with ORCID" in page
    assert "/accounts/orcid/login/?" in page
    assert not is_signed(provided)

    come_back(client, "orcid")
    send(client, dataset)

    assert is_signed(provided)


def test_without_its_provider_there_is_still_a_way(dataset: Dataset, provided: User, settings: Settings) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {}
    client = signed_in(provided, ago=STALE)

    page = client.get(send(client, dataset)["Location"]).content.decode()

    assert "is not offered any more" in page
    assert reverse("account_set_password") in page


def test_the_page_that_asks_again_leads_nowhere_else(provided: User) -> None:
    client = signed_in(provided)

    page = client.get(reverse("sign_in_again"), {"next": "https://example.org/"}).content.decode()

    assert "https://example.org/" not in page
    assert Client().get(reverse("sign_in_again")).status_code == 302
