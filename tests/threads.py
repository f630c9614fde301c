"""The same act by several people, or in several tabs, at the same moment."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run the acts in threads that begin together, each on its own database connection. Gives what each returned or
    raised; for tests with `transaction=True`."""
    start = Barrier(len(acts))

    def act(number: int) -> Any:
        try:
            start.wait(timeout=10)
            return acts[number]()
        except Exception as error:  # noqa: BLE001 - what an act raises is its outcome
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=len(acts)) as pool:
        return list(pool.map(act, range(len(acts))))
