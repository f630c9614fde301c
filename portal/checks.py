"""What `manage.py check --database default`, and with it `migrate`, says about the application's role."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004
from django.db import connections

from portal.roles import surplus_of


def check_role(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    return [
        Warning(
            sentence,
            hint="Let DATABASE_URL name a role that owns nothing, and run `manage.py migrate` with DATABASE_OWNER_URL: "
            "it takes back what that role has beyond its rights.",
            id="portal.W001",
        )
        for alias in databases or ()
        for sentence in surplus_of(settings.DATABASE_ROLE, connections[alias])
    ]
