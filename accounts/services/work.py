"""Doing what rows of work ask for, one after the other."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from accounts.models import Lease
from accounts.models.work import Work, WorkQuerySet

Row = TypeVar("Row", bound=Work)
# Renewed while a row is worked on, so only a worker that died lets it run out.
LEASE = timedelta(seconds=60)


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
