"""A database as RDS hands it over: one master user, who is no superuser, and an empty database of his."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from django.core.exceptions import ImproperlyConfigured
from psycopg2 import sql

from portal.embedded.postgres import ADMIN
from portal.embedded.state import LOOPBACK
from portal.settings.database import owner_of
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


@pytest.fixture
def instance() -> Iterator[Instance]:
    kept = json.loads((Path(os.environ[FOLDER]) / "stack.json").read_text())
    mark = secrets.token_hex(4)
    made = Instance(kept["ports"]["postgres"], f"first_{mark}", f"master_{mark}", f"site_{mark}")
    login = {"host": LOOPBACK, "port": made.port, "user": ADMIN, "password": kept["secrets"]["postgres_admin"]}
    with closing(psycopg2.connect(dbname="postgres", **login)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        names = {"master": sql.Identifier(made.master), "name": sql.Identifier(made.name)}
        cursor.execute(
            sql.SQL("CREATE ROLE {master} LOGIN CREATEROLE CREATEDB PASSWORD %s").format(**names), [PASSWORD]
        )
        cursor.execute(sql.SQL("CREATE DATABASE {name} OWNER {master}").format(**names))
        yield made
        cursor.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**names))
        for role in (made.role, made.master):
            cursor.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def test_migrate_alone_makes_an_empty_database_ready_and_changes_the_password_later(instance: Instance) -> None:
    first, second = secrets.token_hex(20), secrets.token_hex(20)

    migrated = instance.manage(first, "migrate", "--no-input", owner=instance.master_secret())
    assert migrated.returncode == 0, migrated.stderr
    assert instance.opens(first)
    checked = instance.manage(first, "check", "--deploy", "--database", "default", "--fail-level", "WARNING")
    assert checked.returncode == 0, checked.stderr
    verified = instance.manage(first, "verify_evidence")
    assert "The chain is whole: 0 signatures" in verified.stdout

    assert not instance.opens(second)
    again = instance.manage(second, "migrate", "--no-input", owner=instance.master_secret())
    assert again.returncode == 0, again.stderr
    assert instance.opens(second)
    assert not instance.opens(first)
    for said in (migrated, again):
        assert first not in said.stdout + said.stderr
        assert second not in said.stdout + said.stderr


class TestOwner:
    database = {"HOST": "db.example.org", "PORT": 5432, "NAME": "portal", "USER": "portal_app", "PASSWORD": "other"}

    def test_secret_of_rds_is_the_same_place_with_another_login(self) -> None:
        said = json.dumps({"username": "portal", "password": PASSWORD})
        assert owner_of(said, self.database) == {**self.database, "USER": "portal", "PASSWORD": PASSWORD}

    def test_an_address_is_taken_as_it_is(self) -> None:
        found = owner_of("postgres://portal:secret@other.example.org/another", self.database)
        assert (found["USER"], found["HOST"], found["NAME"]) == ("portal", "other.example.org", "another")

    def test_nothing_is_nobody(self) -> None:
        assert owner_of("", self.database) == {}

    @pytest.mark.parametrize("said", ['{"username": "portal"}', '{"secret', "[]", "1", "mailto:portal:secret@host"])
    def test_what_is_neither_is_refused_without_being_repeated(self, said: str) -> None:
        with pytest.raises(ImproperlyConfigured, match="DATABASE_OWNER_URL must be postgres://") as refused:
            owner_of(said, self.database)
        assert "secret" not in str(refused.value)
