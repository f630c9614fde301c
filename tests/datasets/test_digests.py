"""The daily mail to reviewers: to each once a day, while something waits, and it names nobody."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.test import Client

from accounts.exceptions import Obsolete
from accounts.mail.letters import letter
from accounts.models import OutgoingMail, User
from accounts.services.announcements import resume_digest, stop_digest
from datasets.models import AccessRequest
from datasets.services.access import decline_request, reviewers, tell_reviewers, withdraw_request
from datasets.services.maintainers import create_maintainer_groups
from datasets.tasks import tell_reviewers as the_task
from tests.access import asked, reviewed
from tests.factories import AccessRequestFactory, BounceFactory, StaffFactory, UserFactory
from tests.letters import parsed, text_of, wire
from tests.maintainers import maintainer
from tests.threads import at_once

pytestmark = pytest.mark.django_db
MORNING = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)


def digests() -> list[str]:
    return sorted(OutgoingMail.objects.filter(template="access/waiting").values_list("to", flat=True))


def in_group(name: str, **facts: object) -> User:
    create_maintainer_groups()
    user: User = StaffFactory(is_superuser=False, **facts)
    user.groups.add(Group.objects.get(name=name))
    return user


def text_for(user: User) -> str:
    mail = OutgoingMail.objects.filter(template="access/waiting", user=user).latest("pk")
    return text_of(parsed(wire(letter(mail))))


@time_machine.travel(MORNING)
def test_each_reviewer_is_told_once_a_day() -> None:
    first, second = in_group("Reviewers"), StaffFactory()
    request = AccessRequestFactory()
    for _run in range(3):
        tell_reviewers()
    assert digests() == sorted([first.email, second.email])
    with time_machine.travel(MORNING + timedelta(days=1)):
        tell_reviewers()
        assert len(digests()) == 4
    with time_machine.travel(MORNING + timedelta(days=2)):
        withdraw_request(request, by=request.user)
        assert not tell_reviewers()
        assert len(digests()) == 4


@time_machine.travel(MORNING)
def test_nothing_is_sent_while_nothing_waits() -> None:
    StaffFactory()
    decline_request(AccessRequestFactory(), by=StaffFactory(), reason="So.")
    assert not tell_reviewers()
    assert digests() == []


def test_nothing_is_sent_at_night() -> None:
    StaffFactory()
    AccessRequestFactory()
    with time_machine.travel(MORNING.replace(hour=5, minute=59)):
        assert not tell_reviewers()
    assert digests() == []


@time_machine.travel(MORNING)
def test_who_may_not_decide_or_wants_none_or_cannot_be_reached_is_not_told() -> None:
    AccessRequestFactory()
    told = in_group("Reviewers")
    in_group("Curators")
    UserFactory()
    StaffFactory(is_active=False)
    unwilling, unreachable, left = (in_group("Reviewers") for _each in range(3))
    stop_digest(unwilling)
    BounceFactory(user=unreachable)
    User.objects.filter(pk=left.pk).update(is_staff=False)
    tell_reviewers()
    assert digests() == [told.email]
    resume_digest(unwilling)
    assert set(reviewers()) == {told, unwilling}


@time_machine.travel(MORNING)
def test_it_says_how_many_wait_for_what_and_names_nobody() -> None:
    reviewer = in_group("Reviewers")
    knee, brain = reviewed(name="Knee"), reviewed(name="Brain")
    people = UserFactory.create_batch(3, name="Secret Person", institution="Secret Institute")
    requests = [asked(people[0], knee), asked(people[1], knee), asked(people[2], brain)]
    AccessRequest.objects.filter(pk=requests[2].pk).update(created_at=MORNING - timedelta(days=9))
    tell_reviewers()
    text = text_for(reviewer)
    assert "three requests wait for a decision, the oldest since 17 November 2026; one of them" in text.replace(
        "\n", " "
    )
    assert text.index("- Brain: 1, the oldest since 17 November 2026") < text.index("- Knee: 2, the oldest since 26")
    assert "/admin/datasets/accessrequest/" in text
    for secret in ("Secret", *(person.email for person in people), "undersampled"):
        assert secret not in text


@time_machine.travel(MORNING)
def test_one_that_waits_for_long_is_not_one_of_them() -> None:
    reviewer, request = in_group("Reviewers"), AccessRequestFactory()
    AccessRequest.objects.filter(pk=request.pk).update(created_at=MORNING - timedelta(days=9))
    tell_reviewers()
    text = text_for(reviewer).replace("\n", " ")
    assert "one request waits for a decision, since 17 November 2026: for more than seven days." in text


@time_machine.travel(MORNING)
@pytest.mark.parametrize("change", ["decided", "stopped", "demoted", "unreachable"])
def test_what_is_no_longer_so_when_it_is_sent_is_not_sent(change: str) -> None:
    reviewer, request = in_group("Reviewers"), AccessRequestFactory()
    tell_reviewers()
    mail = OutgoingMail.objects.get(template="access/waiting")
    if change == "decided":
        decline_request(request, by=reviewer, reason="So.")
    elif change == "stopped":
        stop_digest(reviewer)
    elif change == "unreachable":
        BounceFactory(user=reviewer)
    else:
        reviewer.groups.clear()
    mail = OutgoingMail.objects.get(pk=mail.pk)
    with pytest.raises(Obsolete):
        letter(mail)


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_tell_each_reviewer_once() -> None:
    people = StaffFactory.create_batch(20)
    AccessRequestFactory()
    with time_machine.travel(MORNING, tick=False):
        outcomes = at_once([tell_reviewers, tell_reviewers, the_task])
    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    assert digests() == sorted(person.email for person in people)


def test_a_reviewer_stops_and_resumes_it_in_the_profile(client: Client) -> None:
    user = maintainer(client)
    assert "Send me no daily mail" in client.get("/accounts/profile/").content.decode()
    client.post("/accounts/profile/digest/")
    user.refresh_from_db()
    assert user.undigested_at is not None
    assert "Send it again" in client.get("/accounts/profile/").content.decode()
    client.post("/accounts/profile/digest/", {"again": "yes"})
    user.refresh_from_db()
    assert user.undigested_at is None


def test_nobody_else_is_asked_about_it(client: Client) -> None:
    client.force_login(UserFactory())
    assert "h-digest" not in client.get("/accounts/profile/").content.decode()
