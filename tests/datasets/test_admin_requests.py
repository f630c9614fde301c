"""The queue of requests: what waits and for how long, what a reviewer would look up, and many decisions at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import OutgoingMail, User
from datasets.models import AccessGrant, AccessRequest
from datasets.services.access import approve_request, decline_request, hints_for, withdraw_request
from datasets.services.access.domains import is_free_mail
from tests.access import asked, reviewed
from tests.datasets.test_admin_access import choose, told
from tests.factories import AccessGrantFactory, AccessRequestFactory, BounceFactory, StaffFactory, UserFactory
from tests.maintainers import let_in, maintainer, with_second_factor
from tests.threads import at_once

pytestmark = pytest.mark.django_db
REQUESTS = "admin:datasets_accessrequest_changelist"


def lines(request: AccessRequest) -> list[str]:
    return hints_for([request])[request.pk].lines


def listed(client: Client, **narrowed: Any) -> str:
    page = client.get(reverse(REQUESTS), narrowed).content.decode()
    return page.partition('id="result_list"')[2].partition("</table>")[0]


def decided(status: str, **facts: Any) -> AccessRequest:
    request: AccessRequest = AccessRequestFactory(status=status, decided_at=timezone.now(), reason="So.", **facts)
    return request


# The list -----------------------------------------------------------------------------------------------------


def test_the_list_shows_what_waits_and_the_oldest_first(client: Client) -> None:
    maintainer(client)
    first, second, done = AccessRequestFactory(), AccessRequestFactory(), decided("declined")
    page = listed(client)
    assert page.index(first.user.email) < page.index(second.user.email)
    assert done.user.email not in page


@pytest.mark.parametrize(
    ("narrowed", "seen"),
    [
        ({"status__exact": "all"}, {"pending", "declined", "approved"}),
        ({"status__exact": "declined"}, {"declined"}),
        ({"status__exact": "nonsense"}, {"pending"}),
        ({"q": "researcher"}, {"pending", "declined", "approved"}),
        ({"q": "researcher", "status__exact": "approved"}, {"approved"}),
        ({}, {"pending"}),
    ],
)
def test_the_list_shows_others_when_asked(client: Client, narrowed: dict[str, str], seen: set[str]) -> None:
    maintainer(client)
    rows: dict[str, AccessRequest] = {
        "pending": AccessRequestFactory(),
        "declined": decided("declined"),
        "approved": decided("approved"),
    }
    page = listed(client, **narrowed)
    assert {name for name, row in rows.items() if row.user.email in page} == seen


def test_a_persons_requests_are_all_shown(client: Client) -> None:
    maintainer(client)
    request = decided("declined")
    assert request.dataset.name in listed(client, user__id__exact=request.user_id)


def test_what_waits_for_long_says_so_in_words(client: Client) -> None:
    maintainer(client)
    AccessRequestFactory(created_at=timezone.now() - timedelta(days=8))
    assert "over 7 days" in listed(client)
    AccessRequest.objects.update(created_at=timezone.now() - timedelta(days=6))
    assert "over 7 days" not in listed(client)


def test_what_was_decided_has_not_waited_for_long(client: Client) -> None:
    maintainer(client)
    decided("declined", created_at=timezone.now() - timedelta(days=30))
    assert "over 7 days" not in listed(client, status__exact="all")


def test_the_list_costs_the_same_queries_however_much_waits(client: Client) -> None:
    maintainer(client)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            listed(client)
        return len(seen)

    AccessRequestFactory()
    few = queries()
    for number in range(20):
        request = AccessRequestFactory(user__email=f"person@site{number}.example.org", user__name="Same Name")
        decided("declined", user=request.user)
        BounceFactory(user=request.user)
    assert queries() == few


# Hints --------------------------------------------------------------------------------------------------------


def test_an_institutions_domain_says_who_else_has_access() -> None:
    request = AccessRequestFactory(user__email="a@radiology.example.edu")
    assert "radiology.example.edu: nobody else has access" in lines(request)
    for number in range(2):
        AccessGrantFactory(user=UserFactory(email=f"b{number}@radiology.example.edu"))
    ended = AccessGrantFactory(user=UserFactory(email="c@radiology.example.edu"))
    past = timezone.now() - timedelta(days=2)
    AccessGrant.objects.filter(pk=ended.pk).update(starts_at=past - timedelta(days=9), ends_at=past)
    AccessGrantFactory(user=UserFactory(email="d@other.example.edu"))
    assert "radiology.example.edu: 2 others have access" in lines(request)


def test_the_persons_own_access_does_not_count_as_anothers() -> None:
    request = AccessRequestFactory(user__email="a@radiology.example.edu")
    AccessGrantFactory.create_batch(2, user=request.user)
    assert "radiology.example.edu: nobody else has access" in lines(request)


def test_very_many_of_a_domain_are_counted_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.services.access.hints.COUNTED", 2)
    request = AccessRequestFactory(user__email="a@radiology.example.edu")
    for number in range(5):
        AccessGrantFactory(user=UserFactory(email=f"b{number}@radiology.example.edu"))
    assert "radiology.example.edu: more than 2 others have access" in lines(request)


@pytest.mark.parametrize(
    ("domain", "free"),
    [("gmail.com", True), ("qq.com", True), ("example.edu", False), ("gmail.com.example.org", False), ("", False)],
)
def test_free_mail_is_a_kept_list(domain: str, free: bool) -> None:
    assert is_free_mail(domain) == free


def test_free_mail_says_so_and_counts_nobody() -> None:
    request = AccessRequestFactory(user__email="somebody@gmail.com")
    AccessGrantFactory(user=UserFactory(email="another@gmail.com"))
    assert "gmail.com: free mail" in lines(request)
    assert not [line for line in lines(request) if "others" in line]


def test_what_the_profile_lacks_is_said() -> None:
    request = AccessRequestFactory()
    User.objects.filter(pk=request.user_id).update(country="", institution="")
    request.user.refresh_from_db()
    assert "profile lacks: institution, country of the institution" in lines(request)


def test_former_requests_are_told_by_what_became_of_them() -> None:
    dataset = reviewed(name="Knee")
    user = UserFactory()
    boss = StaffFactory()
    for _time in range(2):
        decline_request(asked(user, dataset), by=boss, reason="The purpose says too little.")
    withdraw_request(asked(user, dataset), by=user)
    request = asked(user, dataset)
    assert {"was declined for Knee 2 times", "withdrew a request for Knee"} <= set(lines(request))


def test_another_account_of_the_same_name_is_told_and_whether_it_has_access() -> None:
    request = AccessRequestFactory(user__name="Robin Reader")
    assert not [line for line in lines(request) if "this name" in line]
    UserFactory(name="robin READER")
    AccessGrantFactory(user=UserFactory(name="Robin Reader"))
    assert "2 other accounts have this name, 1 with access" in lines(request)


def test_people_without_a_name_are_not_alike() -> None:
    request = AccessRequestFactory(user__name="")
    UserFactory(name="")
    assert not [line for line in lines(request) if "this name" in line]


def test_mail_that_comes_back_is_told() -> None:
    request = AccessRequestFactory()
    BounceFactory(user=request.user)
    assert "mail to the address comes back" in lines(request)


def test_the_page_of_a_request_names_people_alike(client: Client) -> None:
    maintainer(client)
    request = AccessRequestFactory(user__name="Robin Reader", user__email="robin@lab.example.edu")
    same = UserFactory(name="Robin Reader", email="r.reader@elsewhere.example.edu")
    near = AccessGrantFactory(user=UserFactory(email="near@lab.example.edu")).user
    decline_request(AccessRequestFactory(user=request.user), by=StaffFactory(), reason="Too <little> said.")
    page = client.get(reverse("admin:datasets_accessrequest_change", args=[request.pk])).content.decode()
    alike = page[page.index("People alike") :]
    assert same.email in alike
    assert near.email in alike
    assert "Too &lt;little&gt; said." in page


def test_people_alike_are_named_to_those_alone_who_may_see_people(client: Client) -> None:
    user = with_second_factor(StaffFactory(is_superuser=False))
    user.user_permissions.add(Permission.objects.get(codename="view_accessrequest"))
    let_in(client, user)
    request = AccessRequestFactory(user__name="Robin Reader")
    same = UserFactory(name="Robin Reader", email="r.reader@elsewhere.example.edu")
    page = client.get(reverse("admin:datasets_accessrequest_change", args=[request.pk])).content.decode()
    assert request.user.email in page
    assert same.email not in page


# Many at once ---------------------------------------------------------------------------------------------------


def test_the_page_that_asks_lists_all_with_their_hints(client: Client) -> None:
    maintainer(client)
    requests = [AccessRequestFactory(user__email=f"p{number}@gmail.com") for number in range(3)]
    page = choose(client, REQUESTS, "decline", requests).content.decode()
    assert page.count("gmail.com: free mail") == 3
    assert page.count('name="_selected_action"') == 3
    assert AccessRequest.objects.pending().count() == 3


def test_the_page_that_asks_says_what_is_decided_already(client: Client) -> None:
    maintainer(client)
    open_one, done = AccessRequestFactory(), decided("declined")
    page = choose(client, REQUESTS, "approve", [open_one, done]).content.decode()
    assert "declined already" in page


def test_the_page_that_asks_costs_the_same_queries_for_many(client: Client) -> None:
    maintainer(client)
    requests = AccessRequestFactory.create_batch(12)

    def queries(rows: list[AccessRequest]) -> int:
        with CaptureQueriesContext(connection) as seen:
            choose(client, REQUESTS, "decline", rows)
        return len(seen)

    assert queries(requests) == queries(requests[:1])


def test_one_reason_declines_many_and_each_is_mailed(client: Client) -> None:
    maintainer(client)
    requests = AccessRequestFactory.create_batch(3)
    choose(client, REQUESTS, "decline", requests, decided="yes", reason="Say what you want to measure.")
    assert set(AccessRequest.objects.values_list("status", "reason")) == {("declined", "Say what you want to measure.")}
    assert OutgoingMail.objects.filter(template="access/declined").count() == 3


def test_a_reason_may_stay_with_what_is_approved(client: Client) -> None:
    maintainer(client)
    requests = [asked(UserFactory(), reviewed()) for _each in range(2)]
    choose(client, REQUESTS, "approve", requests, decided="yes", reason="Known from the workshop.")
    assert set(AccessRequest.objects.values_list("status", "reason")) == {("approved", "Known from the workshop.")}
    assert AccessGrant.objects.count() == 2


@pytest.mark.parametrize("reason", ["x" * 501, "\0", "x" * 5_000])
def test_an_odd_reason_is_asked_for_again_and_decides_nothing(client: Client, reason: str) -> None:
    maintainer(client)
    request = AccessRequestFactory()
    page = choose(client, REQUESTS, "decline", [request], decided="yes", reason=reason)
    assert page.status_code == 200
    assert AccessRequest.objects.get().status == "pending"


def test_choosing_all_of_the_queue_leaves_out_what_is_decided(client: Client) -> None:
    maintainer(client)
    waiting, done = AccessRequestFactory(), decided("declined")
    sent = {"action": "decline", "_selected_action": [waiting.pk], "select_across": "1", "index": "0"}
    page = client.post(reverse(REQUESTS), sent).content.decode()
    assert waiting.user.email in page
    assert done.user.email not in page


@pytest.mark.parametrize("across", [{}, {"select_across": "1", "index": "0"}])
def test_choosing_what_is_not_there_any_more_says_so(client: Client, across: dict[str, str]) -> None:
    maintainer(client)
    sent = {"action": "decline", "_selected_action": ["99999999"], **across}
    response = client.post(reverse(REQUESTS), sent)
    assert response.status_code == 302
    assert any("Nothing was chosen that is still there" in said for said in told(response))


def test_a_double_submit_decides_and_mails_once(client: Client) -> None:
    maintainer(client)
    requests = AccessRequestFactory.create_batch(3)
    for _click in range(2):
        choose(client, REQUESTS, "decline", requests, decided="yes", reason="No.")
    assert OutgoingMail.objects.filter(template="access/declined").count() == 3


def test_what_changed_meanwhile_is_told_and_left_alone(client: Client) -> None:
    maintainer(client)
    first, gone = asked(UserFactory(), reviewed()), asked(UserFactory(), reviewed())
    withdraw_request(gone, by=gone.user)
    response = choose(client, REQUESTS, "approve", [first, gone], decided="yes")
    assert any(gone.user.email in said and "withdrawn" in said for said in told(response))
    assert dict(AccessRequest.objects.values_list("pk", "status")) == {first.pk: "approved", gone.pk: "withdrawn"}


@pytest.mark.django_db(transaction=True)
def test_many_decisions_and_their_people_meet(client: Client) -> None:
    """Two maintainers decide the same requests, while some of their people take theirs back."""
    clients = [Client(), Client()]
    for each in clients:
        maintainer(each)
    dataset = reviewed()
    requests = [asked(UserFactory(), dataset) for _each in range(6)]

    def take_back() -> None:
        for request in requests[:2]:
            withdraw_request(request, by=request.user)

    at_once(
        [
            lambda: choose(clients[0], REQUESTS, "approve", requests, decided="yes"),
            lambda: choose(clients[1], REQUESTS, "decline", requests[::-1], decided="yes", reason="No."),
            take_back,
        ]
    )

    states = list(AccessRequest.objects.values_list("status", flat=True))
    assert "pending" not in states
    assert AccessGrant.objects.count() == states.count("approved")
    assert OutgoingMail.objects.filter(template="access/declined").count() == states.count("declined")
    assert OutgoingMail.objects.filter(template="access/link").count() == states.count("approved")


def test_approving_without_a_reason_needs_none() -> None:
    grant = approve_request(asked(UserFactory(), reviewed()), by=StaffFactory())
    assert grant.request is not None
    assert grant.request.reason == ""
