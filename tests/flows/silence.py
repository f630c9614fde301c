"""Servers that are away: one whose machine refuses, and one that takes connections and says nothing."""

import socket
import threading
from types import TracebackType
from typing import Self

from portal.embedded.state import LOOPBACK, choose_ports


class Silence:
    """Takes every connection, answers nothing, and counts them."""

    def __init__(self) -> None:
        self.listener = socket.create_server((LOOPBACK, 0))
        self.callers: list[socket.socket] = []
        self.thread = threading.Thread(target=self._take)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def calls(self) -> int:
        return len(self.callers)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for caller in self.callers:
            caller.close()

    def _take(self) -> None:
        while True:
            try:
                self.callers.append(self.listener.accept()[0])
            except OSError:
                return


def nobody() -> int:
    """A port on which nothing listens."""
    return choose_ports(("nobody",), {})["nobody"]
