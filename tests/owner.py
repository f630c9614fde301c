"""What somebody with the owner's password can do to the database. The application's role may do none of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

EVIDENCE = ("accounts_signature", "accounts_agreementversion", "accounts_receipt", "accounts_receiptdocument")


@contextmanager
def as_owner() -> Iterator[Any]:
    """A cursor with the rights of the owner of the tables."""
    with connection.cursor() as cursor:
        yield cursor


@contextmanager
def without_triggers() -> Iterator[Any]:
    """The same with the triggers of the evidence switched off, as only the owner can."""
    with as_owner() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in EVIDENCE:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        for table in EVIDENCE:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def tamper(sql: str, *parameters: object) -> None:
    """One statement, or several in order when they take no parameters."""
    with without_triggers() as cursor:
        cursor.execute(sql, parameters or None)
