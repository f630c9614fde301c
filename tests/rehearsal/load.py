"""Requests that go on while the site is deployed again: each over a connection of its own, and none may fail."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from types import TracebackType
from typing import Self

from tests.rehearsal.clients import Address

# Bounded: so many people at once, each with a pause between requests. Of more than 1,200 a minute to one link the site
# refuses the rest.
PEOPLE, PAUSE = 4, 0.2


@dataclass(frozen=True)
class Wish:
    """A request, and the status that is right for it."""

    method: str
    path: str
    status: int


class Load:
    def __init__(self, address: Address, wishes: Sequence[Wish]) -> None:
        self.address, self.wishes = address, wishes
        self.answered: Counter[str] = Counter()
        self.failed: list[str] = []
        self.slowest = 0.0
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._ask_on, args=(start,), daemon=True) for start in range(PEOPLE)]

    @property
    def number(self) -> int:
        return self.answered.total() + len(self.failed)

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(60)

    def _ask_on(self, start: int) -> None:
        for wish in islice(cycle(self.wishes), start, None):
            if self.ended.wait(PAUSE):
                return
            self._ask(wish)

    def _ask(self, wish: Wish) -> None:
        began = time.monotonic()
        # Of a link's path no more than its kind: this is printed.
        told = f"{wish.method} {wish.path.partition('/get/')[0] or '/get/…'}"
        try:
            status = self.address.ask(wish.path, method=wish.method).status
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(f"{told}: {error!r}")
            return
        self.slowest = max(self.slowest, time.monotonic() - began)
        if status == wish.status:
            self.answered[told] += 1
        else:
            self.failed.append(f"{told}: {status} instead of {wish.status}")
