"""Migrations, as the owner of the tables; afterwards the application's role gets its rights."""

from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from portal.roles import SCHEMA, connected_as_owner, give_rights, make_role

ROOMS = ("accounts", "datasets")


class Command(migrate.Command):
    help = (
        "Change the tables as their owner (DATABASE_OWNER_URL), and give the application's role (DATABASE_URL) its "
        "rights; an owner who may make roles makes it first. Without DATABASE_OWNER_URL one role does both, which is "
        "for a developer's own machine."
    )

    def get_check_kwargs(self, options: dict[str, Any]) -> dict[Any, Any]:
        """The database is checked at the end, for what there is to complain of may just have been put right."""
        return {**super().get_check_kwargs(options), "databases": []}

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        only_looks = options["check_unapplied"] or options["plan"]
        with connected_as_owner(connection):
            role = None if only_looks else the_role_that_changes_tables(connection)
            if role and role != settings.DATABASE_ROLE:
                make_role(settings.DATABASES["default"], connection)
            super().handle(*args, **options)
            if role and role != settings.DATABASE_ROLE:
                self.give_rights(connection)
        if not options["skip_checks"]:
            self.check(databases=[connection.alias])

    def give_rights(self, connection: BaseDatabaseWrapper) -> None:
        """Unless newer code, which may be serving at this moment, has made tables and columns that this code does not
        know and would close to it: so when an older version takes its place again."""
        newer = migrations_of_newer_code(connection)
        if newer:
            self.stdout.write(
                f"The database has been changed by newer code ({', '.join(newer)}): the role's rights stay as they are."
            )
            return
        give_rights(settings.DATABASE_ROLE, connection)


def migrations_of_newer_code(connection: BaseDatabaseWrapper) -> list[str]:
    """What was applied to the database by the site's own rooms, and is not in this code. (Of migrations that were
    squashed and removed, `migrate ROOM --prune` takes the names out of the database.)"""
    loader = MigrationLoader(connection)
    replaced = {pair for migration in loader.disk_migrations.values() for pair in migration.replaces}
    unknown = set(loader.applied_migrations) - set(loader.disk_migrations) - replaced
    return sorted(f"{room}.{name}" for room, name in unknown if room in ROOMS)


def the_role_that_changes_tables(connection: BaseDatabaseWrapper) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, has_schema_privilege(%s, 'CREATE')", [SCHEMA])
        role, may_create = cursor.fetchone()
    if not may_create:
        raise CommandError(
            f"The role {role!r} may not change tables. Set DATABASE_OWNER_URL to an address of the role that owns them."
        )
    return str(role)
