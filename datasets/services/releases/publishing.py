"""Publishing a release, now or at a set time; withdrawing it, and undoing that."""

import logging
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from datasets.exceptions import MoveNotAllowed, PartDown
from datasets.models import Notice, Release
from datasets.services.access import require_reason
from datasets.services.notices import plan_release_notice
from datasets.services.releases.checks import Obstacle, as_sentence, bucket_obstacles, recorded_obstacles
from datasets.services.releases.moves import locked, move, require_move, withdrawal_of

logger = logging.getLogger(__name__)
Status = Release.Status
PUT_BACK = (
    "Nothing of it can be changed any more: put the former objects back under their keys, or publish a new release."
)


def publish_release(release: Release, *, by: User | None) -> Release:
    """Let those with access download it, and tell them. A second click finds it published and changes nothing.

    The bucket is asked before the row is locked, so that nobody waits for it. by: None is the clock."""
    now = Release.objects.select_related("dataset__agreement").get(pk=release.pk)
    # Whoever clicks second hears what became of it, not what is wrong with it.
    changed = bucket_obstacles(now) if now.status in (Status.READY, Status.SCHEDULED) else []
    return _publish(now, changed, by=by)


@transaction.atomic
def _publish(release: Release, changed: list[Obstacle], *, by: User | None) -> Release:
    release = locked(release)
    if release.status == Status.PUBLISHED:
        return release
    if release.status == Status.WITHDRAWN:
        raise MoveNotAllowed(f"{withdrawal_of(release)} Undo that rather than publish it.")
    require_move(release, Status.PUBLISHED)
    obstacles = [*recorded_obstacles(release), *changed]
    if obstacles:
        raise MoveNotAllowed(f"{release} cannot be published yet: {as_sentence(obstacles)}.")
    published = move(release, Status.PUBLISHED, by=by, published_at=timezone.now(), publish_at=None, reason="")
    plan_release_notice(published, Notice.Kind.RELEASE)
    return published


@transaction.atomic
def publish_sample(release: Release, *, by: User) -> Release:
    """Of who made the archives himself and put them into the bucket a moment ago: nobody asks for them again, and their
    pictures come later."""
    release = locked(release)
    if release.status == Status.PUBLISHED:
        return release
    return move(release, Status.PUBLISHED, by=by, published_at=timezone.now())


@transaction.atomic
def schedule_release(release: Release, *, by: User, publish_at: datetime) -> Release:
    """Have it published at that time, when everything is checked again."""
    release = locked(release)
    if publish_at <= timezone.now():
        raise MoveNotAllowed("Give a time that is still to come, or publish it now.")
    obstacles = recorded_obstacles(release)
    if obstacles:
        raise MoveNotAllowed(f"{release} cannot be published yet: {as_sentence(obstacles)}.")
    return move(release, Status.SCHEDULED, by=by, publish_at=publish_at, reason="")


@transaction.atomic
def unschedule_release(release: Release, *, by: User | None, reason: str = "") -> Release:
    """It is ready, and published when somebody says so."""
    return move(locked(release), Status.READY, by=by, publish_at=None, reason=reason)


def publish_due_releases() -> int:
    """Publish those whose time has come; how many. What meets an obstacle is ready again, and says why."""
    published = 0
    for release in Release.objects.scheduled().filter(publish_at__lte=timezone.now()).select_related("dataset"):
        try:
            publish_release(release, by=None)
            published += 1
        except PartDown as error:
            # Looked at again with the next tick of the clock.
            logger.warning("a release waits for the bucket", extra={"release": release.pk, "error": str(error)[:200]})
        except MoveNotAllowed as error:
            _give_back(release, str(error))
    return published


def _give_back(release: Release, reason: str) -> None:
    try:
        unschedule_release(release, by=None, reason=reason)
    except MoveNotAllowed:
        # Somebody moved it meanwhile.
        logger.info("a release was moved while its time came", extra={"release": release.pk})
    else:
        logger.error("a release was not published at its time", extra={"release": release.pk, "reason": reason})


@transaction.atomic
def withdraw_release(release: Release, *, by: User, reason: str) -> Release:
    """Stop every download of it at the next request, say why in its place, and tell who was issued a download of it."""
    release = locked(release)
    if release.status == Status.WITHDRAWN:
        if release.reason == " ".join(reason.split()):
            return release
        raise MoveNotAllowed(f"{withdrawal_of(release)} Nothing was changed.")
    require_move(release, Status.WITHDRAWN)
    withdrawn = move(release, Status.WITHDRAWN, by=by, reason=require_reason(reason), withdrawn_at=timezone.now())
    plan_release_notice(withdrawn, Notice.Kind.WITHDRAWAL, text=withdrawn.reason)
    return withdrawn


def undo_withdrawal(release: Release, *, by: User) -> Release:
    """Let it be downloaded again, by the same links, and tell who was told of the withdrawal. The history keeps that it
    was withdrawn, and why.

    Only what is still there: the bucket is asked for every key, before the row is locked."""
    now = Release.objects.select_related("dataset").get(pk=release.pk)
    changed = bucket_obstacles(now) if now.status == Status.WITHDRAWN else []
    return _undo(now, changed, by=by)


@transaction.atomic
def _undo(release: Release, changed: list[Obstacle], *, by: User) -> Release:
    release = locked(release)
    if release.status == Status.PUBLISHED:
        return release
    if release.status != Status.WITHDRAWN:
        raise MoveNotAllowed(f"{release} is {release.status}; it was not withdrawn.")
    if changed:
        raise MoveNotAllowed(f"{release} stays withdrawn: {as_sentence(changed)}. {PUT_BACK}")
    published = move(release, Status.PUBLISHED, by=by, reason="", withdrawn_at=None)
    plan_release_notice(published, Notice.Kind.REINSTATEMENT)
    return published
