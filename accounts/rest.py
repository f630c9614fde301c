"""Leaving a server alone for a while after it did not answer, so that not every request waits for it in vain."""

import threading
import time

REST_SECONDS = 5.0


class Rest:
    """Shared by the threads of a process. When it is over one caller tries first; the others rest on until that one has
    had its answer."""

    def __init__(self, seconds: float = REST_SECONDS) -> None:
        self.seconds = seconds
        self._until = 0.0
        self._lock = threading.Lock()

    def is_over(self) -> bool:
        """Whether this caller may ask the server now."""
        with self._lock:
            if self._until == 0.0:
                return True
            over = time.monotonic() >= self._until
            if over:
                self._until = time.monotonic() + self.seconds
            return over

    def begin(self) -> None:
        """The server did not answer."""
        with self._lock:
            self._until = time.monotonic() + self.seconds

    def end(self) -> None:
        """The server answered."""
        if self._until:
            with self._lock:
                self._until = 0.0
