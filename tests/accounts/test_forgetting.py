"""What sessions keep of a registration, and for how long; messages; and what the form says of it."""

import pytest
from django.conf import settings as site
from django.test import Client

from tests.factories import PASSWORD, UserFactory
from tests.registrations import confirm, newest_code, register, sign_in

pytestmark = pytest.mark.django_db
TWO_WEEKS = 14 * 86_400


def test_a_session_with_the_answers_of_a_registration_lives_for_an_hour_until_somebody_signs_in(client: Client) -> None:
    register(client)
    assert client.session.get_expiry_age() <= 3_600
    confirm(client, newest_code())
    assert "registering" not in client.session
    assert client.session.get_expiry_age() > TWO_WEEKS - 60


def test_who_signs_in_otherwise_takes_no_answers_along(client: Client) -> None:
    user = UserFactory(email="taken@example.org")
    register(client, user.email)
    assert client.session["registering"]["password"]
    # The code's quarter of an hour is over; until then signing in leads back to its page.
    session = client.session
    for key in [key for key in session.keys() if key.startswith("account_")]:  # noqa: SIM118
        del session[key]
    session.save()
    assert sign_in(client, user.email, PASSWORD)["Location"] == "/downloads/"
    assert "registering" not in client.session
    assert client.session.get_expiry_age() > TWO_WEEKS - 60


def test_messages_need_no_cookie_of_their_own(client: Client) -> None:
    user = UserFactory()
    sign_in(client, user.email, PASSWORD)
    client.post("/accounts/profile/sign-out-everywhere/")
    assert "You are signed out everywhere but here." in client.get("/accounts/profile/").content.decode()
    assert set(client.cookies) <= {site.SESSION_COOKIE_NAME, site.CSRF_COOKIE_NAME}
    assert not Client().get("/").cookies


def test_the_form_says_who_reads_the_purpose(client: Client) -> None:
    page = client.get("/accounts/signup/").content.decode()
    assert "The maintainers of this site read them; nobody else does." in page
