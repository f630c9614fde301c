"""Notices of new agreement versions: when they are written, whom they reach, and that they get through to each once."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from celery import Task
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AgreementVersion, OutgoingMail, User
from accounts.services.agreements import publish_version
from accounts.tasks import sweep
from datasets.models import AccessGrant, Dataset, Notice
from datasets.services.access import revoke_grant
from datasets.services.notices import announce_versions, concern_of, people_to_reach, send_due_notices, sending
from datasets.tasks import send_notices
from tests.access import disabled, granted, granted_by_hand, offered, publish_next, set_end, sign
from tests.factories import (
    AccessGrantFactory,
    AgreementFactory,
    AgreementVersionFactory,
    SignatureFactory,
    StaffFactory,
    UserFactory,
)
from tests.killing import Killed, has_survived, killed_at, let_leases_run_out
from tests.maintainers import maintainer
from tests.threads import at_once

pytestmark = pytest.mark.django_db
DAYS = timedelta(days=1)


@pytest.fixture
def dataset() -> Dataset:
    return offered(name="Knee")


def draft(dataset: Dataset, **facts: Any) -> AgreementVersion:
    last = dataset.agreement.versions.latest_first().first()
    assert last is not None
    given = {"status": "draft", "published_at": None, "required_from": None, "number": last.number + 1}
    return AgreementVersionFactory(agreement=dataset.agreement, **given | facts)


def published(dataset: Dataset, **facts: Any) -> AgreementVersion:
    return publish_version(draft(dataset, **facts), by=StaffFactory())


def signers(dataset: Dataset, number: int) -> list[User]:
    """People whose access runs on the strength of the version before."""
    version = dataset.agreement.versions.get()
    people = UserFactory.create_batch(number)
    for user in people:
        SignatureFactory(user=user, version=version)
        AccessGrantFactory(user=user, dataset=dataset)
    return people


def mailed(template: str = "agreement/new_version") -> Counter[str]:
    return Counter(OutgoingMail.objects.filter(template=template).values_list("to", flat=True))


class TestWhom:
    def test_everybody_whose_access_runs_and_who_has_not_signed(self, dataset: Dataset) -> None:
        [asked] = signers(dataset, 1)
        disabled(granted(UserFactory(), dataset))
        set_end(granted(UserFactory(), dataset), -1)
        revoke_grant(granted(UserFactory(), dataset), by=StaffFactory(), reason="It was given by mistake.")
        granted(UserFactory(), offered())
        signed = granted(UserFactory(), dataset).user
        version = published(dataset)
        sign(signed, dataset)

        send_notices()

        assert mailed() == {asked.email: 1}
        assert list(people_to_reach(version)) == [asked]

    def test_somebody_with_several_datasets_under_one_agreement_gets_one_mail(self, dataset: Dataset) -> None:
        user = granted(UserFactory(), dataset).user
        granted(user, offered(agreement=dataset.agreement))
        published(dataset)

        send_notices()

        assert mailed() == {user.email: 1}
        assert Notice.objects.get(kind="agreement").reached == 1

    def test_a_later_version_that_was_signed_suffices(self, dataset: Dataset) -> None:
        user = granted(UserFactory(), dataset).user
        version = published(dataset)
        published(dataset)
        sign(user, dataset)

        assert not people_to_reach(version).exists()

    def test_access_that_was_decided_by_hand_counts_as_well(self) -> None:
        brain = offered(Dataset.AccessPolicy.REVIEWED)
        user = granted_by_hand(UserFactory(), brain).user
        published(brain)

        send_notices()

        assert mailed() == {user.email: 1}


class TestWhen:
    def test_an_editorial_version_mails_nobody(self, dataset: Dataset) -> None:
        signers(dataset, 2)
        version = published(dataset, editorial=True)

        send_notices()

        assert not Notice.objects.exists()
        assert mailed() == {}
        assert not people_to_reach(version).exists()

    def test_the_first_version_of_an_agreement_announces_itself_to_nobody(self) -> None:
        publish_version(
            AgreementVersionFactory(number=1, status="draft", published_at=None, required_from=None), by=StaffFactory()
        )
        send_notices()
        assert not Notice.objects.exists()

    @pytest.mark.parametrize(("days", "announced"), [(13, 1), (15, 0)])
    def test_a_version_from_before_there_were_notices_is_no_news(
        self, dataset: Dataset, days: int, announced: int
    ) -> None:
        signers(dataset, 1)
        draft(dataset, status="published", published_at=timezone.now() - days * DAYS, required_from=timezone.now())

        send_notices()

        assert mailed().total() == announced

    def test_each_version_has_one_notice_however_often_and_by_how_many_it_is_looked_for(self, dataset: Dataset) -> None:
        version = published(dataset)

        assert [announce_versions(), announce_versions()] == [1, 0]
        Notice.objects.bulk_create([Notice(kind="agreement", version=version)], ignore_conflicts=True)

        assert Counter(Notice.objects.values_list("kind", flat=True)) == {"agreement": 1, "agreement-due": 1}

    def test_of_two_versions_published_together_the_newer_one_is_announced(self, dataset: Dataset) -> None:
        signers(dataset, 1)
        published(dataset)
        newer = published(dataset)

        send_notices()

        assert set(Notice.objects.values_list("version", flat=True)) == {newer.pk}
        assert mailed().total() == 1

    def test_an_editorial_version_on_top_hides_none_that_must_be_signed(self, dataset: Dataset) -> None:
        signers(dataset, 1)
        binding = published(dataset)
        published(dataset, editorial=True)

        send_notices()

        assert Notice.objects.get(kind="agreement").version == binding
        assert mailed().total() == 1

    def test_drafts_are_not_announced(self, dataset: Dataset) -> None:
        draft(dataset)
        assert announce_versions() == 0

    def test_the_sweeper_hints_as_long_as_a_version_has_no_notice(
        self, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]
    ) -> None:
        names: list[str] = []
        monkeypatch.setattr(Task, "apply_async", lambda task, **_options: names.append(task.name))
        published(dataset)

        with django_capture_on_commit_callbacks(execute=True):
            sweep()
        assert send_notices.name in names

        send_notices()
        names.clear()
        with django_capture_on_commit_callbacks(execute=True):
            sweep()
        assert send_notices.name not in names

    def test_publishing_in_the_admin_hints_at_the_sweeper_at_once(
        self,
        client: Client,
        dataset: Dataset,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Callable[..., Any],
    ) -> None:
        names: list[str] = []
        monkeypatch.setattr(Task, "apply_async", lambda task, **_options: names.append(task.name))
        maintainer(client)
        path = reverse("admin:accounts_agreementversion_decide", args=[draft(dataset).pk, "publish"])

        with django_capture_on_commit_callbacks(execute=True):
            client.post(path, {"decided": "yes"})

        assert sweep.name in names


class TestReminder:
    def due(self, dataset: Dataset) -> Notice:
        """The reminder, three days before the day."""
        version = published(dataset)
        send_notices()
        AgreementVersion.objects.filter(pk=version.pk).update(required_from=timezone.now() + 3 * DAYS)
        notice = Notice.objects.get(kind="agreement-due")
        assert version.required_from is not None
        assert notice.due_at == version.required_from - 3 * DAYS
        Notice.objects.filter(pk=notice.pk).update(due_at=timezone.now())
        return notice

    def test_who_has_not_signed_three_days_before_is_reminded_and_nobody_else(self, dataset: Dataset) -> None:
        waits, signs = signers(dataset, 2)
        self.due(dataset)
        sign(signs, dataset)

        send_notices()
        send_notices()

        assert mailed("agreement/new_version_due") == {waits.email: 1}
        assert mailed() == {waits.email: 1, signs.email: 1}

    def test_it_waits_for_its_day(self, dataset: Dataset) -> None:
        signers(dataset, 1)
        published(dataset)

        send_notices()

        assert Notice.objects.get(kind="agreement-due").state == "waiting"
        assert mailed("agreement/new_version_due") == {}

    def test_none_comes_after_the_day(self, dataset: Dataset) -> None:
        signers(dataset, 1)
        notice = self.due(dataset)
        AgreementVersion.objects.filter(notices=notice).update(required_from=timezone.now())

        send_notices()

        notice.refresh_from_db()
        assert (notice.state, notice.reached) == ("done", 0)
        assert "The day has come" in notice.reason
        assert mailed("agreement/new_version_due") == {}

    def test_an_urgent_version_of_the_next_days_has_none(self, dataset: Dataset) -> None:
        signers(dataset, 1)
        published(dataset, urgent=True, required_from=timezone.now() + 2 * DAYS)

        send_notices()

        assert [notice.kind for notice in Notice.objects.all()] == ["agreement"]
        assert mailed().total() == 1


class TestGettingThrough:
    def test_a_worker_killed_before_any_statement_is_followed_by_one_that_goes_on(
        self, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "BATCH", 3)
        people = signers(dataset, 8)
        published(dataset)
        announce_versions()
        statement, each = 0, {user.email: 1 for user in people}
        kills = True
        while kills:
            statement += 1
            with killed_at(statement):
                kills = not has_survived(60)
            let_leases_run_out()
            send_due_notices(seconds=60)

            notice = Notice.objects.get(kind="agreement")
            assert (notice.state, notice.reached) == ("done", 8), f"killed at {statement}"
            assert mailed() == each, f"killed at {statement}"
            OutgoingMail.objects.all().delete()
            Notice.objects.filter(pk=notice.pk).delete()
            announce_versions()
        assert statement > 15

    def test_progress_between_deaths_makes_a_row_no_poison(
        self, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "BATCH", 1)
        people = signers(dataset, 8)
        published(dataset)
        announce_versions()

        def dies(notice: Notice, **_facts: int) -> bool:
            raise Killed

        for _each in people:
            with monkeypatch.context() as patch:
                patch.setattr(Notice, "go_on", dies)
                assert not has_survived(60)
            let_leases_run_out()
            send_due_notices(seconds=0)
        send_due_notices(seconds=60)

        assert Notice.objects.get(kind="agreement").state == "done"
        assert mailed() == {user.email: 1 for user in people}

    def test_a_worker_that_lost_its_lease_queues_nothing(self, dataset: Dataset) -> None:
        signers(dataset, 2)
        published(dataset)
        announce_versions()
        slow = Notice.objects.claim(lease=DAYS)
        assert slow is not None
        let_leases_run_out()
        Notice.objects.filter(pk=slow.pk).update(leased_until=timezone.now() - DAYS)
        assert Notice.objects.claim(lease=DAYS) == slow

        sending.reach_some(slow)

        assert mailed() == {}
        assert Notice.objects.get(pk=slow.pk).reached == 0

    def test_queries_do_not_grow_with_the_people_of_a_batch(self, dataset: Dataset) -> None:
        signers(dataset, 3)
        published(dataset)
        announce_versions()
        with killed_at(-1) as few:
            send_due_notices(seconds=60)
        signers_of_all = Notice.objects.all()
        OutgoingMail.objects.all().delete()
        signers_of_all.delete()
        version = dataset.agreement.versions.order_by("number").first()
        for user in UserFactory.create_batch(30):
            SignatureFactory(user=user, version=version)
            AccessGrantFactory(user=user, dataset=dataset)
        announce_versions()
        with killed_at(-1) as many:
            send_due_notices(seconds=60)
        assert mailed().total() == 33
        assert many == few


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_time_reach_everybody_once(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = offered()
    monkeypatch.setattr(sending, "BATCH", 4)
    people = signers(dataset, 30)
    published(dataset)

    def work() -> None:
        announce_versions()
        send_due_notices(seconds=60)

    at_once([partial(work) for _each in range(4)])

    notice = Notice.objects.get(kind="agreement")
    assert (notice.state, notice.reached) == ("done", 30)
    assert mailed() == {user.email: 1 for user in people}


class TestConcern:
    def test_it_names_the_datasets_and_the_version_to_sign(self, dataset: Dataset) -> None:
        user = granted(UserFactory(), dataset).user
        brain = offered(name="Brain", agreement=dataset.agreement)
        granted(user, brain)
        set_end(granted(user, offered(name="Ended", agreement=dataset.agreement)), -1)
        version, newer = published(dataset), published(dataset)

        concern = concern_of(user, version)

        assert concern is not None
        assert sorted(held.name for held in concern.datasets) == ["Brain", "Knee"]
        assert concern.current == newer

    def test_there_is_none_for_who_signed_or_whose_access_ended(self, dataset: Dataset) -> None:
        signed, ended, disabled = (granted(UserFactory(), dataset).user for _each in range(3))
        version = published(dataset)
        sign(signed, dataset)
        AccessGrant.objects.filter(user=ended).update(
            starts_at=timezone.now() - 2 * DAYS, ends_at=timezone.now() - DAYS
        )
        User.objects.filter(pk=disabled.pk).update(is_active=False)

        assert [concern_of(user, version) for user in (signed, ended, disabled)] == [None] * 3


def test_notices_of_another_agreement_are_its_own(dataset: Dataset) -> None:
    publish_next(offered(agreement=AgreementFactory()), due_in=20 * DAYS)
    signers(dataset, 2)

    send_notices()

    assert mailed() == {}
