"""The page that deletes one's own account, and the maintainer's decision."""

import pytest
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.freshness import KEY
from accounts.models import Deletion, OutgoingMail, User
from tests.factories import PASSWORD, SignatureFactory, StaffFactory, UserFactory
from tests.letters import text_of
from tests.maintainers import let_in, maintainer, with_second_factor
from tests.registrations import is_signed_in, read, sign_in

pytestmark = pytest.mark.django_db
DELETE = "/accounts/profile/delete/"
REASON = "You asked us by post."


@pytest.fixture
def quiet() -> User:
    return UserFactory(email="quiet@example.org", name="Quiet Reader")


@pytest.fixture
def signed_in(client: Client, quiet: User) -> Client:
    return fresh(client, quiet)


def fresh(client: Client, user: User) -> Client:
    """Signed in, and asked again for the password a moment ago."""
    sign_in(client, user.email, PASSWORD)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def grown_old(client: Client) -> None:
    """The password was asked for long ago."""
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [
        {**record, "at": record["at"] - 1_000} for record in session[AUTHENTICATION_METHODS_SESSION_KEY]
    ]
    session.pop(KEY, None)
    session.save()


def decide(client: Client, user: User, **words: str) -> str:
    address = reverse("admin:accounts_user_decide", args=[user.pk, "delete"])
    return client.post(address, {"decided": "yes", **words}, follow=True).content.decode()


class TestOwnWish:
    def test_the_profile_leads_to_a_page_that_says_what_goes_and_stays(self, signed_in: Client, quiet: User) -> None:
        SignatureFactory(user=quiet)
        assert DELETE in signed_in.get("/accounts/profile/").content.decode()
        page = signed_in.get(DELETE).content.decode()
        for words in ("What is removed", "What stays, and why", "In your 1 signature:", "my-data.json", quiet.email):
            assert words in page
        assert not Deletion.objects.exists()

    def test_it_closes_the_account_signs_out_everywhere_and_says_goodbye(self, signed_in: Client, quiet: User) -> None:
        elsewhere = Client()
        elsewhere.force_login(quiet)

        answer = signed_in.post(DELETE, {"sure": "on"}, follow=True)

        assert "Your account is closed" in answer.content.decode()
        assert not is_signed_in(signed_in)
        assert not is_signed_in(elsewhere)
        again = Client()
        assert "This account is closed" in again.get(sign_in(again, quiet.email, PASSWORD)["Location"]).content.decode()
        mail = OutgoingMail.objects.get(template="account/deleted")
        assert "you asked us on" in text_of(read(mail))
        deletion = Deletion.objects.get()
        assert (deletion.user, deletion.by, deletion.state) == (quiet, quiet, "waiting")

    def test_without_the_box_nothing_happens(self, signed_in: Client, quiet: User) -> None:
        page = signed_in.post(DELETE).content.decode()
        assert "Tick the box" in page
        assert is_signed_in(signed_in)
        assert not Deletion.objects.exists()

    def test_an_old_session_shows_the_password_first_and_then_goes_on(self, signed_in: Client, quiet: User) -> None:
        grown_old(signed_in)
        asked = signed_in.post(DELETE, {"sure": "on"})
        assert asked["Location"].startswith("/accounts/reauthenticate/")
        assert not Deletion.objects.exists()

        wrong = signed_in.post(asked["Location"], {"password": "not this one at all"})
        assert "This is not your password" in wrong.content.decode()
        assert not Deletion.objects.exists()

        done = signed_in.post(asked["Location"], {"password": PASSWORD})
        assert done["Location"] == "/accounts/deleted/"
        assert Deletion.objects.get().user == quiet
        assert not is_signed_in(signed_in)

    def test_who_has_neither_password_nor_factor_signs_in_again_first(self, client: Client, quiet: User) -> None:
        """Somebody who comes in through a provider, at a browser that was left open."""
        quiet.set_unusable_password()
        quiet.save()
        client.force_login(quiet)

        answer = client.post(DELETE, {"sure": "on"})

        assert answer["Location"] == "/accounts/sign-in-again/?next=%2Faccounts%2Fprofile%2Fdelete%2F"
        assert not Deletion.objects.exists()
        quiet.refresh_from_db()
        assert quiet.is_active

    def test_strangers_are_led_to_sign_in(self, client: Client) -> None:
        for answer in (client.get(DELETE), client.post(DELETE, {"sure": "on"})):
            assert answer["Location"].startswith("/accounts/login/")

    def test_a_forged_form_deletes_nobody(self, quiet: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(quiet)
        assert client.post(DELETE, {"sure": "on"}).status_code == 403
        assert not Deletion.objects.exists()

    def test_the_last_superuser_is_told_why_not(self, client: Client) -> None:
        fresh(client, StaffFactory())
        page = client.post(DELETE, {"sure": "on"}, follow=True).content.decode()
        assert "This is the last superuser" in page
        assert is_signed_in(client)


class TestMaintainers:
    def test_decide_with_a_reason_that_the_person_is_mailed(self, client: Client, quiet: User) -> None:
        boss = maintainer(client)
        assert "Write the reason" in decide(client, quiet, reason="")
        assert not Deletion.objects.exists()

        page = decide(client, quiet, reason=REASON)

        assert "is deleted as soon as the mail has left" in page
        deletion = Deletion.objects.get()
        assert (deletion.user, deletion.by, deletion.why) == (quiet, boss, REASON)
        letter = text_of(read(OutgoingMail.objects.get(template="account/deleted")))
        assert f"Their reason: {REASON}" in letter

    def test_the_page_of_somebody_who_is_being_deleted_offers_no_way_back(self, client: Client, quiet: User) -> None:
        maintainer(client)
        decide(client, quiet, reason=REASON)
        page = client.get(f"/admin/accounts/user/{quiet.pk}/change/").content.decode()
        assert "Enable account" not in page
        assert "Delete account" not in page

    def test_delete_neither_themselves_here_nor_the_last_superuser(self, client: Client) -> None:
        boss = maintainer(client)
        assert "Delete your own account on your profile" in decide(client, boss, reason=REASON)
        other = StaffFactory()
        decide(client, other, reason=REASON)
        assert Deletion.objects.get().user == other

    def test_need_the_right_and_for_a_maintainers_account_all_rights(self, client: Client, quiet: User) -> None:
        helper = with_second_factor(StaffFactory(is_superuser=False))
        StaffFactory()
        boss = StaffFactory()
        names = ["view_user", "change_user"]
        helper.user_permissions.set(Permission.objects.filter(content_type__app_label="accounts", codename__in=names))
        let_in(client, helper)
        decide(client, quiet, reason=REASON)
        assert not Deletion.objects.exists()

        helper.user_permissions.add(Permission.objects.get(codename="delete_user"))
        assert "Only a superuser" in decide(client, boss, reason=REASON)
        decide(client, quiet, reason=REASON)
        assert Deletion.objects.get().user == quiet
