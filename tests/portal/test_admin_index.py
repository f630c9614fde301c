"""The way into the admin, and its first page: what waits for a person."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import OutgoingMail
from accounts.models.work import kinds_of_work
from datasets.models import AccessRequest
from tests.factories import AccessGrantFactory, AccessRequestFactory, StaffFactory, UserFactory
from tests.maintainers import let_in, maintainer, with_second_factor

pytestmark = pytest.mark.django_db
INDEX = "/admin/"


def fill(number: int) -> None:
    for request in AccessRequestFactory.create_batch(number):
        AccessRequestFactory(user=request.user, status="declined", decided_at=timezone.now(), reason="No.")
        AccessGrantFactory(user=request.user, ends_at=timezone.now() + timedelta(days=9))
        OutgoingMail.objects.create(
            template="access/link", to="a@example.org", state="failed", reason="550", finished_at=timezone.now()
        )


class TestWayIn:
    def test_strangers_sign_in_as_everybody_does(self, client: Client) -> None:
        response = client.get(reverse("admin:accounts_user_changelist"), follow=True)

        assert response.redirect_chain[-1][0] == f"{reverse('account_login')}?next=/admin/accounts/user/"

    def test_the_admins_own_sign_in_leads_nowhere_else(self, client: Client) -> None:
        response = client.get(f"{reverse('admin:login')}?next=https://example.com/")

        assert response["Location"] == f"{reverse('account_login')}?next=/admin/"

    def test_a_password_cannot_be_sent_to_the_admin(self, client: Client) -> None:
        user = StaffFactory()

        client.post(reverse("admin:login"), {"username": user.email, "password": "a long pass phrase for tests"})

        assert "_auth_user_id" not in client.session

    def test_people_who_are_no_maintainers_are_refused(self, client: Client) -> None:
        client.force_login(UserFactory())

        assert client.get(INDEX).status_code == 403
        assert client.get(reverse("admin:login")).status_code == 403

    def test_a_maintainer_without_a_second_factor_is_led_to_it(self, client: Client) -> None:
        client.force_login(StaffFactory())

        assert client.get(INDEX).status_code == 302

    def test_signing_out_leads_home(self, client: Client) -> None:
        maintainer(client)

        response = client.post(reverse("admin:logout"))

        assert response["Location"] == reverse("home")
        assert "_auth_user_id" not in client.session

    def test_the_password_is_changed_on_the_account_pages(self, client: Client) -> None:
        maintainer(client)

        assert client.get(reverse("admin:password_change"))["Location"] == reverse("account_change_password")


class TestFirstPage:
    def test_requests_come_first_and_the_oldest_on_top(self, client: Client) -> None:
        maintainer(client)
        now = timezone.now()
        AccessRequestFactory(user__name="Young", created_at=now - timedelta(hours=2))
        AccessRequestFactory(user__name="Old", created_at=now - timedelta(days=3))

        page = client.get(INDEX).content.decode()

        assert page.index("Waiting for you") < page.index(">Old<") < page.index(">Young<")
        assert "the oldest for 3\xa0days" in page

    @pytest.mark.parametrize(("many", "says"), [(1, "request waits"), (2, "requests wait")])
    def test_one_is_one_and_two_are_two(self, client: Client, many: int, says: str) -> None:
        maintainer(client)
        AccessRequestFactory.create_batch(many)
        AccessGrantFactory.create_batch(many, ends_at=timezone.now() + timedelta(days=90))

        page = client.get(INDEX).content.decode()

        assert f"<dt>{says}; the oldest" in page
        assert f"<dt>{'grant of access runs' if many == 1 else 'grants of access run'}</dt>" in page

    def test_hints_say_what_a_reviewer_would_look_up(self, client: Client) -> None:
        maintainer(client)
        request = AccessRequestFactory(purpose="To try it.")
        grant = AccessGrantFactory(user=request.user)
        other = AccessRequestFactory(
            user=request.user, status=AccessRequest.Status.DECLINED, decided_at=timezone.now(), reason="No."
        )

        page = client.get(INDEX).content.decode()

        assert f"holds {grant.dataset.name} since" in page
        assert f"was declined for {other.dataset.name}" in page
        assert "purpose of 10 characters" in page

    def test_failed_mails_say_why(self, client: Client) -> None:
        maintainer(client)
        OutgoingMail.objects.create(
            template="access/link",
            to="gone@example.org",
            state="failed",
            reason="550 no such user",
            finished_at=timezone.now(),
        )

        page = client.get(INDEX).content.decode()

        assert "gone@example.org" in page
        assert "550 no such user" in page

    def test_grants_that_end_soon_are_listed_by_their_end(self, client: Client) -> None:
        maintainer(client)
        now = timezone.now()
        AccessGrantFactory(user__name="Later", ends_at=now + timedelta(days=20))
        AccessGrantFactory(user__name="Sooner", ends_at=now + timedelta(days=5))
        AccessGrantFactory(user__name="Not yet", ends_at=now + timedelta(days=50))

        page = client.get(INDEX).content.decode()

        assert page.index(">Sooner<") < page.index(">Later<")
        assert "Not yet" not in page

    def test_needs_the_same_queries_however_much_waits(self, client: Client) -> None:
        maintainer(client)
        numbers = []
        for more in (3, 27):
            fill(more)
            client.get(INDEX)
            with CaptureQueriesContext(connection) as seen:
                client.get(INDEX)
            numbers.append(len(seen))

        assert numbers[0] == numbers[1]
        assert numbers[0] <= 20 + 2 * len(kinds_of_work())

    def test_shows_only_what_a_maintainer_may_see(self, client: Client) -> None:
        fill(1)
        let_in(client, with_second_factor(StaffFactory(is_superuser=False)))

        page = client.get(INDEX).content.decode()

        assert "Waiting for you" not in page
        assert "Mails that failed" not in page
        assert "@example.org asks" not in page
