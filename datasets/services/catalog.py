"""Releases, published and withdrawn."""

import pghistory
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from accounts.models import User
from accounts.services.agreements import current_version
from datasets.exceptions import MoveNotAllowed
from datasets.models import Archive, Notice, Release
from datasets.permissions import as_clause, day_long
from datasets.services.access import require_reason
from datasets.services.notices import plan_release_notice


@transaction.atomic
def publish_release(release: Release, *, by: User) -> Release:
    """Let those with access download it, and tell them. A second click finds it published and changes nothing."""
    release = _locked(release)
    if release.status == Release.Status.PUBLISHED:
        return release
    _require_move(release, Release.Status.PUBLISHED)
    missing = missing_for_publication(release)
    if missing:
        raise MoveNotAllowed(f"{release} cannot be published yet: {'; '.join(missing)}.")
    release.status, release.published_at = Release.Status.PUBLISHED, timezone.now()
    with pghistory.context(user=by.pk):
        release.save(update_fields=["status", "published_at"])
    plan_release_notice(release, Notice.Kind.RELEASE)
    return release


@transaction.atomic
def withdraw_release(release: Release, *, by: User, reason: str) -> Release:
    """Stop every download of it at the next request, say why in its place, and tell who was issued a download of it.
    There is no way back."""
    release = _locked(release)
    if release.status == Release.Status.WITHDRAWN and release.reason == " ".join(reason.split()):
        return release
    _require_move(release, Release.Status.WITHDRAWN)
    release.status, release.reason = Release.Status.WITHDRAWN, require_reason(reason)
    release.withdrawn_at = timezone.now()
    with pghistory.context(user=by.pk):
        release.save(update_fields=["status", "reason", "withdrawn_at"])
    plan_release_notice(release, Notice.Kind.WITHDRAWAL, text=release.reason)
    return release


def missing_for_publication(release: Release) -> list[str]:
    """What keeps a release from being published, as parts of a sentence; none when nothing does."""
    counts = release.archives.aggregate(all=Count("pk"), verified=Count("pk", filter=Q(status=Archive.Status.VERIFIED)))
    missing = []
    if not counts["all"]:
        missing.append("it has no archive")
    elif counts["verified"] < counts["all"]:
        left = counts["all"] - counts["verified"]
        missing.append(f"{left} of its {counts['all']} archives {'is' if left == 1 else 'are'} not verified")
    if current_version(release.dataset.agreement) is None:
        missing.append(f"the agreement “{release.dataset.agreement}” has no published version")
    return missing


def _require_move(release: Release, status: Release.Status) -> None:
    if status in Release.MOVES[Release.Status(release.status)]:
        return
    sentence = f"{release} is {release.status} and cannot become {status}."
    if release.is_withdrawn and release.withdrawn_at:
        when = day_long(release.withdrawn_at)
        sentence = f"{release} was withdrawn on {when}: {as_clause(release.reason)}. It stays withdrawn."
    raise MoveNotAllowed(sentence)


def _locked(release: Release) -> Release:
    return Release.objects.select_for_update(of=("self",)).select_related("dataset__agreement").get(pk=release.pk)
