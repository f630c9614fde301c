"""The two roles of the tests. Every test works as the site does, as the application's role, which owns no table.

The connections log in as the owner and then take the application's role, so that a test can be the owner for a moment
(`as_owner`) inside its own transaction. What a test starts as a process of its own logs in as the application
(`application_url`).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.backends.utils import CursorWrapper

from accounts.models.evidence import is_evidence


@contextmanager
def as_owner(*, freely_with: Sequence[str] = ()) -> Iterator[CursorWrapper]:
    """A cursor of the test's own connection, as the owner. In the tables of `freely_with` no trigger fires meanwhile:
    what somebody can do who has the owner's password."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {settings.DATABASE_OWNER['USER']}")
        # Tables with checks outstanding cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        _switch_triggers(cursor, "DISABLE", freely_with)
        yield cursor
        _switch_triggers(cursor, "ENABLE", freely_with)
        # After an error the end of the transaction does this.
        cursor.execute(f"SET LOCAL ROLE {settings.DATABASE_ROLE}")


def _switch_triggers(cursor: CursorWrapper, verb: str, tables: Sequence[str]) -> None:
    for table in tables:
        cursor.execute(f"ALTER TABLE {table} {verb} TRIGGER USER")


def switch_seals(verb: str) -> None:
    """Of what was published. Rows of a test come as if they had been published with all that they have; a test of
    what happens to them afterwards asks for the fixture `sealed`."""
    with connection.cursor() as cursor:
        for table in ("datasets_release", "datasets_archive", "datasets_volume"):
            cursor.execute(f"ALTER TABLE {table} {verb} TRIGGER sealed")


def without_triggers() -> AbstractContextManager[CursorWrapper]:
    """A cursor of the owner who has switched the triggers of all evidence off, agreements' texts included."""
    return as_owner(freely_with=[*evidence_tables(), "accounts_agreementversion", "accounts_receipt"])


def tamper(sql: str, *parameters: Any) -> None:
    """One statement, or several in order when they take no parameters."""
    with without_triggers() as cursor:
        cursor.execute(sql, parameters or None)


def evidence_tables() -> list[str]:
    models = [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]
    return [model._meta.db_table for model in models if is_evidence(model)]


def application_url() -> str:
    """How a process logs in to the tests' database as the site does."""
    address, _slash, _name = os.environ["DATABASE_URL"].rpartition("/")
    return f"{address}/{connection.settings_dict['NAME']}"


def log_in_as_owner() -> None:
    """All connections from here on, of every thread: the database is about to be made."""
    connection.settings_dict |= {name: settings.DATABASE_OWNER[name] for name in ("USER", "PASSWORD")}


@contextmanager
def working_as_the_application() -> Iterator[None]:
    """All connections meanwhile, of every thread; only the emptying after a transactional test is the owner's."""
    options, empty = connection.settings_dict["OPTIONS"], DatabaseOperations.execute_sql_flush
    options["assume_role"] = settings.DATABASE_ROLE
    DatabaseOperations.execute_sql_flush = _as_owner(empty)  # type: ignore[method-assign]
    connection.close()
    try:
        yield
    finally:
        connection.close()
        DatabaseOperations.execute_sql_flush = empty  # type: ignore[method-assign]
        del options["assume_role"]


def _as_owner(empty: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(empty)
    def emptied(operations: DatabaseOperations, sql_list: list[str]) -> None:
        with as_owner(freely_with=evidence_tables()):
            empty(operations, sql_list)

    return emptied
