"""Where a person stands, how long others waited, and who is reminded of an end."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import OutgoingMail, User
from datasets import tasks
from datasets.models import AccessGrant, AccessRequest, Dataset
from datasets.services.access import decline_request, renew_grant, revoke_grant, withdraw_request
from datasets.services.access.reminders import remind_of_ends
from datasets.services.access.standings import State, standing_of, standings_of, waiting_times
from tests.access import asked, granted, granted_by_hand, offered, publish_next, reviewed, set_end, sign
from tests.factories import AccessRequestFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return UserFactory()


class TestStandings:
    def test_from_visitor_to_holder(self, user: User) -> None:
        dataset = reviewed()
        seen = [standing_of(AnonymousUser(), dataset).state, standing_of(user, dataset).state]
        asked(user, dataset)
        seen.append(standing_of(user, dataset).state)
        seen.append(standing_of(granted_by_hand(UserFactory(), dataset).user, dataset).state)

        assert seen == [State.NONE, State.UNSIGNED, State.PENDING, State.ACTIVE]

    def test_who_signed_for_another_dataset_has_signed(self, user: User) -> None:
        knee = offered()
        brain = reviewed(agreement=knee.agreement)
        sign(user, knee)

        assert standing_of(user, brain).state == State.SIGNED

    @pytest.mark.parametrize(
        ("days", "state"), [(15, State.ACTIVE), (13, State.ENDING), (0.1, State.ENDING), (-0.1, State.ENDED)]
    )
    def test_the_end_is_a_date(self, user: User, days: float, state: State) -> None:
        dataset = offered()
        set_end(granted(user, dataset), days)

        assert standing_of(user, dataset).state == state

    def test_declined_revoked_and_withdrawn(self, user: User) -> None:
        maintainer = StaffFactory()
        declined, revoked, withdrawn = reviewed(), reviewed(), reviewed()
        decline_request(asked(user, declined), by=maintainer, reason="Too short.")
        revoke_grant(granted_by_hand(user, revoked), by=maintainer, reason="Closed.")
        withdraw_request(asked(user, withdrawn), by=user)

        assert [standing_of(user, dataset).state for dataset in (declined, revoked, withdrawn)] == [
            State.DECLINED,
            State.REVOKED,
            State.SIGNED,
        ]

    def test_the_newest_refusal_counts(self, user: User) -> None:
        maintainer, dataset = StaffFactory(), reviewed()
        revoke_grant(granted_by_hand(user, dataset), by=maintainer, reason="Closed.")
        decline_request(asked(user, dataset), by=maintainer, reason="Still closed.")

        assert standing_of(user, dataset).state == State.DECLINED

    def test_a_required_version_that_is_unsigned(self, user: User) -> None:
        dataset = offered()
        granted(user, dataset)
        publish_next(dataset)

        standing = standing_of(user, dataset)

        assert standing.state == State.NEW_VERSION
        assert standing.to_sign is not None
        assert standing.to_sign.number == 2
        assert not standing.can_renew

    def test_a_version_that_comes_later_leaves_access_active(self, user: User) -> None:
        dataset = offered()
        granted(user, dataset)
        publish_next(dataset, due_in=timedelta(days=3))

        standing = standing_of(user, dataset)

        assert standing.state == State.ACTIVE
        assert standing.required_from is not None

    def test_renewing_is_offered_when_it_gains_a_day(self, user: User) -> None:
        dataset = offered()
        grant = granted(user, dataset)
        assert not standing_of(user, dataset).can_renew

        set_end(grant, 100)

        assert standing_of(user, dataset).can_renew

    def test_the_place_counts_the_older_requests_for_the_dataset(self, user: User) -> None:
        dataset, other = reviewed(), reviewed()
        asked(UserFactory(), dataset)
        withdraw_request(asked(person := UserFactory(), dataset), by=person)
        asked(UserFactory(), other)
        asked(user, dataset)
        asked(UserFactory(), dataset)

        assert standing_of(user, dataset).place == 1

    def test_what_can_be_used_comes_first(self, user: User) -> None:
        ended, pending, active = offered(), reviewed(), offered()
        set_end(granted(user, ended), -1)
        asked(user, pending)
        granted(user, active)
        offered()

        assert [standing.dataset for standing in standings_of(user)] == [active, pending, ended]

    def test_the_number_of_queries_does_not_grow(
        self, user: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(6):
            granted_by_hand(user, reviewed())
            asked(user, reviewed())

        dataset = Dataset.objects.latest("pk")
        with django_assert_num_queries(6):
            standings_of(user)
        with django_assert_num_queries(5):
            standing_of(user, dataset)


class TestWaitingTimes:
    # A Friday.
    NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

    @pytest.fixture(autouse=True)
    def _friday(self) -> object:
        with time_machine.travel(self.NOW, tick=False):
            yield

    def decided(self, dataset: Dataset, days: float, **facts: object) -> None:
        """A request that waited so many calendar days for its answer on Friday noon."""
        given = {"status": "approved", "decided_by": StaffFactory(), "decided_at": self.NOW} | facts
        AccessRequestFactory(dataset=dataset, created_at=self.NOW - timedelta(days=days), **given)

    def test_unknown_is_none(self) -> None:
        times = waiting_times(reviewed())

        assert (times.pending, times.decided, times.median, times.ninth_decile) == (0, 0, None, None)
        assert times.median_words == ""

    @pytest.mark.parametrize(
        ("days", "working"), [(0.1, 0), (1, 1), (4, 4), (5, 5), (6, 5), (7, 5), (8, 6), (14, 10), (30, 22)]
    )
    def test_saturdays_and_sundays_do_not_count(self, days: float, working: int) -> None:
        dataset = reviewed()
        self.decided(dataset, days)

        assert waiting_times(dataset).median == working

    def test_median_and_ninth_decile(self) -> None:
        dataset = reviewed()
        for days in (0, 1, 1, 2, 2, 2, 3, 3, 4, 11):
            self.decided(dataset, days)

        times = waiting_times(dataset)

        assert (times.decided, times.median, times.ninth_decile) == (10, 2, 4)
        assert (times.median_words, times.ninth_decile_words) == ("two working days", "four working days")

    def test_only_what_people_decided_lately_counts(self) -> None:
        dataset = reviewed()
        self.decided(dataset, 3, decided_by=None)
        self.decided(dataset, 3, status="withdrawn")
        self.decided(dataset, 120, decided_at=self.NOW - timedelta(days=91))
        self.decided(reviewed(), 3)

        assert waiting_times(dataset).decided == 0


class TestReminders:
    @pytest.fixture
    def grant(self, user: User) -> AccessGrant:
        grant = granted(user, offered(access_days=180))
        OutgoingMail.objects.all().delete()
        return grant

    def test_reminded_sixty_and_fourteen_days_before_once_each(self, grant: AccessGrant) -> None:
        start = timezone.now()
        queued = {}
        for day in range(182):
            with time_machine.travel(start + timedelta(days=day), tick=False):
                queued[day] = remind_of_ends() + remind_of_ends()

        assert {day for day, count in queued.items() if count} == {120, 166}
        assert OutgoingMail.objects.filter(template="access/ends").count() == 2

    def test_after_an_outage_only_the_reminder_of_the_day_is_sent(self, grant: AccessGrant) -> None:
        set_end(grant, 10)

        assert (remind_of_ends(), remind_of_ends()) == (1, 0)

    def test_a_renewal_arms_them_again(self, user: User, grant: AccessGrant) -> None:
        set_end(grant, 10)
        remind_of_ends()
        renew_grant(grant, by=user)
        assert remind_of_ends() == 0

        with time_machine.travel(timezone.now() + timedelta(days=170)):
            assert remind_of_ends() == 1

    def test_the_task_may_run_twice(self, grant: AccessGrant) -> None:
        set_end(grant, 10)

        tasks.remind_of_ends()
        tasks.remind_of_ends()

        assert OutgoingMail.objects.filter(template="access/ends").count() == 1

    def test_short_access_is_not_reminded_of_a_far_end(self, user: User) -> None:
        granted(user, offered(access_days=30))

        assert remind_of_ends() == 0

    def test_what_ended_was_revoked_or_is_disabled_is_left_alone(self, grant: AccessGrant) -> None:
        set_end(grant, -1)
        revoke_grant(set_end(granted(UserFactory(), grant.dataset), 10), by=StaffFactory(), reason="Closed.")
        disabled = UserFactory()
        set_end(granted(disabled, grant.dataset), 10)
        User.objects.filter(pk=disabled.pk).update(is_active=False)

        assert remind_of_ends() == 0

    def test_many_are_reminded_in_batches(self, grant: AccessGrant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("datasets.services.access.reminders.BATCH", 3)
        for person in UserFactory.create_batch(8):
            AccessGrant.objects.create(user=person, dataset=grant.dataset, ends_at=timezone.now() + timedelta(days=13))

        assert (remind_of_ends(), remind_of_ends()) == (8, 0)


def test_requests_keep_the_purpose_that_they_were_sent_with(user: User) -> None:
    asked(user, reviewed())
    user.research_purpose = "Something else."
    user.save()

    assert AccessRequest.objects.get().purpose != user.research_purpose
