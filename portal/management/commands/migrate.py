"""Migrations, as the owner of the tables; afterwards the application's role gets its rights."""

from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from portal.roles import SCHEMA, connected_as_owner, give_rights, make_role


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
                give_rights(settings.DATABASE_ROLE, connection)
        if not options["skip_checks"]:
            self.check(databases=[connection.alias])


def the_role_that_changes_tables(connection: BaseDatabaseWrapper) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, has_schema_privilege(%s, 'CREATE')", [SCHEMA])
        role, may_create = cursor.fetchone()
    if not may_create:
        raise CommandError(
            f"The role {role!r} may not change tables. Set DATABASE_OWNER_URL to an address of the role that owns them."
        )
    return str(role)
