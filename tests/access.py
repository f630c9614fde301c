"""Datasets that can be signed for, and people who sign as the page does."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from accounts.services.agreements import current_version
from datasets.models import AccessGrant, AccessRequest, Dataset, DownloadLink
from datasets.services.access import Outcome, approve_request, sign_for_access
from tests.factories import AgreementVersionFactory, ArchiveFactory, DatasetFactory, ReleaseFactory, StaffFactory


def offered(policy: str = Dataset.AccessPolicy.AUTOMATIC, *, archives: int = 1, **facts: Any) -> Dataset:
    """A dataset with a required agreement version and a published release."""
    dataset = DatasetFactory(access_policy=policy, **facts)
    if current_version(dataset.agreement) is None:
        AgreementVersionFactory(agreement=dataset.agreement, number=1)
    ArchiveFactory.create_batch(archives, release=ReleaseFactory(dataset=dataset))
    return dataset


def reviewed(**facts: Any) -> Dataset:
    return offered(Dataset.AccessPolicy.REVIEWED, **facts)


def sign(user: User, dataset: Dataset, **facts: Any) -> Outcome:
    version = current_version(dataset.agreement)
    assert version is not None
    given = {"version": version, "typed_name": user.name, "statements": version.statements}
    given |= {"address": "192.0.2.1", "agent": "Mozilla/5.0"}
    return sign_for_access(user=user, dataset=dataset, **given | facts)


def asked(user: User, dataset: Dataset) -> AccessRequest:
    request = sign(user, dataset).request
    assert request is not None
    return request


def granted_by_hand(user: User, dataset: Dataset) -> AccessGrant:
    return approve_request(asked(user, dataset), by=StaffFactory())


def granted(user: User, dataset: Dataset) -> AccessGrant:
    grant = sign(user, dataset).grant
    assert grant is not None
    return grant


def disabled(grant: AccessGrant) -> AccessGrant:
    """The same access of an account that is disabled."""
    User.objects.filter(pk=grant.user_id).update(is_active=False)
    return grant


def link_of(grant: AccessGrant) -> DownloadLink:
    return grant.links.get(status=DownloadLink.Status.LIVE)


def set_end(grant: AccessGrant, days: float) -> AccessGrant:
    """Let the grant end so many days from now; it began long before."""
    now = timezone.now()
    starts, ends = now - timedelta(days=400), now + timedelta(days=days, seconds=5)
    AccessGrant.objects.filter(pk=grant.pk).update(starts_at=starts, ends_at=ends)
    grant.refresh_from_db()
    return grant


def publish_next(dataset: Dataset, *, due_in: timedelta = timedelta(0), **facts: Any) -> None:
    """A next version of the dataset's agreement, required from then on."""
    version = current_version(dataset.agreement)
    assert version is not None
    AgreementVersionFactory(
        agreement=dataset.agreement,
        number=version.number + 1,
        required_from=None if facts.get("editorial") else timezone.now() + due_in,
        **facts,
    )
