"""Who may do what in the database (docs/decisions/2026-11-25-database-roles.md).

The owner has the tables and changes them, in `manage.py migrate` alone. The application's role, as which everything
else runs, reads and writes rows; evidence (accounts.models.evidence) it can read and add to, and no more. Rows that
lead to somebody's evidence it cannot remove, nor give to somebody else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model
from psycopg2.extensions import encrypt_password

from accounts.models.evidence import is_evidence, kept_columns

SCHEMA = "public"
EVIDENCE = ("SELECT", "INSERT")
ORDINARY = ("SELECT", "INSERT", "UPDATE", "DELETE")
# The table of migrations, from which the site learns whether one is missing; and what functions of the owner write.
READ = ("SELECT",)
# What nobody but the owner may do with evidence.
WITHHELD = ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@contextmanager
def connected_as_owner(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Within it, this thread's connection is the owner's, if DATABASE_OWNER_URL says how to log in as such."""
    kept = connection.settings_dict
    connection.close()
    if settings.DATABASE_OWNER:
        # Not its name: that of the tests' database is another than the one in the address.
        login = {part: settings.DATABASE_OWNER[part] for part in ("USER", "PASSWORD", "HOST", "PORT")}
        options = {name: value for name, value in kept["OPTIONS"].items() if name != "assume_role"}
        connection.settings_dict = {**kept, **login, "OPTIONS": options}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = kept


def make_role(login: Mapping[str, Any], connection: BaseDatabaseWrapper) -> None:
    """As an owner who may make roles, as on RDS: the application's role, with the password of its address. Where it is
    there already it gets that password again, so that a new one needs nothing but a new address."""
    role, password = login["USER"], login["PASSWORD"]
    may, is_there = _rows(
        connection,
        "SELECT rolcreaterole OR rolsuper, to_regrole(%s) IS NOT NULL FROM pg_roles WHERE rolname = current_user",
        [connection.ops.quote_name(role)],
    )[0]
    if not may or not password or (is_there and not _may_change(role, connection)):
        return
    name = connection.ops.quote_name(role)
    with connection.cursor() as cursor:
        # Only what the password is compared with, so that it stands in no log.
        sealed = encrypt_password(password, role, connection.connection, "scram-sha-256")
        cursor.execute(f"{'ALTER' if is_there else 'CREATE'} ROLE {name} LOGIN PASSWORD %s", [sealed])


def _may_change(role: str, connection: BaseDatabaseWrapper) -> bool:
    asked = "SELECT pg_has_role(current_user, %s, 'MEMBER WITH ADMIN OPTION')"
    return _rows(connection, asked, [role]) == [(True,)]


def rights_by_table() -> dict[str, tuple[str, ...]]:
    """What the application's role may do with each table. A table that is not here is closed to it."""
    rights: dict[str, tuple[str, ...]] = {MigrationRecorder.Migration._meta.db_table: READ}
    for model in _models():
        rights[model._meta.db_table] = _rights_to(model)
    return rights


def _models() -> list[type[Model]]:
    models = apps.get_models(include_auto_created=True)
    return [model for model in models if model._meta.managed and not model._meta.proxy]


def _rights_to(model: type[Model]) -> tuple[str, ...]:
    if is_evidence(model):
        return READ if getattr(model, "written_by_functions", False) else EVIDENCE
    kept = kept_columns(model)
    if not kept:
        return ORDINARY
    columns = (str(field.column) for field in model._meta.concrete_fields if not field.primary_key)
    return (*EVIDENCE, f"UPDATE ({', '.join(sorted(name for name in columns if name not in kept))})")


def give_rights(role: str, connection: BaseDatabaseWrapper) -> None:
    """As the owner: give the application's role what it needs of all that is there, and take what it has beyond it."""
    name = connection.ops.quote_name(role)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for statement in (
            *_of_the_whole(name, connection.ops.quote_name(str(connection.settings_dict["NAME"]))),
            *_of_tables(name, connection),
            *_of_functions(name, connection),
        ):
            cursor.execute(statement)


def _of_the_whole(role: str, database: str) -> Iterator[str]:
    # What is made later, by hand or by a migration that stops half-way, is closed until somebody opens it.
    yield "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"
    for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
        yield f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} REVOKE ALL ON {kind} FROM {role}"
    # Not even temporary tables: a function that runs as the owner might take one for the table of that name.
    yield f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC, {role}"
    yield f"REVOKE CREATE ON SCHEMA {SCHEMA} FROM PUBLIC, {role}"
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}"


def _of_tables(role: str, connection: BaseDatabaseWrapper) -> Iterator[str]:
    rights = rights_by_table()
    for table, is_sequence in _rows(
        connection,
        "SELECT relname, relkind = 'S' FROM pg_class WHERE relnamespace = %s::regnamespace "
        "AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relowner = current_user::regrole ORDER BY relname",
        [SCHEMA],
    ):
        whole = f"{'SEQUENCE' if is_sequence else 'TABLE'} {SCHEMA}.{connection.ops.quote_name(table)}"
        yield f"REVOKE ALL ON {whole} FROM PUBLIC, {role}"
        given = ("USAGE",) if is_sequence else rights.get(table, ())
        if given:
            yield f"GRANT {', '.join(given)} ON {whole} TO {role}"


def _of_functions(role: str, connection: BaseDatabaseWrapper) -> Iterator[str]:
    for function, is_trigger in _rows(
        connection,
        "SELECT oid::regprocedure::text, prorettype = 'trigger'::regtype FROM pg_proc "
        "WHERE pronamespace = %s::regnamespace AND prokind IN ('f', 'w') AND proowner = current_user::regrole",
        [SCHEMA],
    ):
        yield f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC, {role}"
        # Triggers run whoever sets them off; only what is called by name needs this.
        if not is_trigger:
            yield f"GRANT EXECUTE ON FUNCTION {function} TO {role}"


def surplus_of(role: str, connection: BaseDatabaseWrapper) -> list[str]:
    """What a role can do that the application's must not, a sentence each."""
    attributes = _rows(connection, "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = %s", [role])
    if not attributes:
        return [f"There is no role {role!r} in the database."]
    ((owned,),) = _rows(
        connection,
        "SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace AND pg_has_role(%s, relowner, 'MEMBER')",
        [SCHEMA, role],
    )
    if owned or attributes[0][0]:
        return [f"The role {role!r} owns the tables, or may make itself their owner: no rule of the database holds it."]
    return [
        *_evidence_that_it_may_change(role, connection),
        *_rows_that_it_may_turn_to_others(role, connection),
        *_places_where_it_may_create(role, connection),
    ]


def _evidence_that_it_may_change(role: str, connection: BaseDatabaseWrapper) -> Iterator[str]:
    evidence = [model._meta.db_table for model in _models() if is_evidence(model)]
    for table, verb in _rows(
        connection,
        "SELECT relname, verb FROM pg_class, unnest(%s) AS verb WHERE relnamespace = %s::regnamespace "
        "AND relname = ANY(%s) AND (has_table_privilege(%s, pg_class.oid, verb) "
        "OR verb IN ('UPDATE', 'REFERENCES') AND has_any_column_privilege(%s, pg_class.oid, verb)) ORDER BY 1, 2",
        [list(WITHHELD), SCHEMA, evidence, role, role],
    ):
        yield f"The role {role!r} has the right {verb} on {table}, which is evidence."


def _rows_that_it_may_turn_to_others(role: str, connection: BaseDatabaseWrapper) -> Iterator[str]:
    for model in _models():
        table = model._meta.db_table
        for name in sorted(kept_columns(model)):
            asked = "SELECT has_column_privilege(%s, %s, %s, 'UPDATE')"
            if _rows(connection, asked, [role, f"{SCHEMA}.{table}", name]) == [(True,)]:
                yield f"The role {role!r} has the right UPDATE on {table}.{name}, which leads to evidence."
        asked = "SELECT has_table_privilege(%s, %s, 'DELETE')"
        if kept_columns(model) and _rows(connection, asked, [role, f"{SCHEMA}.{table}"]) == [(True,)]:
            yield f"The role {role!r} has the right DELETE on {table}, which leads to evidence."


def _places_where_it_may_create(role: str, connection: BaseDatabaseWrapper) -> Iterator[str]:
    ((in_schema, temporary),) = _rows(
        connection,
        "SELECT has_schema_privilege(%s, %s, 'CREATE'), has_database_privilege(%s, current_database(), 'TEMPORARY')",
        [role, SCHEMA, role],
    )
    if in_schema:
        yield f"The role {role!r} may make things in the schema {SCHEMA}."
    if temporary:
        yield f"The role {role!r} may make temporary tables."


def _rows(connection: BaseDatabaseWrapper, statement: str, values: Sequence[Any]) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
        return list(cursor.fetchall())
