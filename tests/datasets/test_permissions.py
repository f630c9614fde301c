"""The one gate: who may download what, and the sentence for who may not."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AgreementVersion, User
from datasets import exceptions
from datasets.exceptions import Refusal
from datasets.models import AccessGrant, DownloadLink, Release
from datasets.permissions import may_download, require_download
from datasets.services.downloads import open_link, token_of
from tests.factories import (
    AccessGrantFactory,
    AgreementVersionFactory,
    DatasetFactory,
    ReleaseFactory,
    SignatureFactory,
    UserFactory,
    granted,
)

pytestmark = pytest.mark.django_db
SITE = "https://portal.example.org"


@pytest.fixture(autouse=True)
def _names(settings: Settings) -> None:
    settings.SITE_URL = SITE
    settings.SITE_CONTACT = "data@example.org"


@pytest.fixture
def link() -> DownloadLink:
    """The live link of a person who may download Knee 2.0."""
    link = granted()
    dataset, release = link.release.dataset, link.release
    dataset.name, dataset.slug = "Knee", "knee"
    dataset.save()
    release.version = "2.0"
    release.save()
    return link


def refused(link: DownloadLink) -> tuple[type[Refusal], str]:
    """The refusal of the person, which must be that of the link too: there is one gate."""
    user, release = link.grant.user, Release.objects.get(pk=link.release_id)
    assert not may_download(user, release)
    with pytest.raises(Refusal) as of_user:
        require_download(user, release)
    with pytest.raises(Refusal) as of_link:
        open_link(token_of(link))
    assert (of_user.type, str(of_user.value)) == (of_link.type, str(of_link.value))
    return of_user.type, str(of_user.value)


def test_who_has_signed_and_holds_access_may_download(link: DownloadLink) -> None:
    assert may_download(link.grant.user, link.release)
    require_download(link.grant.user, link.release)
    assert open_link(token_of(link)).link_id == link.pk


def test_the_gate_asks_the_database_once(link: DownloadLink) -> None:
    with CaptureQueriesContext(connection) as queries:
        require_download(link.grant.user, link.release)
    assert len(queries) == 1


def test_a_disabled_account_is_refused(link: DownloadLink) -> None:
    User.objects.filter(pk=link.grant.user_id).update(is_active=False)
    assert refused(link) == (
        exceptions.AccountDisabled,
        "This account was disabled, by its owner or by the maintainers. Questions: data@example.org.",
    )


def test_a_stranger_is_sent_to_the_dataset(link: DownloadLink) -> None:
    with pytest.raises(exceptions.GrantMissing) as refusal:
        require_download(UserFactory(), link.release)
    assert str(refusal.value) == f"You have no access to Knee yet. Ask for it at {SITE}/datasets/knee/"


def test_who_is_not_signed_in_is_sent_to_sign_in(link: DownloadLink) -> None:
    with pytest.raises(exceptions.GrantMissing, match=f"Sign in at {SITE}/accounts/login/"):
        require_download(AnonymousUser(), link.release)


def test_a_maintainer_needs_a_grant_like_everybody(link: DownloadLink) -> None:
    assert not may_download(UserFactory(is_staff=True, is_superuser=True), link.release)


def test_a_grant_for_another_dataset_opens_nothing(link: DownloadLink) -> None:
    assert not may_download(link.grant.user, ReleaseFactory())


def test_a_revoked_grant_is_refused_with_the_maintainers_reason(link: DownloadLink) -> None:
    AccessGrant.objects.filter(pk=link.grant_id).update(
        status="revoked", reason="the project\nhas closed.", revoked_at=datetime(2026, 10, 3, 22, tzinfo=UTC)
    )
    assert refused(link) == (
        exceptions.GrantRevoked,
        (
            "Your access to Knee was ended by its maintainers on 3 October 2026: the project has closed. "
            f"Questions: data@example.org, grant {link.grant_id}."
        ),
    )


def test_a_new_grant_after_a_revoked_one_counts(link: DownloadLink) -> None:
    AccessGrant.objects.filter(pk=link.grant_id).update(
        status="revoked", reason="by mistake", revoked_at=timezone.now()
    )
    AccessGrantFactory(user=link.grant.user, dataset=link.release.dataset)
    assert may_download(link.grant.user, link.release)
    with pytest.raises(exceptions.GrantRevoked):
        open_link(token_of(link))


def test_a_grant_that_has_ended_is_refused_whatever_its_status_says(link: DownloadLink) -> None:
    AccessGrant.objects.filter(pk=link.grant_id).update(
        starts_at=datetime(2026, 8, 18, tzinfo=UTC), ends_at=datetime(2026, 11, 14, 9, 30, tzinfo=UTC)
    )
    AgreementVersion.objects.update(required_from=datetime(2026, 8, 1, tzinfo=UTC))
    with time_machine.travel(datetime(2026, 11, 14, 9, 29, 59, tzinfo=UTC), tick=False):
        assert may_download(link.grant.user, link.release)
    with time_machine.travel(datetime(2026, 11, 14, 9, 30, tzinfo=UTC), tick=False):
        assert refused(link) == (
            exceptions.GrantEnded,
            (
                f"Your access to Knee ended on 14 November 2026. Renew it at {SITE}/downloads/ "
                "and run the same command again: it will resume."
            ),
        )


def test_a_grant_that_has_not_begun_is_refused(link: DownloadLink) -> None:
    AccessGrant.objects.filter(pk=link.grant_id).update(
        starts_at=datetime(2099, 1, 2, tzinfo=UTC), ends_at=datetime(2099, 2, 2, tzinfo=UTC)
    )
    assert refused(link) == (exceptions.GrantMissing, "Your access to Knee begins on 2 January 2099.")


class TestAgreement:
    def test_a_version_required_by_now_must_be_signed(self, link: DownloadLink) -> None:
        new_version(link)
        assert refused(link) == (
            exceptions.AgreementUnsigned,
            (
                f"The agreement for Knee has a new version. Read and sign it at {SITE}/datasets/knee/agreement/ "
                "and run the same command again: it will resume."
            ),
        )

    def test_until_its_day_links_live_on(self, link: DownloadLink) -> None:
        tomorrow = timezone.now() + timedelta(days=1)
        new_version(link, required_from=tomorrow, status="published")
        assert may_download(link.grant.user, link.release)
        AccessGrant.objects.update(ends_at=tomorrow + timedelta(days=9))
        with time_machine.travel(tomorrow, tick=False):
            assert refused(link)[0] is exceptions.AgreementUnsigned

    def test_its_day_counts_even_when_its_status_was_not_moved(self, link: DownloadLink) -> None:
        new_version(link, status="published")
        assert refused(link)[0] is exceptions.AgreementUnsigned

    def test_a_superseded_version_is_still_required(self, link: DownloadLink) -> None:
        """A correction superseded it; who has signed neither is not let in by that."""
        new_version(link, status="superseded")
        new_version(link, status="published", editorial=True, required_from=None)
        assert refused(link)[0] is exceptions.AgreementUnsigned

    def test_a_draft_and_an_editorial_version_need_no_signature(self, link: DownloadLink) -> None:
        new_version(link, status="draft", published_at=None)
        new_version(link, status="published", editorial=True, required_from=None)
        assert may_download(link.grant.user, link.release)

    def test_a_later_signature_covers_an_earlier_version(self, link: DownloadLink) -> None:
        new_version(link)
        later = new_version(link, status="published", required_from=timezone.now() + timedelta(days=20))
        SignatureFactory(user=link.grant.user, version=later)
        assert may_download(link.grant.user, link.release)

    def test_nobody_elses_signature_and_no_other_agreement_counts(self, link: DownloadLink) -> None:
        version = new_version(link)
        SignatureFactory(version=version)
        SignatureFactory(user=link.grant.user, version=AgreementVersionFactory(number=30_000))
        assert refused(link)[0] is exceptions.AgreementUnsigned


class TestRelease:
    def test_a_withdrawn_one_names_the_reason_and_the_newest_published_one(self, link: DownloadLink) -> None:
        dataset = link.release.dataset
        for days, version in ((9, "1.9"), (1, "2.1"), (5, "2.0.1")):
            ReleaseFactory(dataset=dataset, version=version, published_at=timezone.now() - timedelta(days=days))
        ReleaseFactory(dataset=dataset, version="3.0", status="draft", published_at=None)
        ReleaseFactory(dataset=DatasetFactory(), version="9.0", published_at=timezone.now())
        withdraw(link.release)
        assert refused(link) == (
            exceptions.ReleaseWithdrawn,
            (
                "Knee 2.0 was withdrawn on 19 August 2026: two volumes carried dates. "
                f"Use release 2.1: {SITE}/datasets/knee/2.1/"
            ),
        )

    def test_without_another_one_the_dataset_is_the_way_on(self, link: DownloadLink) -> None:
        withdraw(link.release)
        assert refused(link)[1].endswith(f"No other release is published yet: see {SITE}/datasets/knee/")

    @pytest.mark.parametrize("status", ["draft", "checking", "ready", "scheduled", "failed"])
    def test_one_that_is_not_published_is_refused(self, link: DownloadLink, status: str) -> None:
        Release.objects.filter(pk=link.release_id).update(status=status, publish_at=timezone.now())
        kind, sentence = refused(link)
        assert kind is exceptions.ReleaseUnpublished
        assert sentence.startswith("Knee 2.0 is not published.")


class TestLink:
    """What only the link's way can meet; pages go on."""

    def test_a_replaced_one_says_so_and_nothing_else_of_its_owner(self, link: DownloadLink) -> None:
        DownloadLink.objects.update(status="replaced", ended_at=datetime(2026, 10, 3, tzinfo=UTC))
        AccessGrant.objects.update(status="revoked", reason="a private matter", revoked_at=timezone.now())
        with pytest.raises(exceptions.LinkReplaced) as refusal:
            open_link(token_of(link))
        assert str(refusal.value) == (
            f"This link was replaced on 3 October 2026. Copy the new one from {SITE}/downloads/"
        )

    def test_a_revoked_one_of_a_revoked_grant_tells_the_grants_reason(self, link: DownloadLink) -> None:
        DownloadLink.objects.update(status="revoked", ended_at=timezone.now())
        AccessGrant.objects.update(status="revoked", reason="the project has closed", revoked_at=timezone.now())
        with pytest.raises(exceptions.GrantRevoked, match="the project has closed"):
            open_link(token_of(link))

    def test_a_revoked_one_of_a_grant_that_goes_on_says_where_a_new_one_is(self, link: DownloadLink) -> None:
        DownloadLink.objects.update(status="revoked", ended_at=timezone.now())
        with pytest.raises(exceptions.LinkReplaced, match=f"get a new link at {SITE}/downloads/"):
            open_link(token_of(link))
        assert may_download(link.grant.user, link.release)


def new_version(link: DownloadLink, **facts: object) -> AgreementVersion:
    agreement = link.release.dataset.agreement
    number = agreement.versions.latest_first().values_list("number", flat=True)[0] + 1
    return AgreementVersionFactory(agreement=agreement, number=number, **facts)


def withdraw(release: Release) -> None:
    Release.objects.filter(pk=release.pk).update(
        status="withdrawn", reason="two volumes carried dates.", withdrawn_at=datetime(2026, 8, 19, tzinfo=UTC)
    )
