"""Doing what rows of work ask for, one after the other; how all of it stands; and trying again what failed."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils import timezone

from accounts.exceptions import MoveNotAllowed
from accounts.models import Lease, User
from accounts.models.work import Work, WorkQuerySet

logger = logging.getLogger(__name__)
Row = TypeVar("Row", bound=Work)
# Renewed while a row is worked on, so only a worker that died lets it run out.
LEASE = timedelta(seconds=60)
# Rows are counted so far and no further.
COUNTED = 1_000
# Work that is due for longer has met something that somebody should look at.
LATE = timedelta(minutes=10)
# The newest failures, and rows that are stuck, that are told with their reasons.
TOLD = 5


def work_through(rows: WorkQuerySet[Row], do: Callable[[Row], None], *, seconds: float) -> bool:
    """Claim rows that are due and do each, for so long; True when the time was up before the rows were.

    `do` settles its row (finish, postpone) in the transaction that does the work, so that neither is there without the
    other. What it raises counts as a death of the worker: the row is tried again, and failed at the third.
    """
    end = time.monotonic() + seconds
    while (row := rows.claim(lease=LEASE)) is not None:
        with Lease(row, LEASE):
            do(row)
        if time.monotonic() >= end:
            return True
    return False


@dataclass(frozen=True)
class Standing:
    """How one kind of work stands. Each number ends at COUNTED + 1."""

    kind: type[Work]
    waiting: int
    running: int
    failed: int
    due_since: datetime | None
    """When the oldest row that nobody has taken became due; None too while a heap of them is being worked on."""
    newest_failures: Sequence[Work]
    stuck: Sequence[Work]

    @property
    def is_late(self) -> bool:
        return bool(self.stuck) or (self.due_since is not None and timezone.now() - self.due_since > LATE)

    @property
    def is_bad(self) -> bool:
        return bool(self.failed) or self.is_late


def standing_of(kind: type[Work]) -> Standing:
    """Six queries, each of which reads the index of what is open or of what failed, and little of it."""
    rows: WorkQuerySet[Any] = kind.objects.all()
    failed = rows.failed().order_by("-id")
    return Standing(
        kind=kind,
        waiting=_counted(rows.waiting()),
        running=_counted(rows.running()),
        failed=_counted(failed),
        due_since=rows.overdue().order_by("due_at").values_list("due_at", flat=True).first(),
        newest_failures=list(failed[:TOLD]),
        stuck=list(rows.stuck().order_by("-id")[:TOLD]),
    )


def _counted(rows: QuerySet) -> int:
    return rows.order_by()[: COUNTED + 1].count()


def retry_work(row: Work, *, by: User) -> None:
    """Put a row that failed back to the queue. It is done anew, from what is true then."""
    if not row.retry():
        raise MoveNotAllowed("It has not failed, or another one takes its place: there is nothing to try again.")
    logger.info("work retried", extra={"work": row._meta.model_name, "row": row.pk, "by": by.pk})


def retry_failed(kind: type[Work], *, by: User) -> int:
    """Put all rows of a kind that failed back to the queue; how many there were."""
    rows: WorkQuerySet[Any] = kind.objects.all()
    number = rows.retry_failed()
    logger.info("all failed work retried", extra={"work": kind._meta.model_name, "rows": number, "by": by.pk})
    return number
