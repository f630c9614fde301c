"""From the form to a confirmed account."""

from functools import partial
from io import BytesIO

import pytest
from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from accounts.models import OutgoingMail, User
from tests.factories import UserFactory
from tests.letters import text_of
from tests.registrations import (
    ANSWERS,
    CONFIRM,
    PASSWORD,
    SIGNUP,
    answers,
    code_in,
    confirm,
    confirmed,
    is_signed_in,
    mails,
    newest_code,
    read,
    register,
    sign_in,
    templates,
    wrong,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def test_registering_asks_for_the_mailed_code_and_then_signs_in(client: Client) -> None:
    assert register(client)["Location"] == CONFIRM
    assert not is_signed_in(client)
    page = client.get(CONFIRM).content.decode()
    assert "quiet@example.org" in page
    assert "They work until" in page

    answer = confirm(client, newest_code())

    assert answer["Location"] == "/downloads/"
    assert is_signed_in(client)
    user = User.objects.get(email="quiet@example.org")
    assert user.profile_is_complete
    assert EmailAddress.objects.get(user=user).verified
    assert {field: str(getattr(user, field)) for field in ANSWERS} == {
        **ANSWERS,
        "research_purpose": ANSWERS["research_purpose"].strip(),
    }


def test_the_mail_has_the_code_and_its_row_and_the_session_have_not(client: Client) -> None:
    register(client)
    (mail,) = mails()
    code = code_in(mail)
    message = read(mail)
    assert message["Subject"] == "Your code for Kspace Portal"
    assert code in text_of(message, "html")
    assert code not in str(mail.keys)
    assert code not in str(dict(client.session))


def test_a_code_typed_in_groups_counts(client: Client) -> None:
    register(client)
    code = newest_code()
    assert confirm(client, f" {code[:3]} {code[3:]}").status_code == 302


def test_another_code_is_sent_and_the_first_one_still_counts(client: Client) -> None:
    register(client)
    first = newest_code()
    client.post(CONFIRM, {"action": "resend"})
    assert templates() == ["email_confirmation_signup"] * 2
    assert newest_code() != first
    assert confirm(client, first).status_code == 302
    assert is_signed_in(client)


def test_after_three_codes_the_page_says_that_there_are_no_more(client: Client) -> None:
    register(client)
    client.post(CONFIRM, {"action": "resend"})
    cache.clear()
    client.post(CONFIRM, {"action": "resend"})
    assert "We sent three codes" in client.get(CONFIRM).content.decode()
    client.post(CONFIRM, {"action": "resend"})
    assert len(mails()) == 3


def test_a_wrong_code_says_how_many_tries_are_left_and_three_end_it(client: Client) -> None:
    register(client)
    code = newest_code()
    page = confirm(client, wrong(code)).content.decode()
    assert "That is not the code we sent, or it has ended. You have two tries left." in page
    assert "<title>Error: " in page
    assert "You have one try left." in confirm(client, wrong(code)).content.decode()
    last = confirm(client, wrong(code))
    assert last["Location"] == SIGNUP
    page = client.get(SIGNUP).content.decode()
    assert "That was wrong three times" in page
    assert 'value="Quiet Reader"' in page
    assert confirm(client, code)["Location"] == "/accounts/login/"
    assert not is_signed_in(client)


def test_registering_again_with_the_same_password_goes_on(client: Client) -> None:
    register(client)
    cache.clear()
    later = Client()
    register(later)
    assert templates() == ["email_confirmation_signup"] * 2
    assert confirm(later, newest_code()).status_code == 302
    assert is_signed_in(later)
    assert User.objects.count() == 1


def test_three_wrong_tries_end_the_codes_in_every_session(client: Client) -> None:
    register(client)
    later = Client()
    register(later)
    first, second = (code_in(mail) for mail in mails())
    for _ in range(3):
        confirm(client, f"{(int(first) + 500_000) % 10**6:06}")
    assert confirm(later, first).status_code == 200
    assert confirm(later, second).status_code == 200
    assert not is_signed_in(later)
    last = Client()
    cache.clear()
    register(last)
    assert confirm(last, newest_code()).status_code == 302


def test_a_code_that_counted_ends_all_of_them(client: Client) -> None:
    register(client)
    later = Client()
    register(later)
    first, second = (code_in(mail) for mail in mails())
    confirm(client, first)
    assert is_signed_in(client)
    for code in (first, second):
        assert confirm(later, code).status_code == 200
    assert not is_signed_in(later)


def test_a_code_that_ran_out_is_refused_and_not_mailed_any_more(client: Client) -> None:
    register(client)
    code = newest_code()
    session = client.session
    session["account_email_verification_code"]["at"] -= 901
    session.save()
    assert confirm(client, code)["Location"] == "/accounts/login/"
    assert not EmailAddress.objects.get(email="quiet@example.org").verified


def test_a_mistyped_address_is_corrected_before_it_is_confirmed(client: Client) -> None:
    register(client, "quiet@exmaple.org")
    answer = client.post(CONFIRM, {"action": "change", "email": "quiet@example.org"})
    assert answer["Location"] == CONFIRM
    assert "quiet@example.org" in client.get(CONFIRM).content.decode()
    assert confirm(client, newest_code("quiet@example.org")).status_code == 302
    user = User.objects.get()
    assert user.email == "quiet@example.org"
    assert list(EmailAddress.objects.values_list("email", "verified")) == [("quiet@example.org", True)]


def test_a_code_that_went_to_the_mistyped_address_does_not_confirm_the_right_one(client: Client) -> None:
    register(client, "quiet@exmaple.org")
    client.post(CONFIRM, {"action": "change", "email": "quiet@example.org"})
    assert confirm(client, newest_code("quiet@exmaple.org")).status_code == 200
    assert not EmailAddress.objects.filter(verified=True).exists()


def page_of(client: Client, email: str) -> str:
    """The page after registering, without what differs for everybody."""
    assert register(client, email)["Location"] == CONFIRM
    page = client.get(CONFIRM).content.decode()
    return "\n".join(
        line
        for line in page.replace(email, "ADDRESS").splitlines()
        if "csrfmiddlewaretoken" not in line and "UTC" not in line
    )


def test_an_address_with_an_account_gets_the_same_page_and_another_mail(client: Client) -> None:
    UserFactory(email="taken@example.org")
    assert page_of(client, "taken@example.org") == page_of(Client(), "new@example.org")
    assert templates("taken@example.org") == ["account_already_exists"]
    assert templates("new@example.org") == ["email_confirmation_signup"]
    assert User.objects.count() == 2
    said = text_of(read(mails("taken@example.org")[0]))
    assert "It has an account\nalready" in said


def test_who_registers_with_a_taken_address_learns_nothing_from_codes_or_signing_in(client: Client) -> None:
    UserFactory(email="taken@example.org")
    fresh = Client()
    register(client, "taken@example.org")
    register(fresh, "new@example.org")
    for number in ("000000", "111111", "222222"):
        known, unknown = confirm(client, number), confirm(fresh, number)
        assert known.status_code == unknown.status_code
        assert known.get("Location") == unknown.get("Location")
    known, unknown = sign_in(client, "taken@example.org"), sign_in(fresh, "new@example.org")
    sentence = "The address or the password is not right, or the address was never confirmed."
    assert sentence in known.content.decode()
    assert sentence in unknown.content.decode()
    assert not is_signed_in(fresh)


def test_a_taken_address_is_corrected_like_any_other(client: Client) -> None:
    UserFactory(email="taken@example.org")
    register(client, "taken@example.org")
    client.post(CONFIRM, {"action": "change", "email": "quiet@example.org"})
    assert "quiet@example.org" in client.get(CONFIRM).content.decode()
    assert confirm(client, newest_code()).status_code == 302
    user = User.objects.get(email="quiet@example.org")
    assert user.profile_is_complete
    assert user.check_password(PASSWORD)


def test_an_address_corrected_to_a_taken_one_still_tells_nothing(client: Client) -> None:
    UserFactory(email="taken@example.org")
    register(client)
    answer = client.post(CONFIRM, {"action": "change", "email": "taken@example.org"})
    assert answer["Location"] == CONFIRM
    assert templates("taken@example.org") == ["account_already_exists"]
    assert "taken@example.org" in client.get(CONFIRM).content.decode()


def test_the_form_sent_twice_makes_one_account_and_both_codes_count(client: Client) -> None:
    register(client)
    second = Client()
    register(second)
    first_code = code_in(mails()[0])
    assert confirm(second, first_code).status_code == 302
    assert is_signed_in(second)
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_form_sent_twice_at_once_makes_one_account() -> None:
    clients = [Client(), Client()]
    answers_ = at_once([partial(register, client) for client in clients])
    assert [answer["Location"] for answer in answers_] == [CONFIRM, CONFIRM]
    assert User.objects.count() == 1
    for mail in mails():
        code_in(mail)
    assert confirm(clients[1], code_in(mails()[0])).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_the_code_sent_twice_at_once_is_no_error(client: Client) -> None:
    register(client)
    code = newest_code()
    tabs = [Client(), Client()]
    for tab in tabs:
        tab.cookies = client.cookies
    outcomes = at_once([partial(confirm, tab, code) for tab in tabs])
    assert all(outcome.status_code < 500 for outcome in outcomes), outcomes
    assert EmailAddress.objects.get().verified


def test_a_code_sent_again_after_it_counted_leads_on(client: Client) -> None:
    confirmed(client)
    assert confirm(client, "123456")["Location"] == "/accounts/email/"
    assert confirm(Client(), "123456")["Location"] == "/accounts/login/"


def test_everything_typed_is_kept_beside_the_errors(client: Client) -> None:
    page = client.post(SIGNUP, answers("quiet.reader@", country="", research_purpose="MRI networks")).content.decode()
    assert "Three answers need another look" in page
    assert "Write the whole address, such as name@example.edu" in page
    assert "Choose a country" in page
    assert "Write at least 100 characters; you have 12" in page
    for typed in ("quiet.reader@", "Quiet Reader", "Accra Institute of Imaging", "MRI networks", PASSWORD):
        assert typed in page
    assert not OutgoingMail.objects.exists()


HOSTILE = {
    "line break in the name": (
        "name",
        "Quiet\r\nBcc: all@example.org",
        "line breaks or characters that cannot be seen",
    ),
    "line break in the institution": ("institution", "Institute\nX-Spam: no", "line breaks or characters"),
    "null": ("name", "Ama\x00ra", "cannot be seen"),
    "direction mark": ("name", "Quiet\u202eieso", "cannot be seen"),
    "binary": ("institution", "\x01\x02\x03PNG", "cannot be seen"),
    "only signs": ("name", "!!!", "Write your full name"),
    "only blanks": ("institution", " \u00a0 ", "Write the name of your institution"),
    "huge name": ("name", "a" * 20_000, "Write at most 150 characters; you have 20000"),
    "huge purpose": ("research_purpose", "a" * 30_000, "Write at most 2,000 characters; you have 30000"),
    "blank purpose": ("research_purpose", " " * 200, "Write at least 100 characters"),
    "null in the purpose": ("research_purpose", "a" * 100 + "\x00", "cannot be seen"),
    "no country": ("country", "XX", "Choose a country from the list"),
    "no position": ("position", "emperor", "Choose one of these positions"),
    "address with a line break": ("email", "a@example.org\nBcc: b@example.org", "Write the whole address"),
    "address of 400": ("email", "a" * 400 + "@example.org", "at most"),
    "address with null": ("email", "a\x00@example.org", "Write the whole address"),
    "short password": ("password1", "short", "at least 12 characters"),
    "huge password": ("password1", "a1" * 5_000, "Write at most 1,000 characters; you have 10,000"),
    "password of digits": ("password1", "839201748302", "entirely numeric"),
    "password like the address": ("password1", "quiet@example.org", "too similar"),
}


@pytest.mark.parametrize(("field", "value", "sentence"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_field_gets_a_sentence(client: Client, field: str, value: str, sentence: str) -> None:
    answer = client.post(SIGNUP, {**answers(), field: value})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not User.objects.exists()
    assert not OutgoingMail.objects.exists()


def test_a_form_beyond_a_megabyte_is_refused_before_it_is_read(client: Client) -> None:
    answer = client.post(SIGNUP, answers(research_purpose="a" * 1_100_000))
    assert answer.status_code == 400


def test_a_file_in_place_of_a_text_is_a_missing_answer(client: Client) -> None:
    upload = BytesIO(bytes(range(256)) * 40)
    upload.name = "name.png"
    answer = client.post(SIGNUP, {**answers(), "name": upload})
    assert answer.status_code == 200
    assert "Write your full name" in answer.content.decode()


def test_names_are_composed_and_trimmed(client: Client) -> None:
    register(client, name="  Ame\u0301lie   Du\u0308rr ", institution=" Institut\u00a0für Bildgebung ")
    user = User.objects.get()
    assert user.name == "Amélie Dürr"
    assert user.institution == "Institut für Bildgebung"


def test_a_host_that_is_not_ours_is_refused(client: Client) -> None:
    assert client.post(SIGNUP, answers(), headers={"host": "evil.example.com"}).status_code == 400
    assert not OutgoingMail.objects.exists()


def test_mailed_links_come_from_the_settings_whatever_the_host(client: Client, settings: Settings) -> None:
    settings.SITE_URL = "https://portal.example.org"
    settings.ALLOWED_HOSTS = ["*"]
    UserFactory(email="taken@example.org")
    client.post(SIGNUP, answers("taken@example.org"), headers={"host": "evil.example.com"})
    (mail,) = mails("taken@example.org")
    message = read(mail)
    for kind in ("plain", "html"):
        assert "https://portal.example.org/accounts/password/reset/" in text_of(message, kind)
        assert "evil.example.com" not in text_of(message, kind)
    assert "evil.example.com" not in str(mail.keys)


def test_the_page_names_the_site_by_its_settings_whatever_the_host(client: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    page = client.get(SIGNUP, headers={"host": "evil.example.com"}).content.decode()
    assert "Register · Kspace Portal" in page
    assert "evil.example.com" not in page
