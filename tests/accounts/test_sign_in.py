"""Signing in, resetting a password, changing it, changing the address, signing out."""

from functools import partial
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.factories import PASSWORD, UserFactory
from tests.letters import text_of
from tests.registrations import (
    CONFIRM,
    LOGIN,
    RESET,
    RESET_CODE,
    RESET_PASSWORD,
    code_in,
    confirm,
    is_signed_in,
    mails,
    newest_code,
    read,
    sign_in,
    templates,
    wrong,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db
EMAIL = "quiet@example.org"
NEW_PASSWORD = "seven grey geese at dawn"


@pytest.fixture
def quiet() -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def signed_in(client: Client, quiet: User) -> Client:
    sign_in(client, EMAIL, PASSWORD)
    return client


def reauthenticate(client: Client, answer: Any) -> Any:
    """Follow to the page that asks for the password once more, and give it."""
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    return client.post(answer["Location"], {"password": PASSWORD})


def test_the_right_password_signs_in(client: Client, quiet: User) -> None:
    assert sign_in(client, EMAIL.upper(), PASSWORD)["Location"] == "/downloads/"
    assert is_signed_in(client)


def test_signing_in_leads_to_the_page_that_was_wanted_and_nowhere_else(client: Client, quiet: User) -> None:
    answer = client.post(LOGIN + "?next=/datasets/", {"login": EMAIL, "password": PASSWORD})
    assert answer["Location"] == "/datasets/"
    away = Client().post(LOGIN, {"login": EMAIL, "password": PASSWORD, "next": "https://evil.example.com/"})
    assert away["Location"] == "/downloads/"


def test_signing_in_starts_a_new_session(client: Client, quiet: User) -> None:
    client.post(RESET, {"email": EMAIL})
    before = client.session.session_key
    sign_in(client, EMAIL, PASSWORD)
    assert client.session.session_key != before
    taken_over = Client()
    taken_over.cookies["sessionid"] = str(before)
    assert not is_signed_in(taken_over)


def test_a_wrong_password_and_an_unknown_address_get_the_same_sentence(client: Client, quiet: User) -> None:
    sentence = "The address or the password is not right"
    assert sentence in sign_in(client, EMAIL, "not the password at all").content.decode()
    assert sentence in sign_in(client, "nobody@example.org", PASSWORD).content.decode()


def test_a_closed_account_is_told_so_only_with_the_right_password(client: Client, quiet: User) -> None:
    User.objects.filter(pk=quiet.pk).update(is_active=False)
    answer = sign_in(client, EMAIL, PASSWORD)
    assert answer["Location"] == "/accounts/inactive/"
    assert "This account is closed" in client.get(answer["Location"]).content.decode()
    assert not is_signed_in(client)


def test_an_account_made_on_the_command_line_confirms_its_address_at_the_first_sign_in(client: Client) -> None:
    User.objects.create_superuser("root@example.org", PASSWORD, name="Root")
    assert sign_in(client, "root@example.org", PASSWORD)["Location"] == CONFIRM
    assert confirm(client, newest_code("root@example.org")).status_code == 302
    assert is_signed_in(client)


# Reset ------------------------------------------------------------------------------------------------------


def test_a_forgotten_password_is_reset_with_the_mailed_code(client: Client, quiet: User) -> None:
    elsewhere = Client()
    sign_in(elsewhere, EMAIL, PASSWORD)
    assert client.post(RESET, {"email": EMAIL})["Location"] == RESET_CODE
    assert client.post(RESET_CODE, {"code": newest_code()})["Location"] == RESET_PASSWORD

    client.post(RESET_PASSWORD, {"password1": NEW_PASSWORD})

    assert is_signed_in(client)
    assert not is_signed_in(elsewhere)
    quiet.refresh_from_db()
    assert quiet.check_password(NEW_PASSWORD)
    assert templates() == ["password_reset_code", "password_reset"]


def test_the_new_password_needs_the_code_first(client: Client, quiet: User) -> None:
    client.post(RESET, {"email": EMAIL})
    assert client.post(RESET_PASSWORD, {"password1": NEW_PASSWORD})["Location"] == RESET_CODE
    quiet.refresh_from_db()
    assert quiet.check_password(PASSWORD)


def test_an_unknown_address_gets_the_same_reset_page_and_a_mail_that_says_so(client: Client, quiet: User) -> None:
    stranger = Client()
    known, unknown = client.post(RESET, {"email": EMAIL}), stranger.post(RESET, {"email": "nobody@example.org"})
    assert known["Location"] == unknown["Location"] == RESET_CODE
    assert templates("nobody@example.org") == ["unknown_account"]
    pages = [one.post(RESET_CODE, {"code": "000000"}).content.decode() for one in (client, stranger)]
    assert all("You have two tries left" in page for page in pages)


def test_three_wrong_reset_codes_end_it(client: Client, quiet: User) -> None:
    client.post(RESET, {"email": EMAIL})
    code = newest_code()
    for _ in range(2):
        assert client.post(RESET_CODE, {"code": wrong(code)}).status_code == 200
    assert client.post(RESET_CODE, {"code": wrong(code)})["Location"] == RESET
    assert client.post(RESET_CODE, {"code": code})["Location"] == LOGIN


def test_a_reset_asked_for_twice_takes_either_code(client: Client, quiet: User) -> None:
    client.post(RESET, {"email": EMAIL})
    first = newest_code()
    client.post(RESET, {"email": EMAIL})
    assert client.post(RESET_CODE, {"code": first})["Location"] == RESET_PASSWORD


def test_a_reset_takes_only_the_code_that_this_browser_asked_for(client: Client, quiet: User) -> None:
    client.post(RESET, {"email": quiet.email})
    owners = newest_code(quiet.email)
    other = Client()
    other.post(RESET, {"email": quiet.email})
    assert other.post(RESET_CODE, {"code": owners}).status_code == 200
    assert client.post(RESET_CODE, {"code": owners}).status_code == 302


def test_guesses_at_a_reset_are_counted_though_the_session_forgets_them(client: Client, quiet: User) -> None:
    client.post(RESET, {"email": quiet.email})
    code = newest_code(quiet.email)
    begun = client.session["account_password_reset_verification"]
    for _ in range(3):
        client.post(RESET_CODE, {"code": wrong(code)})
        session = client.session
        session["account_password_reset_verification"] = {**begun, "failed_attempts": 0}
        session.save()
    assert client.post(RESET_CODE, {"code": code}).status_code == 200


def test_a_reset_confirms_an_address_that_never_was(client: Client) -> None:
    user = UserFactory(email=EMAIL, verified=False)
    EmailAddress.objects.create(user=user, email=EMAIL, primary=True)
    client.post(RESET, {"email": EMAIL})
    client.post(RESET_CODE, {"code": newest_code()})
    client.post(RESET_PASSWORD, {"password1": NEW_PASSWORD})
    assert is_signed_in(client)
    assert EmailAddress.objects.get().verified


@pytest.mark.django_db(transaction=True)
def test_the_new_password_sent_twice_at_once_is_no_error(client: Client) -> None:
    UserFactory(email=EMAIL)
    client.post(RESET, {"email": EMAIL})
    client.post(RESET_CODE, {"code": newest_code()})
    tabs = [Client(), Client()]
    for tab in tabs:
        tab.cookies = client.cookies
    outcomes = at_once([partial(tab.post, RESET_PASSWORD, {"password1": NEW_PASSWORD}) for tab in tabs])
    assert all(outcome.status_code < 500 for outcome in outcomes), outcomes
    assert User.objects.get().check_password(NEW_PASSWORD)


# Changes ----------------------------------------------------------------------------------------------------


def test_a_changed_password_ends_the_other_sessions_and_is_told(signed_in: Client, quiet: User) -> None:
    elsewhere = Client()
    sign_in(elsewhere, EMAIL, PASSWORD)
    signed_in.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW_PASSWORD})
    assert is_signed_in(signed_in)
    assert not is_signed_in(elsewhere)
    (mail,) = mails()
    said = text_of(read(mail))
    assert read(mail)["Subject"] == "Your password was changed at Kspace Portal"
    assert EMAIL in said
    assert "127.0.0.1" in said
    assert "/accounts/password/reset/" in said


def test_a_notification_names_the_browser_in_words_of_ours(client: Client, quiet: User) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 <a href=https://evil.example.com>"
    sign_in(client, EMAIL, PASSWORD)
    client.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": NEW_PASSWORD},
        headers={"user-agent": agent},
    )
    (mail,) = mails()
    assert "Firefox on Linux" in text_of(read(mail))
    assert "evil" not in str(mail.keys)


def test_the_present_password_is_needed_for_a_new_one(signed_in: Client, quiet: User) -> None:
    answer = signed_in.post(
        "/accounts/password/change/", {"oldpassword": "wrong wrong wrong", "password1": NEW_PASSWORD}
    )
    assert "This is not your present password" in answer.content.decode()


def test_another_address_counts_once_its_code_was_entered(signed_in: Client, quiet: User) -> None:
    form = {"email": "new@example.org", "action_add": "1"}
    answer = reauthenticate(signed_in, signed_in.post("/accounts/email/", form))
    assert answer["Location"] == CONFIRM
    quiet.refresh_from_db()
    assert quiet.email == EMAIL

    confirm(signed_in, newest_code("new@example.org"))

    quiet.refresh_from_db()
    assert quiet.email == "new@example.org"
    assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [("new@example.org", True, True)]
    assert templates(EMAIL) == ["email_changed"]
    assert "new@example.org" in text_of(read(mails(EMAIL)[0]))


def test_an_address_is_not_changed_to_one_that_has_an_account(signed_in: Client, quiet: User) -> None:
    UserFactory(email="taken@example.org")
    form = {"email": "taken@example.org", "action_add": "1"}
    answer = reauthenticate(signed_in, signed_in.post("/accounts/email/", form))
    assert answer["Location"] == CONFIRM
    code = code_in(mails("taken@example.org")[0])
    assert "This address cannot be used" in confirm(signed_in, code).content.decode()
    quiet.refresh_from_db()
    assert quiet.email == EMAIL


def test_signing_out_needs_a_click_and_ends_the_session(signed_in: Client) -> None:
    assert "Sign out" in signed_in.get("/accounts/logout/").content.decode()
    assert is_signed_in(signed_in)
    assert signed_in.post("/accounts/logout/")["Location"] == "/"
    assert not is_signed_in(signed_in)


def test_signing_out_everywhere_ends_all_sessions_but_this(signed_in: Client, quiet: User) -> None:
    elsewhere = Client()
    sign_in(elsewhere, EMAIL, PASSWORD)
    assert signed_in.post("/accounts/profile/sign-out-everywhere/")["Location"] == "/accounts/profile/"
    assert is_signed_in(signed_in)
    assert not is_signed_in(elsewhere)


def test_signing_out_everywhere_is_no_page_to_look_at_or_to_come_back_to(signed_in: Client) -> None:
    where = "/accounts/profile/sign-out-everywhere/"
    assert signed_in.get(where)["Location"] == "/accounts/profile/"
    assert signed_in.put(where).status_code == 405
    signed_in.post("/accounts/logout/")
    assert signed_in.post(where)["Location"] == "/accounts/login/?next=/accounts/profile/"


# Limits -----------------------------------------------------------------------------------------------------


def test_after_five_wrong_passwords_even_the_right_one_must_wait(client: Client, quiet: User) -> None:
    for _ in range(5):
        sign_in(client, EMAIL, "not the password at all")
    answer = sign_in(client, EMAIL, PASSWORD)
    assert "Wait five minutes" in answer.content.decode()
    assert not is_signed_in(client)


def test_an_unconfirmed_account_is_limited_like_one_that_does_not_exist(client: Client) -> None:
    user = UserFactory(email=EMAIL, verified=False)
    EmailAddress.objects.create(user=user, email=EMAIL, primary=True)
    for email in (EMAIL, "nobody@example.org"):
        cache.clear()
        for _ in range(5):
            assert "never confirmed" in sign_in(client, email, PASSWORD).content.decode()
        assert "Wait five minutes" in sign_in(client, email, PASSWORD).content.decode()


def test_the_limit_an_address_counts_the_address_that_our_proxy_saw(client: Client, settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "signup": "3/m/ip"}

    def post(forwarded: str) -> int:
        return client.post("/accounts/signup/", {}, headers={"x-forwarded-for": forwarded}).status_code

    assert [post(f"198.51.100.{number}, 192.0.2.7") for number in range(4)] == [200, 200, 200, 429]
    assert post("198.51.100.9, 192.0.2.8") == 200


def test_a_request_past_the_proxies_is_refused_with_a_sentence(client: Client, settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    for forwarded in ("", "192.0.2.7", "garbage, 192.0.2.7"):
        answer = client.post(LOGIN, {"login": EMAIL, "password": PASSWORD}, headers={"x-forwarded-for": forwarded})
        assert answer.status_code == 400
        assert "did not come through" in answer.content.decode()


def test_too_many_codes_for_one_address_are_refused(client: Client, quiet: User) -> None:
    answers = [client.post(RESET, {"email": EMAIL}).status_code for _ in range(4)]
    assert answers == [302, 302, 302, 429]
    cache.clear()
    assert client.post(RESET, {"email": EMAIL}).status_code == 302
