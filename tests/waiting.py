"""Wait for what another process or thread does, no longer than needed."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(look: Callable[[], Found], what: str, seconds: float = 20) -> Found:
    """What `look` returns as soon as that is true; an AssertionError that names `what` after the given time."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} seconds"
        time.sleep(0.05)
