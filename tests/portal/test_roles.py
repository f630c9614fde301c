"""What the application's role may do in the database: asked of PostgreSQL, through a login of that role."""

from collections.abc import Iterator

import pghistory
import pgtrigger
import psycopg2
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import InternalError, ProgrammingError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model
from psycopg2.errors import InsufficientPrivilege
from pytest_django import Settings

from accounts.models.evidence import is_evidence
from datasets.models import Dataset
from portal.checks import check_role
from portal.roles import ORDINARY, give_rights, rights_by_table
from tests.access import offered, sign
from tests.factories import AccessRequestFactory, DatasetFactory, DownloadRecordFactory, UserFactory, granted
from tests.owner import application_url, as_owner, evidence_tables
from tests.receipts import make_all_receipts

TABLES = evidence_tables()
MODELS = [model for model in apps.get_models() if is_evidence(model) and not model._meta.proxy and model._meta.managed]
# Written out, so that none is lost by how they are found.
KNOWN = {
    "accounts_agreementversionevent",
    "accounts_forgetting",
    "accounts_receiptdocument",
    "accounts_signature",
    "datasets_accessgrantevent",
    "datasets_accessrequestevent",
    "datasets_datasetevent",
    "datasets_downloadrecord",
    "datasets_releaseevent",
    "pghistory_context",
}
# What functions of the owner write, and the application only reads.
WRITTEN_BY_FUNCTIONS = {"accounts_forgetting"}
# Of what leads to evidence: the columns that say whose it is.
LEADING = {
    "accounts_deletion": {"user_id", "created_at"},
    "accounts_receipt": {"signature_id"},
    "datasets_accessgrant": {"user_id", "dataset_id"},
    "datasets_downloadlink": {"grant_id", "release_id"},
}
ALL_RIGHTS = (*ORDINARY, "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
ATTACKS = [
    ("UPDATE {table} SET {column} = {column}", "permission denied for table"),
    (
        "INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}",
        "perm",
    ),
    ("DELETE FROM {table}", "permission denied for table"),
    ("TRUNCATE {table}", "permission denied for table"),
    ("TRUNCATE {table} CASCADE", "permission denied for table"),
    ("SELECT FROM {table} FOR UPDATE", "permission denied for table"),
    ("SELECT 1; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", "permission denied for table"),
    ("ALTER TABLE {table} DISABLE TRIGGER ALL", "must be owner of table"),
    ("ALTER TABLE {table} DISABLE TRIGGER USER", "must be owner of table"),
    ("ALTER TABLE {table} OWNER TO portal_app", "must be owner of table"),
    ("ALTER TABLE {table} DROP COLUMN {column}", "must be owner of table"),
    ("DROP TABLE {table} CASCADE", "must be owner of table"),
    ("CREATE RULE away AS ON INSERT TO {table} DO INSTEAD NOTHING", "must be owner of table"),
    (
        "CREATE TRIGGER away BEFORE INSERT ON {table} EXECUTE FUNCTION tsvector_update_trigger()",
        "permission denied for",
    ),
    ("CREATE INDEX ON {table} ({column})", "must be owner of table"),
    ("SET session_replication_role = replica; DELETE FROM {table}", "permission denied to set parameter"),
    ("SET ROLE portal; DELETE FROM {table}", "permission denied to set role"),
    ("SET SESSION AUTHORIZATION portal; DELETE FROM {table}", "permission denied to set session authorization"),
]


@pytest.fixture(scope="module")
def application(django_db_setup: None) -> Iterator[psycopg2.extensions.connection]:
    """A connection that logged in as the site's do."""
    opened = psycopg2.connect(application_url())
    opened.autocommit = True
    yield opened
    opened.close()


def ask(cursor_of: psycopg2.extensions.connection, statement: str, *values: object) -> list[tuple]:
    with cursor_of.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def columns_of(model: type[Model]) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields if not field.primary_key]


def rows_in_every_table() -> None:
    with pghistory.context(reason="a test"):
        link = granted()
        DownloadRecordFactory(link=link, archive=link.release.archives.get())
        AccessRequestFactory()
        sign(UserFactory(), offered())
        make_all_receipts()
    with as_owner() as cursor:
        cursor.execute("SELECT public.note_forgetting(1, 'a test', 1)")


def test_evidence_is_what_it_is_known_to_be() -> None:
    assert set(TABLES) >= KNOWN
    assert {model._meta.db_table for model in MODELS} == set(TABLES)


@pytest.mark.parametrize(("attack", "refusal"), ATTACKS)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.db_table)
def test_evidence_is_out_of_reach(
    application: psycopg2.extensions.connection, model: type[Model], attack: str, refusal: str
) -> None:
    meta = model._meta
    statement = attack.format(table=meta.db_table, column=columns_of(model)[0], key=meta.pk.column)
    with application.cursor() as cursor, pytest.raises(InsufficientPrivilege, match=refusal):
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("attack", "refusal"),
    [
        ("CREATE TABLE mine (a int)", "permission denied for schema public"),
        ("CREATE TEMPORARY TABLE datasets_downloadrecord (a int)", "permission denied to create temporary tables"),
        ("CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "permission denied for schema public"),
        ("CREATE OR REPLACE FUNCTION _pgh_attach_context() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'", "denied"),
        ("CREATE SCHEMA mine", "permission denied for database"),
        ("DROP SCHEMA public CASCADE", "must be owner of schema"),
        ("CREATE ROLE mine SUPERUSER", "permission denied to create role"),
        ("CREATE DATABASE mine", "permission denied to create database"),
        ("INSERT INTO django_migrations (app, name, applied) VALUES ('a', 'b', now())", "permission denied for table"),
        ("SELECT setval('accounts_user_id_seq', 1)", "permission denied for sequence"),
    ],
)
def test_nothing_can_be_made_beside_it(application: psycopg2.extensions.connection, attack: str, refusal: str) -> None:
    with application.cursor() as cursor, pytest.raises(InsufficientPrivilege, match=refusal):
        cursor.execute(attack)


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.db_table)
def test_ignoring_the_triggers_opens_nothing(model: type[Model]) -> None:
    rows_in_every_table()
    table, column = model._meta.db_table, columns_of(model)[0]
    for attack in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}", f"TRUNCATE {table}"):
        with pytest.raises(ProgrammingError, match="permission denied"), pgtrigger.ignore(), transaction.atomic():
            connection.cursor().execute(attack)


def test_each_table_gives_what_it_should_and_no_more(application: psycopg2.extensions.connection) -> None:
    version = ask(application, "SELECT current_setting('server_version_num')::int")[0][0]
    asked = [right for right in ALL_RIGHTS if right != "MAINTAIN" or version >= 170_000]
    found = ask(
        application,
        "SELECT relname, array_agg(verb) FILTER (WHERE has_table_privilege(pg_class.oid, verb) "
        "OR verb IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(pg_class.oid, verb)) "
        "FROM pg_class, unnest(%s) verb WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p', 'v', 'm', 'f') GROUP BY relname",
        asked,
    )
    given = {table: set(rights or ()) for table, rights in found}
    assert given == {
        table: {right.partition(" (")[0] for right in rights} for table, rights in rights_by_table().items()
    }
    assert all(given[table] == {"SELECT", "INSERT"} for table in KNOWN - WRITTEN_BY_FUNCTIONS)
    assert all(given[table] == {"SELECT"} for table in WRITTEN_BY_FUNCTIONS)
    assert all(given[table] == {"SELECT", "INSERT", "UPDATE"} for table in LEADING)
    assert given["accounts_user"] == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert given["django_migrations"] == {"SELECT"}


@pytest.mark.parametrize(("table", "kept"), LEADING.items(), ids=LEADING)
def test_what_leads_to_evidence_is_turned_to_nobody_else(
    application: psycopg2.extensions.connection, table: str, kept: set[str]
) -> None:
    found = ask(
        application,
        "SELECT attname, has_column_privilege(attrelid, attnum, 'UPDATE') FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        table,
    )
    assert {column for column, may_change in found if not may_change} == {"id", *kept}
    for attack in (f"UPDATE {table} SET {min(kept)} = {min(kept)}", f"DELETE FROM {table}"):
        with application.cursor() as cursor, pytest.raises(InsufficientPrivilege, match="permission denied for table"):
            cursor.execute(attack)


@pytest.mark.django_db
def test_nobody_writes_that_something_was_forgotten_but_what_forgets_it() -> None:
    for attack in (
        "SELECT public.note_forgetting(1, 'forget_signatures', 1)",
        "INSERT INTO accounts_forgetting (person, function, rows) VALUES (1, 'forget_signatures', 1)",
    ):
        with pytest.raises(ProgrammingError, match="permission denied for table"), transaction.atomic():
            connection.cursor().execute(attack)


def test_the_role_owns_nothing(application: psycopg2.extensions.connection) -> None:
    assert ask(application, "SELECT current_user, session_user") == [("portal_app", "portal_app")]
    assert ask(
        application,
        "SELECT count(*) FROM pg_shdepend WHERE refobjid = current_user::regrole AND deptype = 'o'",
    ) == [(0,)]
    assert ask(
        application,
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = %s",
        "portal_app",
    ) == [(False, False, False, False)]
    assert ask(application, "SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole") == [(0,)]


def test_functions_of_the_owner_are_closed_to_others_and_look_in_fixed_places(
    application: psycopg2.extensions.connection,
) -> None:
    functions = ask(
        application,
        "SELECT proname, proconfig, has_function_privilege('public', oid, 'EXECUTE'), pg_get_userbyid(proowner) "
        "FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef",
    )
    assert "blank_addresses" in {name for name, *_rest in functions}
    places = ("search_path=pg_catalog, public", "search_path=pg_catalog, public, pg_temp")
    for name, config, is_public, owner in functions:
        assert (is_public, owner) == (False, "portal"), name
        assert config is not None, name
        assert set(places) & set(config), name


@pytest.mark.parametrize("table", TABLES)
def test_triggers_stand_before_each_table_of_evidence(application: psycopg2.extensions.connection, table: str) -> None:
    """Rows (1), before (2): DELETE (8) and UPDATE (16); the whole, before: TRUNCATE (32)."""
    found = ask(application, "SELECT tgtype FROM pg_trigger WHERE tgrelid = %s::regclass AND tgenabled = 'O'", table)
    kinds = [kind for (kind,) in found]
    for wanted in (1 | 2 | 8, 1 | 2 | 16):
        assert any(kind & wanted == wanted for kind in kinds)
    assert any(kind & (1 | 2 | 32) == 2 | 32 for kind in kinds)


@pytest.mark.django_db
class TestOwner:
    @pytest.mark.parametrize("table", sorted(KNOWN))
    def test_the_owner_too_is_refused_until_it_removes_a_trigger(self, table: str) -> None:
        rows_in_every_table()
        model = next(model for model in MODELS if model._meta.db_table == table)
        column = columns_of(model)[0]
        for attack in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            with pytest.raises(InternalError, match=r"append-only|Cannot update or delete"), as_owner() as cursor:
                cursor.execute(attack)

    def test_emptying_the_people_does_not_reach_evidence(self) -> None:
        with pytest.raises(InternalError, match="is append-only: it is never emptied"), as_owner() as cursor:
            cursor.execute("TRUNCATE accounts_user CASCADE")

    def test_what_is_made_by_hand_is_closed(self, application: psycopg2.extensions.connection) -> None:
        with as_owner() as cursor:
            cursor.execute("CREATE TABLE by_hand (a int)")
            cursor.execute("CREATE FUNCTION by_hand() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        for use in ("SELECT * FROM by_hand", "SELECT by_hand()"):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                connection.cursor().execute(use)

    def test_a_right_given_by_hand_is_named_and_taken_back(self) -> None:
        with as_owner() as cursor:
            cursor.execute("GRANT UPDATE (address) ON datasets_downloadrecord TO portal_app")
            cursor.execute("GRANT UPDATE, DELETE ON datasets_downloadlink TO portal_app")
            cursor.execute("GRANT UPDATE (user_id) ON accounts_deletion TO portal_app")
            cursor.execute("GRANT CREATE ON SCHEMA public TO portal_app")
        assert [message.msg for message in check_role(None, ["default"])] == [
            "The role 'portal_app' has the right UPDATE on datasets_downloadrecord, which is evidence.",
            "The role 'portal_app' has the right UPDATE on accounts_deletion.user_id, which leads to evidence.",
            "The role 'portal_app' has the right UPDATE on datasets_downloadlink.grant_id, which leads to evidence.",
            "The role 'portal_app' has the right UPDATE on datasets_downloadlink.release_id, which leads to evidence.",
            "The role 'portal_app' has the right DELETE on datasets_downloadlink, which leads to evidence.",
            "The role 'portal_app' may make things in the schema public.",
        ]
        with as_owner():
            give_rights("portal_app", connection)
        assert check_role(None, ["default"]) == []


@pytest.mark.django_db
class TestCheck:
    def test_a_site_that_runs_as_the_owner_is_told_so(self, settings: Settings) -> None:
        settings.DATABASE_ROLE = "portal"
        (message,) = check_role(None, ["default"])
        assert message.id == "portal.W001"
        assert message.msg.startswith("The role 'portal' owns the tables")

    def test_a_role_that_may_become_the_owner_is_as_bad(self, settings: Settings) -> None:
        settings.DATABASE_ROLE = "postgres"
        (message,) = check_role(None, ["default"])
        assert "may make itself their owner" in message.msg

    def test_a_role_that_is_not_there_is_named(self, settings: Settings) -> None:
        settings.DATABASE_ROLE = "nobody_of_that_name"
        (message,) = check_role(None, ["default"])
        assert "There is no role 'nobody_of_that_name'" in message.msg


@pytest.mark.django_db(transaction=True)
class TestMigrate:
    def test_it_runs_as_the_owner_and_everything_after_it_as_the_application(self) -> None:
        with as_owner() as cursor:
            cursor.execute("GRANT DELETE ON accounts_signature TO portal_app")
        call_command("migrate", verbosity=0)
        assert check_role(None, ["default"]) == []
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == ("portal_app",)

    def test_an_older_version_closes_nothing_that_a_newer_one_opened(self, capsys: pytest.CaptureFixture[str]) -> None:
        """As at a rollback, while instances of the newer version still answer."""
        newer = MigrationRecorder.Migration(app="datasets", name="9999_newer")
        with as_owner() as cursor:
            cursor.execute("CREATE TABLE made_by_newer_code (a int)")
            cursor.execute("GRANT SELECT ON made_by_newer_code TO portal_app")
            newer.save()
        try:
            call_command("migrate", verbosity=0)
            said = capsys.readouterr().out
            is_open = can_read("made_by_newer_code")
            with as_owner():
                newer.delete()
            call_command("migrate", verbosity=0)
            is_open_to_current_code = can_read("made_by_newer_code")
        finally:
            with as_owner() as cursor:
                cursor.execute("DELETE FROM django_migrations WHERE name = '9999_newer'")
                cursor.execute("DROP TABLE made_by_newer_code")
        assert "changed by newer code (datasets.9999_newer): the role's rights stay as they are." in said
        assert (is_open, is_open_to_current_code) == (True, False)

    def test_without_the_owners_address_it_says_what_to_do(self, settings: Settings) -> None:
        settings.DATABASE_OWNER = {}
        with pytest.raises(CommandError, match=r"'portal_app' may not change tables\. Set DATABASE_OWNER_URL"):
            call_command("migrate", verbosity=0)

    def test_looking_needs_no_owner(self, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        settings.DATABASE_OWNER = {}
        call_command("migrate", check_unapplied=True, plan=True)
        assert "No planned migration operations" in capsys.readouterr().out


def can_read(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege('portal_app', %s, 'SELECT')", [table])
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db
class TestContext:
    """Who made a change, as pghistory keeps it: rows that are never written twice."""

    def test_changes_of_one_context_share_its_row(self) -> None:
        with pghistory.context(user=1):
            first, second = DatasetFactory(), DatasetFactory()
        contexts = [event.pgh_context for dataset in (first, second) for event in dataset.events.all()]
        assert len({context.pk for context in contexts}) == 1
        assert contexts[0].metadata == {"user": 1}

    def test_a_context_that_says_more_later_is_another_row(self) -> None:
        with pghistory.context(user=1):
            dataset = DatasetFactory()
            with pghistory.context(reason="a correction"):
                Dataset.objects.update(summary="Other words.")
                Dataset.objects.update(summary="Yet others.")
        made, *changed = dataset.events.order_by("pgh_id")
        assert made.pgh_context.metadata == {"user": 1}
        assert [event.pgh_context.metadata for event in changed] == [{"user": 1, "reason": "a correction"}] * 2
        assert len({event.pgh_context_id for event in (made, *changed)}) == 2

    def test_a_change_without_context_has_none(self) -> None:
        assert DatasetFactory().events.get().pgh_context is None
