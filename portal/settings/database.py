"""DATABASE_OWNER_URL, as what Django says of a database."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

# Never with the value: it holds a password.
WRONG = (
    "DATABASE_OWNER_URL must be postgres://user:password@host/name, or the JSON that RDS keeps of its master user: "
    '{"username": …, "password": …}.'
)


def owner_of(said: str, database: Mapping[str, Any]) -> dict[str, Any]:
    """How the owner of the tables logs in; {} where nothing is said. RDS changes its master user's password by itself
    and knows no address to put it in: that is the application's, with another name and password."""
    if not said:
        return {}
    try:
        if said.startswith("postgres"):
            return dict(Env.db_url_config(said))
        secret = json.loads(said)
        if not isinstance(secret, dict):
            raise ImproperlyConfigured(WRONG)
        return {**database, "USER": str(secret["username"]), "PASSWORD": str(secret["password"])}
    except (ImproperlyConfigured, KeyError, ValueError):
        raise ImproperlyConfigured(WRONG) from None
