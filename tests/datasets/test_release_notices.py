"""Notices of releases: whom each kind reaches, once, and what overtakes it."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from accounts.mail import deliver_due
from accounts.mail.letters import letter
from accounts.models import OutgoingMail, User
from accounts.services.announcements import unsubscribe
from datasets.exceptions import MoveNotAllowed
from datasets.models import Archive, Dataset, Erratum, Notice, Release
from datasets.services.access import revoke_grant
from datasets.services.notices import (
    plan_release_notice,
    publish_erratum,
    send_due_notices,
    send_test,
    sending,
)
from datasets.services.releases import undo_withdrawal, withdraw_release
from tests import imports
from tests.access import disabled, granted, link_of, offered, set_end
from tests.factories import (
    AccessGrantFactory,
    ArchiveFactory,
    DownloadLinkFactory,
    DownloadRecordFactory,
    ErratumFactory,
    ReleaseFactory,
    StaffFactory,
    UserFactory,
)
from tests.killing import has_survived, killed_at, let_leases_run_out
from tests.letters import parsed, wire
from tests.person import deleted, whole_person
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset() -> Dataset:
    return offered(name="Knee", archives=2)


@pytest.fixture
def release(dataset: Dataset) -> Release:
    return dataset.releases.get()


def fetched(release: Release, *archives: Archive, times: int = 1) -> User:
    """Somebody who was issued these archives, or the first one, so often."""
    link = link_of(granted(UserFactory(), release.dataset))
    for archive in archives or [release.archives.earliest("pk")]:
        DownloadRecordFactory.create_batch(times, link=link, archive=archive)
    return link.grant.user


def told(kind: Notice.Kind, release: Release, **facts: Any) -> Notice:
    notice = plan_release_notice(release, kind, **facts)
    send_due_notices(seconds=60)
    notice.refresh_from_db()
    return notice


def mailed(template: str) -> Counter[str]:
    return Counter(OutgoingMail.objects.filter(template=template).values_list("to", flat=True))


class TestNewRelease:
    def test_reaches_who_holds_access_and_nobody_else(self, dataset: Dataset, release: Release) -> None:
        holder, unsubscribed = (granted(UserFactory(), dataset).user for _each in range(2))
        unsubscribe(unsubscribed)
        disabled(granted(UserFactory(), dataset))
        set_end(granted(UserFactory(), dataset), -1)
        revoke_grant(granted(UserFactory(), dataset), by=StaffFactory(), reason="It was given by mistake.")
        granted(UserFactory(), offered())

        notice = told(Notice.Kind.RELEASE, release)

        assert mailed("release/published") == {holder.email: 1}
        assert (notice.state, notice.reached) == ("done", 1)

    def test_is_told_once_however_often_it_is_planned(self, dataset: Dataset, release: Release) -> None:
        holder = granted(UserFactory(), dataset).user

        told(Notice.Kind.RELEASE, release)
        told(Notice.Kind.RELEASE, release)

        assert mailed("release/published") == {holder.email: 1}
        with pytest.raises(IntegrityError), transaction.atomic():
            Notice.objects.create(kind="release", release=release)

    def test_is_not_told_once_it_is_withdrawn(self, dataset: Dataset, release: Release) -> None:
        granted(UserFactory(), dataset)
        plan_release_notice(release, Notice.Kind.RELEASE)
        withdraw(release)

        send_due_notices(seconds=60)

        assert mailed("release/published") == {}
        assert Notice.objects.get().reason == f"{release} is withdrawn."

    def test_who_unsubscribes_while_the_mail_waits_gets_none(self, dataset: Dataset, release: Release) -> None:
        holder = granted(UserFactory(), dataset).user
        told(Notice.Kind.RELEASE, release)
        unsubscribe(holder)

        deliver_due(seconds=60)

        mail = OutgoingMail.objects.get(template="release/published")
        assert (mail.state, mail.reason) == ("done", "Not sent: It does not concern this person any more.")

    def test_its_mail_lets_programs_unsubscribe_with_one_click(self, dataset: Dataset, release: Release) -> None:
        granted(UserFactory(), dataset)
        told(Notice.Kind.RELEASE, release)

        raw = wire(letter(OutgoingMail.objects.get(template="release/published")))

        message = parsed(raw)
        address = message["List-Unsubscribe"][1:-1]
        assert f"List-Unsubscribe: <{address}>\r\n".encode() in raw
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert address in letter(OutgoingMail.objects.get(template="release/published")).text


def withdraw(release: Release) -> None:
    facts = {"status": "withdrawn", "withdrawn_at": timezone.now(), "reason": "Two volumes carried dates."}
    Release.objects.filter(pk=release.pk).update(**facts)
    release.refresh_from_db()


MUST_KNOW = [
    pytest.param(Notice.Kind.WITHDRAWAL, "release/withdrawn", id="withdrawal"),
    pytest.param(Notice.Kind.REINSTATEMENT, "release/reinstated", id="reinstatement"),
    pytest.param(Notice.Kind.ERRATUM, "release/erratum", id="erratum"),
]


@pytest.mark.parametrize(("kind", "template"), MUST_KNOW)
class TestWhoDownloaded:
    def plan(self, kind: Notice.Kind, release: Release) -> None:
        erratum = ErratumFactory(release=release) if kind == Notice.Kind.ERRATUM else None
        told(kind, release, erratum=erratum, text="Two volumes carried dates.")

    def test_exactly_those_are_told_once_whatever_became_of_their_access(
        self, kind: Notice.Kind, template: str, dataset: Dataset, release: Release
    ) -> None:
        often = fetched(release, *release.archives.all(), times=3)
        ended, revoked, unsubscribed, gone = (fetched(release) for _each in range(4))
        set_end(ended.access_grants.get(), -1)
        revoke_grant(revoked.access_grants.get(), by=StaffFactory(), reason="It was given by mistake.")
        unsubscribe(unsubscribed)
        disabled(gone.access_grants.get())
        granted(UserFactory(), dataset)
        # Of another release of the same dataset.
        DownloadRecordFactory(link__grant__dataset=dataset)

        self.plan(kind, release)

        assert mailed(template) == {user.email: 1 for user in (often, ended, revoked, unsubscribed)}

    def test_two_accesses_of_one_person_make_one_mail(
        self, kind: Notice.Kind, template: str, dataset: Dataset, release: Release
    ) -> None:
        user = fetched(release)
        set_end(revoke_grant(user.access_grants.get(), by=StaffFactory(), reason="By mistake."), -1)
        again = AccessGrantFactory(user=user, dataset=dataset)
        link = DownloadLinkFactory(grant=again, release=release)
        DownloadRecordFactory(link=link, archive=release.archives.latest("pk"))

        self.plan(kind, release)

        assert mailed(template) == {user.email: 1}

    def test_nobody_can_unsubscribe_from_it(
        self, kind: Notice.Kind, template: str, dataset: Dataset, release: Release
    ) -> None:
        fetched(release)
        self.plan(kind, release)

        said = letter(OutgoingMail.objects.get(template=template))

        assert "List-Unsubscribe" not in said.extra_headers
        assert "/unsubscribe/" not in said.text + said.html

    def test_who_was_deleted_is_told_nothing(self, kind: Notice.Kind, template: str) -> None:
        person = whole_person()
        release = person.record.archive.release
        self.plan(kind, release)
        assert mailed(template) == {person.user.email: 1}
        deleted(person)

        deliver_due(seconds=60)

        assert mailed(template) == {"": 1}
        assert OutgoingMail.objects.get(template=template).reason == "Not sent: the account was deleted."


class TestDecisions:
    def test_withdrawing_tells_who_downloaded_it_why(self, release: Release) -> None:
        user, boss = fetched(release), StaffFactory()
        withdrawn = withdraw_release(release, by=boss, reason="Two volumes carried dates.")
        withdraw_release(withdrawn, by=boss, reason="Two volumes carried dates.")
        send_due_notices(seconds=60)

        assert mailed("release/withdrawn") == {user.email: 1}
        assert "Two volumes carried dates." in letter(OutgoingMail.objects.latest("pk")).text

    def test_undoing_it_tells_the_same_people(self, release: Release) -> None:
        user, boss = fetched(release), StaffFactory()
        imports.stored(release)
        undo_withdrawal(withdraw_release(release, by=boss, reason="By mistake, as it turned out."), by=boss)
        send_due_notices(seconds=60)

        assert mailed("release/reinstated") == {user.email: 1}


class TestStanding:
    def test_a_withdrawal_that_is_undone_before_it_was_told_is_not_told(self, release: Release) -> None:
        user = fetched(release)
        first = plan_release_notice(release, Notice.Kind.WITHDRAWAL, text="By mistake.")
        plan_release_notice(release, Notice.Kind.REINSTATEMENT)

        send_due_notices(seconds=60)

        assert mailed("release/withdrawn") == {}
        assert mailed("release/reinstated") == {user.email: 1}
        first.refresh_from_db()
        assert first.reason == "A later decision about the release is told instead."

    def test_mails_that_wait_while_it_is_undone_are_not_sent(self, release: Release) -> None:
        fetched(release)
        told(Notice.Kind.WITHDRAWAL, release, text="By mistake.")
        plan_release_notice(release, Notice.Kind.REINSTATEMENT)

        deliver_due(seconds=60)

        assert "A later decision" in OutgoingMail.objects.get(template="release/withdrawn").reason

    def test_each_withdrawal_is_told_with_its_own_reason(self, release: Release) -> None:
        user = fetched(release)
        for reason in ("The first reason.", "The second reason."):
            told(Notice.Kind.WITHDRAWAL, release, text=reason)
            assert reason in letter(OutgoingMail.objects.latest("pk")).text

        assert mailed("release/withdrawn") == {user.email: 2}

    def test_the_mail_names_what_this_person_was_issued(self, release: Release) -> None:
        first, second = release.archives.order_by("pk")
        fetched(release, first)
        told(Notice.Kind.WITHDRAWAL, release, text="Two volumes carried dates.")

        said = letter(OutgoingMail.objects.get(template="release/withdrawn"))

        assert first.name in said.text
        assert second.name not in said.text + said.html
        assert "Two volumes carried dates." in said.text


class TestErratum:
    def test_only_those_with_an_archive_that_it_names_are_told(self, release: Release) -> None:
        wrong, right = release.archives.order_by("pk")
        concerned = fetched(release, wrong)
        fetched(release, right)
        erratum = ErratumFactory(release=release)
        erratum.archives.add(wrong)

        publish_erratum(erratum, by=StaffFactory())
        publish_erratum(erratum, by=StaffFactory())
        send_due_notices(seconds=60)

        assert mailed("release/erratum") == {concerned.email: 1}
        assert Notice.objects.count() == 1

    def test_one_that_names_an_archive_of_another_release_is_refused(self, release: Release) -> None:
        erratum = ErratumFactory(release=release)
        erratum.archives.add(ArchiveFactory())
        with pytest.raises(MoveNotAllowed, match="none of Knee"):
            publish_erratum(erratum, by=StaffFactory())

    @pytest.mark.parametrize("status", ["draft", "withdrawn"])
    def test_only_what_is_published_has_one(self, status: str) -> None:
        facts = {"published_at": None} if status == "draft" else {"withdrawn_at": timezone.now(), "reason": "So."}
        erratum = ErratumFactory(release=ReleaseFactory(status=status, **facts))
        with pytest.raises(MoveNotAllowed, match="only what is published"):
            publish_erratum(erratum, by=StaffFactory())

    @pytest.mark.parametrize(
        "change",
        [
            lambda row: Erratum.objects.filter(pk=row.pk).update(text="Nothing is wrong."),
            lambda row: Erratum.objects.filter(pk=row.pk)._raw_delete("default"),
            lambda row: row.archives.add(ArchiveFactory(release=row.release)),
            lambda row: row.archives.clear(),
        ],
    )
    def test_once_published_the_database_keeps_it(self, change: Callable[[Erratum], object], release: Release) -> None:
        erratum = ErratumFactory(release=release)
        erratum.archives.add(release.archives.earliest("pk"))
        publish_erratum(erratum, by=StaffFactory())
        with pytest.raises(DatabaseError, match="neither changed nor removed"), transaction.atomic():
            change(erratum)


class TestTest:
    def test_one_maintainer_gets_it_and_nobody_else_ever(self, dataset: Dataset, release: Release) -> None:
        fetched(release)
        boss = StaffFactory()
        draft = Notice(kind=Notice.Kind.WITHDRAWAL, release=release, text="Two volumes carried dates.")

        send_test(draft, to=boss)
        send_due_notices(seconds=60)

        mail = OutgoingMail.objects.get(template="release/withdrawn")
        assert mail.to == boss.email
        assert letter(mail).subject == f"Test: {release} was withdrawn"
        # It says what nobody decided, so it overtakes nothing and is told whatever became of the release.
        plan_release_notice(release, Notice.Kind.REINSTATEMENT)
        assert "Two volumes carried dates." in letter(mail).text

    def test_after_it_the_notice_itself_is_told(self, dataset: Dataset, release: Release) -> None:
        holder = granted(UserFactory(), dataset).user
        boss = StaffFactory()
        for _each in range(2):
            send_test(Notice(kind=Notice.Kind.RELEASE, release=release), to=boss)

        told(Notice.Kind.RELEASE, release)

        assert mailed("release/published") == {boss.email: 2, holder.email: 1}


def test_a_worker_killed_before_any_statement_is_followed_by_one_that_tells_the_rest(
    monkeypatch: pytest.MonkeyPatch, release: Release
) -> None:
    monkeypatch.setattr(sending, "BATCH", 3)
    people = [fetched(release) for _each in range(7)]
    # Who holds access and downloaded nothing stands between them.
    granted(UserFactory(), release.dataset)
    statement, kills = 0, True
    while kills:
        statement += 1
        notice = plan_release_notice(release, Notice.Kind.WITHDRAWAL, text="Two volumes carried dates.")
        with killed_at(statement):
            kills = not has_survived(60)
        let_leases_run_out()
        send_due_notices(seconds=60)

        notice.refresh_from_db()
        assert (notice.state, notice.reached) == ("done", 7), f"killed at {statement}"
        assert mailed("release/withdrawn") == {user.email: 1 for user in people}, f"killed at {statement}"
        OutgoingMail.objects.all().delete()
    assert statement > 15


def test_queries_do_not_grow_with_the_people_of_a_batch(release: Release) -> None:
    fetched(release)
    with killed_at(-1) as few:
        told(Notice.Kind.WITHDRAWAL, release, text="So.")
    for _each in range(20):
        fetched(release)
    with killed_at(-1) as many:
        told(Notice.Kind.WITHDRAWAL, release, text="So.")
    assert Notice.objects.latest("pk").reached == 21
    assert many == few


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_time_tell_everybody_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BATCH", 4)
    release = offered().releases.get()
    archive = release.archives.get()
    people = UserFactory.create_batch(18)
    for number, user in enumerate(people):
        link = DownloadLinkFactory(grant=AccessGrantFactory(user=user, dataset=release.dataset), release=release)
        if number % 3:
            DownloadRecordFactory.create_batch(2, link=link, archive=archive)
    plan_release_notice(release, Notice.Kind.WITHDRAWAL, text="Two volumes carried dates.")

    at_once([partial(send_due_notices, seconds=60) for _each in range(4)])

    notice = Notice.objects.get()
    assert (notice.state, notice.reached) == ("done", 12)
    assert mailed("release/withdrawn") == {user.email: 1 for number, user in enumerate(people) if number % 3}
