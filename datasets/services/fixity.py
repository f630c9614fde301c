"""Whether the bucket still has what was published: every key is asked for once in a period, batch by batch.

One release is looked at at a time, and one batch of it whenever the sweeper comes, so the bucket gets BATCH requests in
ten seconds however much there is: some 70,000 keys an hour. Withdrawn releases are looked at as well, for that may be
undone.

A drift stops no download by itself. Where the bucket keeps versions, a link asks for the version that was read, which
may be there still; elsewhere every command that we hand out checks the SHA-256, so nobody takes other bytes for the
right ones; and an ETag also changes when the same bytes are uploaded in other parts. Whoever is mailed decides, and
withdraws the release with a reason.
"""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from accounts.mail import queue, queue_all
from accounts.models import User
from accounts.models.work import Work, WorkQuerySet
from accounts.services.work import work_through
from datasets.exceptions import BucketDown, MoveNotAllowed, ObjectMissing, ObjectRefused, PartDown
from datasets.models import Archive, Drift, FixityCheck, Release
from datasets.services.releases.checks import is_same_object
from datasets.storage import ObjectFacts, bucket

logger = logging.getLogger(__name__)
# Keys that are asked for in one turn, and requests at once.
BATCH, AT_ONCE = 200, 8
BACKOFF_BASE, BACKOFF_CEILING = timedelta(minutes=1), timedelta(hours=1)
LONGEST_REASON = 1_000
SHOWN = (Release.Status.PUBLISHED, Release.Status.WITHDRAWN)
RESPONSIBLE = "datasets.change_release"
MAIL = "release/drifted"
REFUSES_ALL = "The bucket answers, but refuses to tell of every key that it was asked for: look at the site's rights."


class Seen(NamedTuple):
    """What the bucket said of an archive's key."""

    archive: Archive
    finding: str
    """Empty when it is what was published."""
    facts: ObjectFacts | None
    is_delivered: bool


# When -----------------------------------------------------------------------------------------------------


def period() -> timedelta:
    return timedelta(days=settings.FIXITY_DAYS)


def followed() -> QuerySet[Release]:
    """Releases whose objects must stay as they are."""
    return Release.objects.filter(status__in=SHOWN)


def next_release() -> Release | None:
    """Whose objects nobody asked for since a period; none while another one is being looked at. One that was postponed,
    because the bucket refuses all of it, keeps no other waiting.

    Publishing asks for every key itself, so its time counts as well."""
    running = FixityCheck.objects.filter(state__in=Work.OPEN)
    if running.filter(reason="").exists():
        return None
    looked_at = Coalesce(Max("fixity_checks__created_at"), "published_at")
    due = followed().annotate(looked_at=looked_at).filter(looked_at__lte=timezone.now() - period())
    waiting = due.exclude(pk__in=running.values("release"))
    return waiting.order_by("looked_at", "pk").defer("notes").first()


def plan_next_check() -> None:
    release = next_release()
    if release is not None:
        plan_check(release)


def plan_check(release: Release) -> FixityCheck:
    """The release's open check, which goes on at once; it is written when there is none. Somebody else may write it
    now."""
    FixityCheck.objects.bulk_create([FixityCheck(release=release)], ignore_conflicts=True)
    FixityCheck.objects.waiting().filter(release=release).update(due_at=Now())
    return FixityCheck.objects.filter(release=release).latest("pk")


def look_again(release: Release, *, by: User) -> FixityCheck:
    """Have it looked at now, or go on being looked at."""
    if release.status not in SHOWN:
        raise MoveNotAllowed(f"{release} is {release.status}: nothing of it was published yet.")
    check = plan_check(release)
    logger.info("fixity is looked at", extra={"release": release.pk, "by": by.pk})
    return check


# One batch ------------------------------------------------------------------------------------------------


def check_next_batch(rows: WorkQuerySet[FixityCheck] | None = None) -> bool:
    """Ask for the next keys of the check that is due; False when none is."""
    return work_through(FixityCheck.objects.all() if rows is None else rows, check_some, seconds=0)


def check_some(check: FixityCheck) -> None:
    """Ask for one batch of keys and move the cursor, with what was found, in one transaction. A bucket that is away is
    asked again later: that is no drift."""
    rest = Archive.objects.filter(release=check.release_id, pk__gt=check.cursor).order_by("pk")
    archives = list(rest.only("name", "key", "version_id", "etag", "size")[:BATCH])
    try:
        seen = look_at(archives)
    except PartDown as error:
        check.postpone(reason=str(error)[:LONGEST_REASON], base=BACKOFF_BASE, ceiling=BACKOFF_CEILING)
        return
    with transaction.atomic():
        # First, for it takes the row's lock: whoever has lost the row writes nothing.
        if _settle(check, seen):
            note(seen)
            if check.state == Work.State.DONE:
                tell_of_drifts(check)


def _settle(check: FixityCheck, seen: Sequence[Seen]) -> bool:
    drifted = sum(bool(one.finding) for one in seen)
    if len(seen) == BATCH:
        return check.go_on(cursor=seen[-1].archive.pk, checked=BATCH, drifted=drifted)
    cursor = seen[-1].archive.pk if seen else check.cursor
    facts: dict[str, Any] = {"cursor": cursor, "checked": check.checked + len(seen), "drifted": check.drifted + drifted}
    return check.finish(Work.State.DONE, **facts)


def look_at(archives: Sequence[Archive]) -> list[Seen]:
    """Raises BucketDown when nobody can say how they are."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="head") as pool:
        seen = list(pool.map(look_at_one, archives))
    denied = [one for one in seen if one.finding == Drift.Finding.DENIED]
    # All of several at once are no drift of the objects: our own right to see them is gone.
    if denied and len(denied) == len(seen) > 1:
        raise BucketDown(REFUSES_ALL)
    return seen


def look_at_one(archive: Archive) -> Seen:
    try:
        # Without its version: what stands under the key now.
        facts = bucket().head(archive.key)
    except ObjectRefused:
        return Seen(archive, Drift.Finding.DENIED, None, is_delivered=False)
    except ObjectMissing:
        return Seen(archive, Drift.Finding.MISSING, None, _is_delivered(archive))
    if is_same_object(archive, facts):
        return Seen(archive, "", facts, is_delivered=True)
    return Seen(archive, Drift.Finding.CHANGED, facts, _is_delivered(archive))


def _is_delivered(archive: Archive) -> bool:
    """Whether links still lead to what was read: they ask for its version, where the bucket keeps versions."""
    if not archive.version_id:
        return False
    try:
        return is_same_object(archive, bucket().head(archive.key, version_id=archive.version_id))
    except ObjectMissing:
        return False


# What was found -------------------------------------------------------------------------------------------


def note(seen: Iterable[Seen]) -> None:
    """Write what drifted, what goes on, and what has healed."""
    by_archive = {one.archive.pk: one for one in seen}
    lasting = {drift.archive_id: drift for drift in Drift.objects.lasting().filter(archive__in=by_archive)}
    same = [drift.pk for pk, drift in lasting.items() if _is_same_finding(drift, by_archive[pk])]
    over = [drift.pk for drift in lasting.values() if drift.pk not in same]
    Drift.objects.filter(pk__in=same).update(last_seen_at=Now())
    Drift.objects.filter(pk__in=over).update(ended_at=Now())
    known = {pk for pk, drift in lasting.items() if drift.pk in same}
    Drift.objects.bulk_create(_drift(one) for pk, one in by_archive.items() if one.finding and pk not in known)


def _is_same_finding(drift: Drift, one: Seen) -> bool:
    new = _drift(one)
    names = ("finding", "size", "etag", "version_id", "is_delivered")
    return all(getattr(drift, name) == getattr(new, name) for name in names)


def _drift(one: Seen) -> Drift:
    told = {"archive": one.archive, "finding": one.finding, "is_delivered": one.is_delivered}
    if one.finding != Drift.Finding.CHANGED or one.facts is None:
        return Drift(**told)
    return Drift(**told, size=one.facts.size, etag=one.facts.etag[:200], version_id=one.facts.version_id)


def tell_of_drifts(check: FixityCheck) -> None:
    """Mail those who may change releases of every drift that nobody was mailed of, also one that a check found which
    never came to its end."""
    if not Drift.objects.untold().filter(archive__release=check.release_id).update(told_in=check):
        return
    people = User.objects.permitted(RESPONSIBLE).only("email")
    word = f"drifted:{check.pk}"
    queue_all(MAIL, to={user: f"{word}:{user.pk}" for user in people}, check=check.pk)
    if not people:
        queue(MAIL, to=settings.SITE_CONTACT, once=word, check=check.pk)


# How it stands --------------------------------------------------------------------------------------------


class Standing(NamedTuple):
    """Of one release, or of all of them."""

    archives: int
    lasting: int
    since: datetime | None
    """Every object was asked for since then; None when not all of them were."""


def last_whole_checks() -> QuerySet[Any]:
    """The releases that are followed, each with `checked_at`, `checked` and `drifted` of its last whole check."""
    done = FixityCheck.objects.filter(release=OuterRef("pk"), state=Work.State.DONE).order_by("-pk")
    facts = {"checked_at": "created_at", "checked": "checked", "drifted": "drifted"}
    told = {name: Subquery(done.values(column)[:1]) for name, column in facts.items()}
    return followed().annotate(**told).select_related("dataset").defer("notes", "dataset__description")


def standing() -> Standing:
    """Of all that is followed. Three queries."""
    moments = list(last_whole_checks().values_list("checked_at", flat=True))
    since = min(moments) if moments and None not in moments else None
    published = Q(release__status__in=SHOWN)
    return Standing(Archive.objects.filter(published).count(), Drift.objects.lasting().count(), since)
