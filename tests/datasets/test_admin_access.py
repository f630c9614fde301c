"""A maintainer decides requests and grants in the admin."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from accounts.models import OutgoingMail, User
from accounts.tasks import send_mails
from datasets.models import AccessGrant, AccessRequest, DownloadLink
from datasets.services.access import approve_request, decline_request
from datasets.services.maintainers import create_maintainer_groups
from tests.access import asked, granted_by_hand, link_of, reviewed, set_end
from tests.factories import StaffFactory, UserFactory
from tests.maintainers import let_in, maintainer, with_second_factor
from tests.threads import at_once

pytestmark = pytest.mark.django_db

REQUESTS = "admin:datasets_accessrequest_changelist"
GRANTS = "admin:datasets_accessgrant_changelist"


def choose(client: Client, page: str, action: str, rows: list[Any], **answer: str) -> Any:
    """Tick rows of a list and run an action; with `decided` also answer the page that asks."""
    return client.post(reverse(page), {"action": action, "_selected_action": [row.pk for row in rows], **answer})


def told(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def reviewer(client: Client) -> User:
    """Who is in the group Reviewers and may do nothing else."""
    create_maintainer_groups()
    user = with_second_factor(StaffFactory(is_superuser=False))
    user.groups.add(Group.objects.get(name="Reviewers"))
    let_in(client, user)
    return user


class TestRequests:
    def test_the_page_that_asks_says_whom_it_concerns_and_decides_nothing(self, client: Client) -> None:
        maintainer(client)
        request = asked(UserFactory(name="Quiet Reader"), reviewed())

        page = choose(client, REQUESTS, "approve", [request]).content.decode()

        assert "Quiet Reader" in page
        assert request.user.email in page
        assert request.dataset.name in page
        assert AccessRequest.objects.get().status == "pending"

    @pytest.mark.parametrize("decision", ["approve", "decline"])
    def test_the_page_that_asks_shows_the_whole_purpose(self, client: Client, decision: str) -> None:
        maintainer(client)
        request = asked(UserFactory(research_purpose="Knees. " * 200 + "\nThe <last> line."), reviewed())

        page = choose(client, REQUESTS, decision, [request]).content.decode()

        assert "Knees. " * 200 in page
        assert "<br>The &lt;last&gt; line." in page

    def test_addresses_in_messages_keep_their_small_letters(self, client: Client) -> None:
        maintainer(client)
        request = asked(UserFactory(email="quiet@example.org"), reviewed())

        choose(client, REQUESTS, "approve", [request], decided="yes")

        page = client.get(reverse(REQUESTS)).content.decode().partition('class="messagelist"')[2].partition("</ul>")[0]
        assert ">quiet@example.org" in page

    def test_approving_gives_a_grant_and_mails_the_link(self, client: Client) -> None:
        user = maintainer(client)
        request = asked(UserFactory(), reviewed())

        choose(client, REQUESTS, "approve", [request], decided="yes")

        request.refresh_from_db()
        assert (request.status, request.decided_by) == ("approved", user)
        assert AccessGrant.objects.get().user == request.user
        assert OutgoingMail.objects.filter(template="access/link", user=request.user).count() == 1

    def test_declining_asks_for_the_reason(self, client: Client) -> None:
        maintainer(client)
        request = asked(UserFactory(), reviewed())

        page = choose(client, REQUESTS, "decline", [request], decided="yes", reason="  ").content.decode()

        assert "Write the reason" in page
        assert AccessRequest.objects.get().status == "pending"

    def test_declining_keeps_the_reason_and_mails_it(self, client: Client) -> None:
        maintainer(client)
        request = asked(UserFactory(), reviewed())

        choose(client, REQUESTS, "decline", [request], decided="yes", reason="The purpose says too little.")

        request.refresh_from_db()
        assert (request.status, request.reason) == ("declined", "The purpose says too little.")
        assert OutgoingMail.objects.filter(template="access/declined").count() == 1

    def test_a_row_that_another_maintainer_decided_is_named_and_the_rest_goes_on(self, client: Client) -> None:
        maintainer(client)
        dataset = reviewed()
        first, second, third = (asked(UserFactory(), dataset) for _each in range(3))
        decline_request(second, by=StaffFactory(name="Another Maintainer"), reason="Known already.")

        response = choose(client, REQUESTS, "approve", [first, second, third], decided="yes")

        states = dict(AccessRequest.objects.values_list("pk", "status"))
        assert states == {first.pk: "approved", second.pk: "declined", third.pk: "approved"}
        [refusal] = [said for said in told(response) if "declined by Another Maintainer" in said]
        assert second.user.email in refusal
        assert AccessGrant.objects.count() == 2

    def test_a_second_click_changes_nothing(self, client: Client) -> None:
        maintainer(client)
        request = asked(UserFactory(), reviewed())

        for _click in range(2):
            choose(client, REQUESTS, "approve", [request], decided="yes")

        assert AccessGrant.objects.count() == 1
        assert OutgoingMail.objects.filter(template="access/link").count() == 1

    def test_a_request_of_a_disabled_account_is_not_approved(self, client: Client) -> None:
        maintainer(client)
        request = asked(UserFactory(), reviewed())
        User.objects.filter(pk=request.user_id).update(is_active=False)

        response = choose(client, REQUESTS, "approve", [request], decided="yes")

        assert "is disabled" in told(response)[0]
        assert not AccessGrant.objects.exists()

    def test_who_waits_longest_is_first_in_the_queue(self, client: Client) -> None:
        maintainer(client)
        dataset = reviewed()
        first, second = (asked(UserFactory(), dataset) for _each in range(2))

        page = client.get(reverse(REQUESTS), {"status__exact": "pending"}).content.decode()

        assert page.index(first.user.email) < page.index(second.user.email)

    def test_a_worker_is_told_to_look_for_mails(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        hints: list[object] = []
        monkeypatch.setattr("accounts.admin.decisions.hint", hints.append)
        maintainer(client)
        request = asked(UserFactory(), reviewed())

        choose(client, REQUESTS, "approve", [request], decided="yes")

        assert hints == [send_mails]

    def test_the_page_of_a_request_offers_what_can_be_decided(self, client: Client) -> None:
        maintainer(client)
        request = asked(UserFactory(), reviewed())
        path = reverse("admin:datasets_accessrequest_change", args=[request.pk])

        before = client.get(path).content.decode()
        approve_request(request, by=StaffFactory())
        after = client.get(path).content.decode()

        assert "decide/approve/" in before
        assert "decide/decline/" in before
        assert "/decide/" not in after

    def test_deciding_on_the_page_of_a_request_leads_back_to_it(self, client: Client) -> None:
        maintainer(client)
        request = asked(UserFactory(), reviewed())
        path = reverse("admin:datasets_accessrequest_decide", args=[request.pk, "approve"])

        asks = client.get(path)
        response = client.post(path, {"decided": "yes"})

        assert request.user.email in asks.content.decode()
        assert response["Location"] == reverse("admin:datasets_accessrequest_change", args=[request.pk])
        assert AccessRequest.objects.get().status == "approved"

    def test_the_history_says_who_decided(self, client: Client) -> None:
        user = maintainer(client, email="first.maintainer@example.org")
        request = asked(UserFactory(), reviewed())
        choose(client, REQUESTS, "approve", [request], decided="yes")

        page = client.get(reverse("admin:datasets_accessrequest_change", args=[request.pk])).content.decode()

        history = page[page.index(">History</h2>") :]
        assert user.email in history
        assert "status: pending → approved" in history

    def test_the_admin_log_says_what_was_decided(self, client: Client) -> None:
        user = maintainer(client)
        request = asked(UserFactory(), reviewed())

        choose(client, REQUESTS, "approve", [request], decided="yes")

        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id) == (user, str(request.pk))
        assert "approved" in entry.get_change_message()


@pytest.mark.django_db(transaction=True)
class TestTwoMaintainersAtOnce:
    @pytest.fixture
    def clients(self) -> list[Client]:
        clients = [Client(), Client()]
        for client in clients:
            maintainer(client)
        return clients

    def test_each_request_is_decided_once(self, clients: list[Client]) -> None:
        dataset = reviewed()
        requests = [asked(UserFactory(), dataset) for _each in range(5)]

        at_once(
            [
                lambda: choose(clients[0], REQUESTS, "approve", requests, decided="yes"),
                lambda: choose(clients[1], REQUESTS, "decline", requests, decided="yes", reason="No."),
            ]
        )

        approved = AccessRequest.objects.filter(status="approved").count()
        assert AccessGrant.objects.count() == approved
        assert not AccessRequest.objects.pending().exists()
        assert OutgoingMail.objects.filter(template__in=["access/link", "access/declined"]).count() == len(requests)

    def test_neither_waits_for_the_other_for_ever(self, clients: list[Client]) -> None:
        """Their rows are others, but of the same people, in the opposite order."""
        people = UserFactory.create_batch(4)
        first, second = reviewed(), reviewed()
        there = [asked(person, first) for person in people]
        back = [asked(person, second) for person in reversed(people)]

        responses = at_once(
            [
                lambda: choose(clients[0], REQUESTS, "approve", there, decided="yes"),
                lambda: choose(clients[1], REQUESTS, "approve", back, decided="yes"),
            ]
        )

        assert [response.status_code for response in responses] == [302, 302]
        assert AccessGrant.objects.count() == 8


class TestGrants:
    def test_revoking_stops_the_links_and_mails_the_reason(self, client: Client) -> None:
        user = maintainer(client)
        grant = granted_by_hand(UserFactory(), reviewed())
        link = link_of(grant)

        choose(client, GRANTS, "revoke", [grant], decided="yes", reason="The project has closed.")

        grant.refresh_from_db()
        link.refresh_from_db()
        assert (grant.status, grant.reason, grant.revoked_by) == ("revoked", "The project has closed.", user)
        assert link.status == DownloadLink.Status.REVOKED
        assert OutgoingMail.objects.filter(template="access/revoked").count() == 1

    def test_a_reason_cannot_bring_lines_of_its_own_into_the_mail(self, client: Client) -> None:
        maintainer(client)
        grant = granted_by_hand(UserFactory(), reviewed())

        choose(client, GRANTS, "revoke", [grant], decided="yes", reason="Closed.\r\nBcc: everybody@example.org")

        grant.refresh_from_db()
        assert "\n" not in grant.reason
        assert "\r" not in grant.reason

    def test_renewing_moves_the_end(self, client: Client) -> None:
        maintainer(client)
        grant = granted_by_hand(UserFactory(), reviewed())
        set_end(grant, 3)

        choose(client, GRANTS, "renew", [grant], decided="yes")

        grant.refresh_from_db()
        assert grant.days_left > 100

    def test_links_mailed_a_moment_ago_are_not_mailed_again(self, client: Client) -> None:
        maintainer(client)
        grant = granted_by_hand(UserFactory(), reviewed())
        OutgoingMail.objects.all().delete()

        choose(client, GRANTS, "resend-links", [grant], decided="yes")
        response = choose(client, GRANTS, "resend-links", [grant], decided="yes")

        assert OutgoingMail.objects.filter(template="access/link").count() == 1
        assert "a few minutes ago" in told(response)[-1]

    def test_more_rows_than_a_browser_can_wait_for_are_refused(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("accounts.admin.decisions.AT_ONCE", 1)
        maintainer(client)
        grants = [granted_by_hand(UserFactory(), reviewed()) for _each in range(2)]

        response = choose(client, GRANTS, "revoke", grants, decided="yes", reason="Closed.")

        assert told(response) == ["Choose at most 1 rows at once."]
        assert AccessGrant.objects.active().count() == 2


class TestReviewers:
    def test_reviewers_decide_requests(self, client: Client) -> None:
        reviewer(client)
        request = asked(UserFactory(), reviewed())

        choose(client, REQUESTS, "approve", [request], decided="yes")

        assert AccessRequest.objects.get().status == "approved"

    def test_who_may_only_look_decides_nothing(self, client: Client) -> None:
        user = reviewer(client)
        group = Group.objects.get(name="Reviewers")
        group.permissions.remove(group.permissions.get(codename="change_accessrequest"))
        request = asked(UserFactory(), reviewed())
        path = reverse("admin:datasets_accessrequest_decide", args=[request.pk, "approve"])

        responses = [client.get(path), client.post(path, {"decided": "yes"})]
        choose(client, REQUESTS, "approve", [request], decided="yes")

        assert [response.status_code for response in responses] == [403, 403]
        assert AccessRequest.objects.get().status == "pending"
        assert not AccessGrant.objects.filter(user=user).exists()

    def test_reviewers_do_not_reach_what_is_not_theirs(self, client: Client) -> None:
        reviewer(client)
        user = UserFactory()

        refused = [
            client.post(reverse("admin:accounts_user_change", args=[user.pk]), {"is_superuser": "on"}),
            client.get(reverse("admin:accounts_user_decide", args=[user.pk, "disable"])),
            client.get(reverse("admin:datasets_dataset_add")),
            client.get(reverse("admin:auth_group_changelist")),
            client.get(reverse("admin:admin_logentry_changelist")),
        ]

        assert [response.status_code for response in refused] == [403] * 5

    @pytest.mark.parametrize("page", [REQUESTS, GRANTS])
    def test_lists_are_found_by_the_persons_words(self, page: str, client: Client) -> None:
        reviewer(client)
        dataset = reviewed()
        for name in ("Researcher Zürich", "Researcher Łódź"):
            approve_request(asked(UserFactory(name=name), dataset), by=StaffFactory())

        found = client.get(reverse(page), {"q": "zuri"}).content.decode()

        assert "Researcher Zürich" in found
        assert "Łódź" not in found
