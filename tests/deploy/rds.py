"""A database as RDS hands it over: one master user, who is no superuser, and an empty database of his."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from portal.embedded.postgres import ADMIN
from portal.embedded.state import LOOPBACK
from tests.deploy.templates import ROOT
from tests.portal.test_production_guard import SAFE
from tests.stack import FOLDER

# RDS's passwords have what an address cannot hold as it is.
PASSWORD = "p@ss/w?rd#1:%41"


@dataclass
class Instance:
    """The database, and who may log in."""

    port: int
    name: str
    master: str
    role: str

    def url(self, password: str) -> str:
        return f"postgres://{self.role}:{password}@{LOOPBACK}:{self.port}/{self.name}"

    def server(self) -> str:
        """The address of the whole instance, as its master."""
        return f"postgres://{self.master}:{quote(PASSWORD, safe='')}@{LOOPBACK}:{self.port}"

    def master_secret(self) -> str:
        return json.dumps({"username": self.master, "password": PASSWORD})

    def opens(self, password: str) -> bool:
        try:
            with closing(psycopg2.connect(self.url(password))) as opened, opened.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM accounts_user")
                return cursor.fetchone() == (0,)
        except psycopg2.OperationalError:
            return False

    def manage(self, password: str, *command: str, owner: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**SAFE, "PATH": os.environ["PATH"], "DATABASE_URL": self.url(password)}
        environment["DJANGO_SETTINGS_MODULE"] = "portal.settings.production"
        if owner:
            environment["DATABASE_OWNER_URL"] = owner
        line = [sys.executable, "manage.py", *command]
        return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def instance() -> Iterator[Instance]:
    kept = json.loads((Path(os.environ[FOLDER]) / "stack.json").read_text())
    mark = secrets.token_hex(4)
    made = Instance(kept["ports"]["postgres"], f"first_{mark}", f"master_{mark}", f"site_{mark}")
    login = {"host": LOOPBACK, "port": made.port, "user": ADMIN, "password": kept["secrets"]["postgres_admin"]}
    with closing(psycopg2.connect(dbname="postgres", **login)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        names = {"master": sql.Identifier(made.master), "name": sql.Identifier(made.name)}
        master = sql.SQL("CREATE ROLE {master} LOGIN CREATEROLE CREATEDB PASSWORD %s").format(**names)
        cursor.execute(master, [PASSWORD])
        # As rds_superuser has it.
        cursor.execute(sql.SQL("GRANT pg_signal_backend TO {master}").format(**names))
        cursor.execute(sql.SQL("CREATE DATABASE {name} OWNER {master}").format(**names))
        try:
            yield made
        finally:
            cursor.execute("SELECT datname FROM pg_database WHERE datdba = %s::regrole", [made.master])
            for (name,) in cursor.fetchall():
                cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            for role in (made.role, made.master):
                cursor.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
