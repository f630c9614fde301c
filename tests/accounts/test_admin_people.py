"""People in the admin: found, looked at, disabled; and nothing of theirs that is secret."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import OutgoingMail, User
from tests.factories import AgreementVersionFactory, SignatureFactory, StaffFactory, UserFactory
from tests.maintainers import let_in, maintainer, with_second_factor

pytestmark = pytest.mark.django_db
PEOPLE = "/admin/accounts/user/"


def decide(client: Client, user: User, name: str) -> None:
    client.post(reverse("admin:accounts_user_decide", args=[user.pk, name]), {"decided": "yes"})


def helper(client: Client) -> User:
    """A maintainer who may change people, but is no superuser."""
    user = with_second_factor(StaffFactory(is_superuser=False))
    rights = Permission.objects.filter(content_type__app_label="accounts", codename__in=["view_user", "change_user"])
    user.user_permissions.set(rights)
    let_in(client, user)
    return user


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("zuri", True),
        ("Zürich", True),
        ("reader.zurich@uni", True),
        ("imaging exam", True),
        ("institute zürich", True),
        ("urich", False),
        ("zuri other", False),
    ],
)
def test_people_are_found_by_beginnings_of_words(asked: str, found: bool, client: Client) -> None:
    maintainer(client)
    UserFactory(
        name="Reader Zürich", email="reader.zurich@uni-x.example.org", institution="Example Institute of Imaging"
    )

    page = client.get(PEOPLE, {"q": asked}).content.decode()

    assert ("reader.zurich@uni-x.example.org" in page) is found


def test_the_page_of_a_person_shows_no_secret(client: Client) -> None:
    maintainer(client)
    user = UserFactory()
    TOTP.activate(user, "JBSWY3DPEHPK3PXP")
    factor = Authenticator.objects.get(user=user)

    page = client.get(f"{PEOPLE}{user.pk}/change/").content.decode()

    assert "TOTP Authenticator" in page
    assert factor.data["secret"] not in page
    assert user.password not in page


def test_disabling_ends_the_session_and_enabling_opens_the_account(client: Client) -> None:
    maintainer(client)
    user = UserFactory()
    persons_own = Client()
    persons_own.force_login(user)

    decide(client, user, "disable")
    assert persons_own.get(reverse("profile")).status_code == 302

    decide(client, user, "enable")
    user.refresh_from_db()
    assert user.is_active


def test_nobody_disables_the_own_account(client: Client) -> None:
    user = maintainer(client)

    decide(client, user, "disable")

    user.refresh_from_db()
    assert user.is_active


def test_lost_second_factors_are_reset_by_superusers(client: Client) -> None:
    maintainer(client)
    user = with_second_factor(UserFactory())

    decide(client, user, "reset-second-factor")

    assert not Authenticator.objects.filter(user=user).exists()
    assert OutgoingMail.objects.get().template == "account/totp_deactivated"


class TestHelpers:
    """Maintainers who may change people, without being superusers."""

    def test_change_a_profile(self, client: Client) -> None:
        helper(client)
        user = UserFactory()
        profile = {"name": "New Name", "institution": "Other", "country": "DE", "position": "faculty"}

        client.post(f"{PEOPLE}{user.pk}/change/", {**profile, "research_purpose": "Another."})

        user.refresh_from_db()
        assert (user.name, str(user.country)) == ("New Name", "DE")

    def test_give_nobody_privileges(self, client: Client) -> None:
        own = helper(client)
        user = UserFactory()
        forged = {"name": "X", "is_staff": "on", "is_superuser": "on", "email": "taken@example.org", "is_active": ""}

        client.post(f"{PEOPLE}{user.pk}/change/", forged)
        client.post(f"{PEOPLE}{own.pk}/change/", forged)

        user.refresh_from_db()
        own.refresh_from_db()
        assert (user.is_staff, user.is_superuser, own.is_superuser) == (False, False, False)
        assert user.is_active
        assert user.email != "taken@example.org"

    def test_leave_maintainers_alone(self, client: Client) -> None:
        helper(client)
        boss = with_second_factor(StaffFactory())

        assert client.post(f"{PEOPLE}{boss.pk}/change/", {"name": "X"}).status_code == 403
        decide(client, boss, "disable")
        decide(client, boss, "reset-second-factor")

        boss.refresh_from_db()
        assert boss.is_active
        assert Authenticator.objects.filter(user=boss).exists()


class TestMails:
    def mail(self, **facts: object) -> OutgoingMail:
        now = timezone.now()
        return OutgoingMail.objects.create(
            **{"template": "account/email_confirmation", "to": "quiet@example.org", "state": "failed", "attempts": 3}
            | {"reason": "The mail server said 550", "finished_at": now, "keys": {"nonce": "confirm:aa:SECRET-NONCE"}}
            | facts
        )

    def test_a_failed_mail_is_tried_again(self, client: Client) -> None:
        maintainer(client)
        mail = self.mail()

        client.post(reverse("admin:accounts_outgoingmail_decide", args=[mail.pk, "retry"]), {"decided": "yes"})

        mail.refresh_from_db()
        assert mail.state == "waiting"

    def test_a_mail_that_was_sent_is_not_sent_again(self, client: Client) -> None:
        maintainer(client)
        mail = self.mail(state="done", reason="")

        response = client.post(
            reverse("admin:accounts_outgoingmail_decide", args=[mail.pk, "retry"]), {"decided": "yes"}, follow=True
        )

        mail.refresh_from_db()
        assert mail.state == "done"
        assert "It has not failed" in response.content.decode()

    def test_pages_show_no_key(self, client: Client) -> None:
        maintainer(client)
        mail = self.mail()

        pages = [
            client.get("/admin/accounts/outgoingmail/").content.decode(),
            client.get(f"/admin/accounts/outgoingmail/{mail.pk}/change/").content.decode(),
        ]

        assert all("quiet@example.org" in page for page in pages)
        assert not any("SECRET-NONCE" in page for page in pages)

    @pytest.mark.parametrize(("asked", "found"), [("quiet@", True), ("QUIET", True), ("example.org", False)])
    def test_mails_are_found_by_the_beginning_of_the_address(self, asked: str, found: bool, client: Client) -> None:
        maintainer(client)
        self.mail()

        page = client.get("/admin/accounts/outgoingmail/", {"q": asked}).content.decode()

        assert ("quiet@example.org" in page) is found


class TestSignatures:
    def test_the_page_of_a_signature_shows_the_record_without_the_salt(self, client: Client) -> None:
        maintainer(client)
        signature = SignatureFactory(salt="5a17" * 16)

        page = client.get(f"/admin/accounts/signature/{signature.pk}/change/").content.decode()

        assert signature.record_hash[:8] in page
        assert signature.version.statements[0] in page
        assert "5a17" * 16 not in page

    def test_a_record_is_found_by_its_hash(self, client: Client) -> None:
        maintainer(client)
        first, second = SignatureFactory.create_batch(2)

        page = client.get("/admin/accounts/signature/", {"q": first.record_hash.upper()}).content.decode()

        assert first.email in page
        assert second.email not in page

    def test_the_page_of_a_person_says_what_was_signed_and_what_it_is_worth(self, client: Client) -> None:
        maintainer(client)
        old = SignatureFactory(version__number=1)
        new = AgreementVersionFactory(agreement=old.version.agreement, number=2)
        path = f"/admin/accounts/user/{old.user.pk}/change/"

        before = client.get(path).content.decode()
        signature = SignatureFactory(user=old.user, version=new)
        after = client.get(path).content.decode()

        assert "<td>another is required</td>" in before
        assert f'<code title="{old.record_hash}">' in before
        assert "<td>you signed a later one</td>" in after
        assert "<td>current</td>" in after
        assert signature.record_hash in after
