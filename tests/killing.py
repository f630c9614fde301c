"""A worker that is killed at any statement, and the one that follows it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from datasets.models import Notice
from datasets.services.notices import send_due_notices

DAYS = timedelta(days=1)


class Killed(BaseException):
    """As a worker ends that is killed: nothing is caught, nothing is given back."""


@contextmanager
def killed_at(statement: int) -> Iterator[list[int]]:
    """End whatever runs before its n-th statement."""
    seen = [0]

    def count(execute: Callable[..., Any], *args: Any) -> Any:
        seen[0] += 1
        if seen[0] == statement:
            raise Killed
        return execute(*args)

    with connection.execute_wrapper(count):
        yield seen


def has_survived(seconds: float) -> bool:
    """Whether a worker came to the end of its run."""
    try:
        send_due_notices(seconds=seconds)
    except Killed:
        return False
    return True


def let_leases_run_out() -> None:
    Notice.objects.filter(state="running").update(leased_until=timezone.now() - DAYS)
