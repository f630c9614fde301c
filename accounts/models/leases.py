"""Holding a row while it is worked on, however long that takes."""

import logging
import threading
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from accounts.models.work import CRASH_BASE, CRASH_CEILING

logger = logging.getLogger(__name__)


class Held(Protocol):
    """A row that is worked on, or several that a worker took along."""

    @property
    def pk(self) -> int: ...

    def renew(self, *, lease: timedelta) -> bool: ...

    def crash(self, *, reason: str) -> bool: ...

    def postpone(self, *, reason: str, base: timedelta, ceiling: timedelta) -> bool: ...


class Lease:
    """Renews a row's lease from a thread, so that it may be short (a killed worker's row is soon taken by another)
    and yet never runs out under a worker that is only slow. An exception inside counts as a death of the worker,
    unless it says that the database went away: then the row only waits, if the database is back to be told so. If it
    is not, the row stays as it is, is taken again when its lease has run out, and that counts as a death."""

    def __init__(self, row: Held, lease: timedelta) -> None:
        self.row = row
        self.lease = lease
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._renew, name=f"lease {row.pk}", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self.thread.join()
        # Not when the process is told to end.
        if kind is None or not issubclass(kind, Exception):
            return
        try:
            self._give_back(kind)
        except (DatabaseError, InterfaceError):
            logger.warning("row not given back: the database does not answer", extra={"row": self.row.pk})
            connection.close()

    def _give_back(self, kind: type[Exception]) -> None:
        # Other database errors (a value too long, a missing column) are mistakes, which would be made for ever.
        if issubclass(kind, (OperationalError, InterfaceError)):
            connection.close()
            reason = "The database went away while it was worked on"
            self.row.postpone(reason=reason, base=CRASH_BASE, ceiling=CRASH_CEILING)
        else:
            # The kind only: an exception's text may carry what the row must not hold.
            self.row.crash(reason=f"{kind.__name__} while it was worked on; the log has the rest")

    def _renew(self) -> None:
        held = True
        try:
            while held and not self.ended.wait(self.lease.total_seconds() / 4):
                held = self._renew_once()
        finally:
            # The thread's own connection, opened only if there was something to renew.
            connection.close()

    def _renew_once(self) -> bool:
        try:
            return self.row.renew(lease=self.lease)
        except (DatabaseError, InterfaceError):
            logger.warning("lease not renewed: the database does not answer", extra={"row": self.row.pk})
            connection.close()
            return True
