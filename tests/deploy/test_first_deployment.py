"""`migrate` alone makes of a database as RDS hands it over one that the site runs on."""

import json
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import get_commands

from portal.settings.database import owner_of
from tests.deploy.manual import TEXT, block
from tests.deploy.rds import PASSWORD, instance

# What the shell on a worker has for the site's own names; a value may hold anything.
PROPERTIES = {"SITE_NAME": 'The "Knee\'s" $HOME `portal`', "SECRET_KEY": "a b;c", "EMPTY": ""}


def test_shell_on_the_worker_has_the_names_of_the_site(tmp_path: Path) -> None:
    (tmp_path / "properties.json").write_text(json.dumps(PROPERTIES))
    begun = "cd /var/app/current && source /var/app/venv/*/bin/activate && "
    asked = "/opt/elasticbeanstalk/bin/get-config environment"
    commands = block("shell")
    assert begun in commands
    assert asked in commands
    here = (
        commands.replace(begun, "").replace(asked, "cat properties.json").replace("python -c", f"{sys.executable} -c")
    )
    shown = "; ".join(f'printf "%s\\n" "${name}"' for name in PROPERTIES)
    line = ["bash", "-c", f"{here}\n{shown}"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == [*PROPERTIES.values(), ""]


def test_commands_that_the_manual_names_are_there() -> None:
    named = {name for name in re.findall(r"manage\.py (\w+)", TEXT) if name != "py"}
    assert {"migrate", "verify_evidence", "replay_deletions", "anchor_evidence", "createsuperuser"} <= named
    assert named <= set(get_commands())


def test_an_empty_database_becomes_ready_and_takes_another_password_later() -> None:
    with instance() as made:
        first, second = secrets.token_hex(20), secrets.token_hex(20)

        migrated = made.manage(first, "migrate", "--no-input", owner=made.master_secret())
        assert migrated.returncode == 0, migrated.stderr
        assert made.opens(first)
        checked = made.manage(first, "check", "--deploy", "--database", "default", "--fail-level", "WARNING")
        assert checked.returncode == 0, checked.stderr
        verified = made.manage(first, "verify_evidence")
        assert "The chain is whole: 0 signatures" in verified.stdout

        assert not made.opens(second)
        again = made.manage(second, "migrate", "--no-input", owner=made.master_secret())
        assert again.returncode == 0, again.stderr
        assert made.opens(second)
        assert not made.opens(first)
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
