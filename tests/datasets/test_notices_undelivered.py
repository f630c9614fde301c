"""Notices and those whose mail comes back: nothing is sent there, and what must be known fails for all to see."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.mail import deliver_due
from accounts.models import OutgoingMail, User
from datasets.models import Notice, Release
from datasets.services.notices import announce_versions, plan_release_notice, send_due_notices, send_test
from datasets.services.releases import withdraw_release
from tests.access import granted, link_of, offered, publish_next
from tests.factories import (
    AgreementVersionFactory,
    BounceFactory,
    DownloadRecordFactory,
    ErratumFactory,
    StaffFactory,
    UserFactory,
)
from tests.maintainers import maintainer

pytestmark = pytest.mark.django_db


@pytest.fixture
def release() -> Release:
    return offered(name="Knee", archives=2).releases.get()


def fetched(release: Release) -> User:
    """Somebody who was issued an archive."""
    link = link_of(granted(UserFactory(), release.dataset))
    DownloadRecordFactory(link=link, archive=release.archives.earliest("pk"))
    return link.grant.user


def test_a_new_version_is_not_mailed_where_mail_comes_back() -> None:
    dataset = offered()
    told, unreachable, later = (granted(UserFactory(), dataset).user for _each in range(3))
    BounceFactory(user=unreachable)
    publish_next(dataset, due_in=timedelta(days=20))
    announce_versions()
    send_due_notices(seconds=60)
    BounceFactory(user=later)
    deliver_due(seconds=60)
    mails = OutgoingMail.objects.filter(template="agreement/new_version")
    assert dict(mails.values_list("to", "state")) == {told.email: "done", later.email: "done"}
    assert "comes back" in mails.get(user=later).reason
    assert mails.get(user=told).reason == ""


def test_nobody_is_told_of_a_new_release_whose_mail_comes_back(release: Release) -> None:
    told, unreachable = granted(UserFactory(), release.dataset).user, granted(UserFactory(), release.dataset).user
    BounceFactory(user=unreachable)
    notice = plan_release_notice(release, Notice.Kind.RELEASE)
    send_due_notices(seconds=60)
    notice.refresh_from_db()
    assert notice.reached == 1
    assert [mail.user for mail in OutgoingMail.objects.filter(template="release/published")] == [told]


def test_a_mail_that_waits_is_not_sent_when_mail_comes_back_meanwhile(release: Release) -> None:
    user = granted(UserFactory(), release.dataset).user
    plan_release_notice(release, Notice.Kind.RELEASE)
    send_due_notices(seconds=60)
    BounceFactory(user=user)
    deliver_due(seconds=60)
    mail = OutgoingMail.objects.get(template="release/published")
    assert (mail.state, mail.reason.partition(" comes back")[0]) == ("done", "Not sent: Mail to this address")


def test_who_cannot_be_told_of_a_withdrawal_is_a_failed_mail_that_maintainers_see(
    release: Release, client: Client
) -> None:
    reached, unreachable = fetched(release), fetched(release)
    BounceFactory(user=unreachable)
    withdraw_release(release, by=StaffFactory(), reason="Two files are damaged.")
    send_due_notices(seconds=60)
    deliver_due(seconds=60)
    states = dict(OutgoingMail.objects.filter(template="release/withdrawn").values_list("to", "state"))
    assert states == {reached.email: "done", unreachable.email: "failed"}
    maintainer(client)
    notice = Notice.objects.get(kind="withdrawal")
    page = client.get(f"/admin/datasets/notice/{notice.pk}/change/").content.decode()
    not_told = page[page.index("Could not be told") :]
    assert unreachable.email in not_told
    assert reached.email not in not_told


@pytest.mark.parametrize("kind", ["release", "withdrawal", "erratum"])
def test_a_test_is_sent_whatever_came_back_for_the_maintainer_asks_for_it(release: Release, kind: str) -> None:
    writer = StaffFactory()
    BounceFactory(user=writer)
    erratum = ErratumFactory(release=release) if kind == "erratum" else None
    send_test(Notice(kind=kind, release=release, erratum=erratum, text="So."), to=writer)
    deliver_due(seconds=60)
    mail = OutgoingMail.objects.get(user=writer)
    assert (mail.state, mail.reason) == ("done", "")


def test_a_count_of_those_who_must_sign_says_how_many_are_not_mailed(client: Client) -> None:
    dataset = offered()
    _told, unreachable = (granted(UserFactory(), dataset).user for _each in range(2))
    BounceFactory(user=unreachable)
    draft = AgreementVersionFactory(agreement=dataset.agreement, number=2, status="draft")
    maintainer(client)
    page = client.get(f"/admin/accounts/agreementversion/{draft.pk}/decide/publish/").content.decode()
    assert "2 people whose access runs" in page
    assert "1 person, at once" in page


def test_who_withdraws_a_release_is_told_how_many_must_be_told_in_another_way(release: Release, client: Client) -> None:
    fetched(release)
    BounceFactory(user=fetched(release))
    maintainer(client)
    page = client.get(f"/admin/datasets/release/{release.pk}/decide/withdraw/").content.decode()
    assert "1 person, at once" in page
    assert "1 person whose mail comes back; the notice will name them" in page
