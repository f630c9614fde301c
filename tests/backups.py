"""A backup of the test database and a restored one, made as an operator makes them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from portal.embedded.postgres import program


def run(name: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs, as the owner."""
    told = connection.settings_dict
    environment = {
        "PGHOST": str(told["HOST"]),
        "PGPORT": str(told["PORT"]),
        "PGUSER": str(told["USER"]),
        "PGPASSWORD": str(told["PASSWORD"]),
    }
    command = [program(name), *arguments]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def back_up(path: Path) -> None:
    run("pg_dump", "--format=custom", f"--file={path}", str(connection.settings_dict["NAME"]))


@contextmanager
def restored(path: Path) -> Iterator[None]:
    """The site on another database, which was restored from the backup; then on its own again."""
    own = connection.settings_dict["NAME"]
    other = f"{own}_restored"
    run("dropdb", "--if-exists", other)
    run("createdb", "--template=template0", other)
    try:
        run("pg_restore", "--exit-on-error", f"--dbname={other}", str(path))
        _turn_to(other)
        yield
    finally:
        _turn_to(str(own))
        run("dropdb", "--force", other)


def _turn_to(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name
