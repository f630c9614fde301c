""" "My data" is complete: each column of each table is declared, and what is personal is in the export.

Whether it is: the column of a row about the person is given another value, and the export must change; where the
value is a text, a time or an address, it must stand there.
"""

import json
from collections import Counter
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.db.models import Max

from accounts.models import Deletion, User
from accounts.services.registration import export_my_data
from datasets.models import AccessGrant, AccessRequest, DownloadLink
from tests.access import offered
from tests.columns import TABLES, Columns
from tests.factories import AgreementVersionFactory, ArchiveFactory
from tests.owner import as_owner
from tests.person import Whole, whole_person

pytestmark = pytest.mark.django_db
PERSONAL = [(table, column) for table, columns in TABLES.items() for column in columns.personal.split()]
SECRET = [
    (table, column)
    for table, columns in TABLES.items()
    for names in columns.secret.values()
    for column in names.split()
]
# Words that fit the constraints of their column; those of the row are others.
WORDS = {
    ("accounts_user", "country"): "DE",
    ("accounts_user", "position"): "faculty",
    ("accounts_outgoingmail", "state"): "done",
    ("accounts_deletion", "state"): "done",
    ("accounts_bounce", "kind"): "complaint",
    ("mfa_authenticator", "type"): "webauthn",
    ("datasets_accessrequest", "status"): "withdrawn",
    ("datasets_accessrequestevent", "status"): "withdrawn",
    ("datasets_accessgrant", "status"): "active",
    ("datasets_accessgrantevent", "status"): "marked",
    ("datasets_downloadlink", "status"): "revoked",
    ("datasets_downloadrecord", "country"): "DE",
}


def declared(columns: Columns) -> list[str]:
    groups = [columns.personal, *columns.secret.values(), *columns.other.values()]
    return [name for group in groups for name in group.split()]


def of_database() -> dict[str, dict[str, str]]:
    """Every table's columns and their types."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        )
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in cursor.fetchall():
            found.setdefault(table, {})[column] = kind
        return found


def test_every_column_of_every_table_is_declared_once() -> None:
    """A new one is personal (then it is exported), secret, or says why it is nobody's: tests/columns.py."""
    assert {table: sorted(columns) for table, columns in of_database().items()} == {
        table: sorted(declared(columns)) for table, columns in TABLES.items()
    }
    for columns in TABLES.values():
        assert max(Counter(declared(columns)).values()) == 1


def filled() -> Whole:
    """Somebody of whom every column is filled."""
    person = whole_person()
    user = person.user
    Deletion.objects.create(user=user, why="So.", state="failed", reason="So.", finished_at=user.date_joined)
    DownloadLink.objects.filter(grant=person.grant).update(status="replaced", ended_at=user.date_joined)
    AccessGrant.objects.filter(pk=person.grant.pk).update(status="revoked", reason="So.", revoked_at=user.date_joined)
    AccessRequest.objects.filter(user=user).update(status="approved", decided_at=user.date_joined, reason="So.")
    return person


def key_of(table: str) -> str:
    if table == "datasets_dailyusage":
        # The person has one row of it.
        return "grant_id"
    if table == "datasets_countedperson":
        return "user_id"
    return "pgh_id" if table.endswith("event") else "id"


def row_of(person: Whole, table: str) -> int:
    """A row of the table about the person."""
    user = person.user
    about = {
        "accounts_user": f"id = {user.pk}",
        "accounts_accountevent": f"pgh_obj_id = {user.pk}",
        "account_emailaddress": f'user_id = {user.pk} AND "primary"',
        "mfa_authenticator": f"user_id = {user.pk} AND type = 'recovery_codes'",
        "datasets_accessgrant": f"id = {person.grant.pk}",
        "datasets_accessgrantevent": f"pgh_obj_id = {person.grant.pk}",
        "datasets_dailyusage": f"grant_id = {person.grant.pk}",
        "datasets_downloadlink": f"grant_id = {person.grant.pk}",
        "datasets_downloadrecord": f"id = {person.record.pk}",
    }
    key = key_of(table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max({key}) FROM {table} WHERE {about.get(table, f'user_id = {user.pk}')}")
        found: int = cursor.fetchone()[0]
    assert found, f"There is no row of {table} about the person."
    return found


def another(table: str, column: str, kind: str) -> tuple[Any, str]:
    """Another value for a column, and how it is written in the export; "" where it is not looked for."""
    word = WORDS.get((table, column))
    if word:
        # Kinds of second factors are exported under another name.
        return word, "" if column == "type" else f'"{word}"'
    if column.endswith("_id"):
        return another_row(column), ""
    if column == "email" or column == "to":
        return f"mark.{table}@columns.example.org", f"mark.{table}@columns.example.org"
    mark, year = f"mark {table} {column}", 2049 if column == "ends_at" else 2019
    values = {
        "boolean": (None, ""),
        "date": (f"{year}-03-04", f"{year}-03-04"),
        "inet": ("198.51.100.201", "198.51.100.201"),
        "jsonb": (json.dumps({"mark": mark}), mark),
        # An end is not before its beginning.
        "timestamp with time zone": (f"{year}-03-04 05:06:07+00", f"{year}-03-04"),
    }
    number = (987_654_321, "987654321")
    return values.get(kind, number if kind in ("bigint", "integer") else (mark[:60], mark[:60]))


def another_row(column: str) -> int:
    made = {
        "version_id": lambda: AgreementVersionFactory().pk,
        "dataset_id": lambda: offered().pk,
        "release_id": lambda: offered().releases.get().pk,
        "archive_id": lambda: ArchiveFactory().pk,
        "group_id": lambda: Group.objects.get_or_create(name="Curators")[0].pk,
        "permission_id": lambda: Permission.objects.aggregate(last=Max("pk"))["last"],
    }
    return made[column]()


def exported(user: User) -> str:
    return json.dumps(export_my_data(User.objects.get(pk=user.pk)), default=str, ensure_ascii=False)


def test_my_data_has_every_personal_column() -> None:
    person, kinds = filled(), of_database()
    missing = [name for name in PERSONAL if not is_exported(person, *name, kinds)]
    assert missing == []


def is_exported(person: Whole, table: str, column: str, kinds: dict[str, dict[str, str]]) -> bool:
    row = row_of(person, table)
    with transaction.atomic():
        value, mark = another(table, column, kinds[table][column])
        before = exported(person.user)
        change(table, column, row, value)
        after = exported(person.user)
        transaction.set_rollback(True)
    return after.count(mark) > before.count(mark) if mark else after != before


def test_my_data_has_no_secret() -> None:
    text = exported(filled().user)
    with connection.cursor() as cursor:
        for table, column in SECRET:
            cursor.execute(f'SELECT "{column}"::text FROM {table}')
            secrets = [value for (value,) in cursor.fetchall() if len(value) > 8]
            assert secrets, f"{table}.{column} is empty"
            assert not [secret for secret in secrets if secret in text]


def change(table: str, column: str, row: int, value: Any) -> None:
    """Whatever triggers say: here it is only asked what the export reads."""
    key = key_of(table)
    new, values = ("%s", [value, row]) if value is not None else (f'NOT "{column}"', [row])
    with as_owner() as cursor:
        # A table with constraints that are still to be looked at cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f'UPDATE {table} SET "{column}" = {new} WHERE {key} = %s', values)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
