"""What only the owner of the tables may do, for tests that play one who tampers."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.utils import CursorWrapper


@contextmanager
def as_owner() -> Iterator[CursorWrapper]:
    with connection.cursor() as cursor:
        yield cursor
