"""How a release goes from one state to another: locked, along the allowed moves, in somebody's name."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pghistory
from django.db.models import Count, Q

from accounts.models import User
from datasets.exceptions import MoveNotAllowed
from datasets.models import Archive, Release
from datasets.permissions import as_clause, day_long

# Names of archives that a reason tells.
TOLD = 3


def locked(release: Release) -> Release:
    """The release as it is now, which nobody else moves until the transaction ends. Whoever needs this takes it before
    the rows of its archives and ingests."""
    return Release.objects.select_for_update(of=("self",)).select_related("dataset__agreement").get(pk=release.pk)


def move(release: Release, status: Release.Status, *, by: User | None = None, **fields: Any) -> Release:
    """Move a locked release, and write what else becomes of it. by: None is the site itself."""
    require_move(release, status)
    release.status = status
    for name, value in fields.items():
        setattr(release, name, value)
    with in_the_name_of(by):
        release.save(update_fields=["status", *fields])
    return release


def in_the_name_of(by: User | None) -> AbstractContextManager[object]:
    """What is written within it stands in the history with this name; None is the site itself."""
    return nullcontext() if by is None else pghistory.context(user=by.pk)


def require_move(release: Release, status: Release.Status) -> None:
    if status in Release.MOVES[Release.Status(release.status)]:
        return
    if release.is_withdrawn:
        raise MoveNotAllowed(withdrawal_of(release))
    raise MoveNotAllowed(f"{release} is {release.status} and cannot become {status}.")


def withdrawal_of(release: Release) -> str:
    """When and why a withdrawn release was withdrawn, as a sentence."""
    when = f" on {day_long(release.withdrawn_at)}" if release.withdrawn_at else ""
    return f"{release} was withdrawn{when}: {as_clause(release.reason)}."


def conclude(release: Release, *, by: User | None = None) -> None:
    """Of a locked release that is being checked: ready or failed as soon as each of its archives was read."""
    if release.status != Release.Status.CHECKING:
        return
    states = Archive.Status
    count = release.archives.aggregate(
        open=Count("pk", filter=Q(status__in=(states.REGISTERED, states.INGESTING))),
        failed=Count("pk", filter=Q(status=states.FAILED)),
        all=Count("pk"),
    )
    if count["open"]:
        return
    if not count["failed"] and count["all"]:
        move(release, Release.Status.READY, by=by, reason="")
        return
    move(release, Release.Status.FAILED, by=by, reason=_why_failed(release, count["failed"], count["all"]))


def _why_failed(release: Release, failed: int, of: int) -> str:
    if not of:
        return "It has no archive."
    names = list(release.archives.failed().order_by("pk").values_list("name", flat=True)[: TOLD + 1])
    told = ", ".join(names[:TOLD]) + (" and others" if len(names) > TOLD else "")
    return f"{failed:,} of its {of:,} archives failed the check: {told}."
