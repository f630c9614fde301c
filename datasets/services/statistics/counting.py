"""Counting new records, some at a time.

The cursor, and all that it says is counted, are one transaction under one lock: a worker that is killed loses nothing
and counts nothing twice."""

import time
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from datasets.models import DownloadCount
from datasets.services.statistics.people import move_changed_people
from datasets.services.statistics.sums import add_batch, move_periods

COUNTED = ("cursor", "settled", "settled_at", "mark", "mark_transaction", "marked_at", "today", "counted_until")
# As many records a transaction: about a second.
BATCH = 10_000
# A mark is not trusted sooner: between taking its number and its transaction's, an INSERT lets some microseconds pass.
SETTLING = timedelta(seconds=20)
LOOK = """
    SELECT statement_timestamp(), (statement_timestamp() AT TIME ZONE 'UTC')::date,
        pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint,
        coalesce((SELECT max(id) FROM datasets_downloadrecord), 0)
    FROM pg_current_snapshot() AS s
"""


class Look(NamedTuple):
    """The database at one moment, by its own clock."""

    moment: datetime
    today: date
    oldest: int
    """The oldest transaction that has not ended,"""
    following: int
    """and the one that comes next."""
    newest: int
    """The highest number of a record."""


def count_downloads(*, seconds: float) -> bool:
    """Count what is there to be counted, for so long; True when the time was up before the records were."""
    end = time.monotonic() + seconds
    while _count_some():
        if time.monotonic() >= end:
            return True
    return False


def hold_count(*, skip_locked: bool = False) -> DownloadCount | None:
    """The one row, locked: whoever holds it may change the sums. None when somebody else does and `skip_locked`."""
    DownloadCount.objects.bulk_create([DownloadCount()], ignore_conflicts=True)
    return DownloadCount.objects.select_for_update(skip_locked=skip_locked).first()


@transaction.atomic
def _count_some() -> bool:
    """Whether there is more."""
    count = hold_count(skip_locked=True)
    if count is None:
        return False
    look = look_at_records()
    settle(count, look)
    today = max(count.today or look.today, look.today)
    if count.today is not None and today > count.today:
        move_periods(counted=count.cursor, before=count.today, today=today)
    upto = min(count.settled, count.cursor + BATCH)
    if upto > count.cursor:
        add_batch(counted=count.cursor, upto=upto, today=today)
    count.cursor, count.today = upto, today
    if upto == count.settled:
        move_changed_people(count)
        count.counted_until = count.settled_at
    # What else stands there is written by take_standing.
    count.save(update_fields=COUNTED)
    return upto < count.settled


def settle(count: DownloadCount, look: Look) -> None:
    """Trust the mark when all that ran at its moment has ended, and set the next one."""
    following, at = count.mark_transaction, count.marked_at
    if following is not None and at is not None and following <= look.following and at <= look.moment:
        if look.oldest < following or look.moment - at < SETTLING:
            return
        count.settled, count.settled_at = max(count.settled, count.mark), at
    # Else there is none yet; or it is of another server, from which a copy of this database was brought here, or of a
    # clock that was ahead.
    count.mark, count.mark_transaction, count.marked_at = look.newest, look.following, look.moment


def look_at_records() -> Look:
    with connection.cursor() as cursor:
        cursor.execute(LOOK)
        return Look(*cursor.fetchone())
