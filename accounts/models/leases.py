"""Holding a row while it is worked on, however long that takes."""

import logging
import threading
from datetime import timedelta
from types import TracebackType
from typing import Self

from django.db import DatabaseError, InterfaceError, connection

from accounts.models.work import Work

logger = logging.getLogger(__name__)


class Lease:
    """Renews a row's lease from a thread, so that it may be short (a killed worker's row is soon taken by another)
    and yet never runs out under a worker that is only slow. An exception inside counts as a death of the worker."""

    def __init__(self, row: Work, lease: timedelta) -> None:
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
        # Not when the database is away (it could not be written), nor when the process is told to end.
        if kind is not None and issubclass(kind, Exception) and not issubclass(kind, (DatabaseError, InterfaceError)):
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
