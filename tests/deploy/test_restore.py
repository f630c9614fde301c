"""The commands of docs/operating.md that bring a database back, run as they stand there."""

import os
import secrets
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from accounts.services.anchors import Anchor, written
from accounts.services.evidence import examine_chain
from datasets.services.deletions import FOLDER
from datasets.storage import evidence_bucket
from portal.embedded.postgres import program
from tests.backups import back_up
from tests.deploy.manual import block
from tests.deploy.rds import Instance, instance
from tests.deploy.templates import ROOT
from tests.person import deleted, rows_that_mention, whole_person

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = "LIVE=portal NEW=portal_restored\n"


@pytest.fixture(autouse=True)
def _empty_bucket() -> None:
    """Numbers begin anew with each database of a test, and other tests have deleted people, too."""
    bucket = evidence_bucket()
    for key in list(bucket.keys(FOLDER)):
        bucket.client.delete_object(Bucket=bucket.name, Key=key)


def source() -> str:
    """The address of the tests' own database, which stands for the moment before the damage."""
    told = connection.settings_dict
    return f"postgres://{told['USER']}:{told['PASSWORD']}@{told['HOST']}:{told['PORT']}/{told['NAME']}"


def run(commands: str, folder: Path, made: Instance, password: str, moment: str) -> subprocess.CompletedProcess[str]:
    """As the operator's shell on the worker runs it, with a line that fails ending it."""
    programs = [str(Path(program("psql")).parent), str(Path(sys.executable).parent)]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_OWNER_URL"} | {
        "PATH": ":".join([*programs, os.environ["PATH"]]),
        "MOMENT": moment,
        "SERVER": made.server(),
        "DATABASE_URL": made.url(password),
    }
    names = f"LIVE={made.name} NEW={made.name}_restored\n"
    whole = f"set -euo pipefail\n{names}{commands.removeprefix(NAMES)}"
    line = ["bash", "-c", whole]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def count(address: str, table: str) -> int:
    with closing(psycopg2.connect(address)) as opened, opened.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        (found,) = cursor.fetchone() or (-1,)
        return int(found)


def folder_of_operator(path: Path) -> Path:
    (path / "manage.py").symlink_to(ROOT / "manage.py")
    chain = examine_chain()
    anchor = Anchor(count=chain.count, head=chain.head, moment=timezone.now())
    (path / "anchor.json").write_bytes(written(anchor))
    return path


def test_a_damaged_database_gives_way_to_the_one_of_the_moment(tmp_path: Path) -> None:
    person, password = whole_person(), secrets.token_hex(20)
    signatures = examine_chain().count
    folder = folder_of_operator(tmp_path)
    assert NAMES in block("restore")
    with instance() as made:
        damaged = made.manage(password, "migrate", "--no-input", owner=made.master_secret())
        assert damaged.returncode == 0, damaged.stderr

        done = run(block("restore"), folder, made, password, source())
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"The chain is whole: {signatures} signatures" in done.stdout
        assert "It goes through the anchor of" in done.stdout
        assert "0 deleted again, 0 deleted already" in done.stdout
        # Until here the site goes on with what it has.
        assert count(made.url(password), "accounts_signature") == 0

        with closing(psycopg2.connect(made.url(password))) as visitor:
            done = run(block("switch"), folder, made, password, source())
            assert done.returncode == 0, done.stderr
            with pytest.raises(psycopg2.OperationalError), visitor.cursor() as cursor:
                cursor.execute("SELECT 1")
        assert count(made.url(password), "accounts_signature") == signatures
        verified = made.manage(password, "check", "--database", "default", "--fail-level", "WARNING")
        assert verified.returncode == 0, verified.stderr
    assert rows_that_mention(person.marks)


def test_whom_the_backup_brings_back_is_deleted_again(tmp_path: Path) -> None:
    person, password = whole_person(), secrets.token_hex(20)
    folder = folder_of_operator(tmp_path)
    before = tmp_path / "before"
    back_up(before)
    deleted(person)
    with instance() as made:
        assert made.manage(password, "migrate", "--no-input", owner=made.master_secret()).returncode == 0
        # pg_dump asks a server; the backup of before the deletion is at hand as a file.
        commands = block("restore").replace(
            'pg_dump --format=custom --file=portal.dump "$MOMENT"', f"cp {before} portal.dump"
        )
        done = run(commands, folder, made, password, source())
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 deleted again, 0 deleted already" in done.stdout
        restored = made.url(password).replace(made.name, f"{made.name}_restored")
        assert count(restored, f"accounts_user WHERE id = {person.user.pk} AND email LIKE '%@deleted.invalid'") == 1
    assert User.objects.get(pk=person.user.pk).is_forgotten


def test_an_anchor_that_the_restored_chain_does_not_reach_stops_everything(tmp_path: Path) -> None:
    whole_person()
    password = secrets.token_hex(20)
    folder = folder_of_operator(tmp_path)
    chain = examine_chain()
    longer = Anchor(count=chain.count + 5, head="0" * 64, moment=timezone.now())
    (folder / "anchor.json").write_bytes(written(longer))
    with instance() as made:
        assert made.manage(password, "migrate", "--no-input", owner=made.master_secret()).returncode == 0
        done = run(block("restore"), folder, made, password, source())
        assert done.returncode == 1
        assert "does not hold" in done.stdout
        assert "deleted again" not in done.stdout
