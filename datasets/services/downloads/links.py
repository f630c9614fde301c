"""Links: issued, replaced, revoked."""

import logging

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from datasets.exceptions import MoveNotAllowed
from datasets.models import AccessGrant, DownloadLink, Release

log = logging.getLogger(__name__)


@transaction.atomic
def issue_link(grant: AccessGrant, release: Release) -> DownloadLink:
    """The live link of a grant for a release, made when there is none yet."""
    _lock_grant(grant, release)
    link = DownloadLink.objects.live().filter(grant=grant, release=release).first()
    return link or DownloadLink.objects.create(grant=grant, release=release)


@transaction.atomic
def replace_link(link: DownloadLink, *, by: User) -> DownloadLink:
    """End a link that somebody else may have seen and make its successor, which is returned.

    For a link that was replaced already (a double click) the one that is live now is returned.
    """
    _lock_grant(link.grant, link.release)
    link = DownloadLink.objects.select_for_update(of=("self",)).select_related("grant", "release").get(pk=link.pk)
    if link.status == DownloadLink.Status.LIVE:
        _end_link(link, DownloadLink.Status.REPLACED)
        log.info("link %s replaced by user %s", link.pk, by.pk)
    elif link.status != DownloadLink.Status.REPLACED:
        raise MoveNotAllowed(f"This link to {link.release} was revoked. It cannot be replaced.")
    return issue_link(link.grant, link.release)


@transaction.atomic
def revoke_link(link: DownloadLink, *, by: User) -> None:
    """End a link without a successor. The grant goes on, and its owner may ask for a new link."""
    link = DownloadLink.objects.select_for_update().get(pk=link.pk)
    if link.status == DownloadLink.Status.LIVE:
        _end_link(link, DownloadLink.Status.REVOKED)
        log.info("link %s revoked by user %s", link.pk, by.pk)


@transaction.atomic
def revoke_links(grant: AccessGrant) -> int:
    """End every live link of a grant that is being revoked; their number is returned."""
    links = list(DownloadLink.objects.live().filter(grant=grant).order_by("pk").select_for_update())
    for link in links:
        _end_link(link, DownloadLink.Status.REVOKED)
    return len(links)


def _lock_grant(grant: AccessGrant, release: Release) -> None:
    """Serialise what is done to the links of one grant, which must be active and of the release's dataset."""
    held = AccessGrant.objects.select_for_update(no_key=True).get(pk=grant.pk)
    if held.dataset_id != release.dataset_id:
        raise ValueError(f"grant {held.pk} is not for the dataset of release {release.pk}")
    if held.status != AccessGrant.Status.ACTIVE:
        raise MoveNotAllowed(f"The access to {release} was revoked, so there is no link for it.")


def _end_link(link: DownloadLink, status: DownloadLink.Status) -> None:
    if status not in DownloadLink.MOVES[DownloadLink.Status(link.status)]:
        raise MoveNotAllowed(f"A link that is {link.status} cannot become {status}.")
    link.status, link.ended_at = status, timezone.now()
    link.save(update_fields=["status", "ended_at"])
