"""The parts of the stack: private, checked by passwords and signatures, and the same again at the next run."""

import json
import os
import signal
import smtplib
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import psycopg2
import pytest
import redis
from botocore.client import Config
from botocore.exceptions import ClientError
from django.conf import settings

from portal.embedded import postgres
from portal.embedded.application import a_worker_answers
from portal.embedded.errors import FolderInUseError, PortInUseError, StackError
from portal.embedded.process import launched
from portal.embedded.stack import Stack
from portal.embedded.state import choose_ports
from tests.stack import FOLDER
from tests.waiting import wait_until


@dataclass
class Runs:
    """Stacks in one folder, one after the other."""

    folder: Path
    said: list[str] = field(default_factory=list)
    started: list[Stack] = field(default_factory=list)

    def start(self) -> Stack:
        stack = Stack(self.folder, durable=False, say=self.said.append)
        self.started.append(stack)
        stack.start(self.said.append)
        return stack

    def pid(self, part: str) -> int:
        return int((self.folder / "run" / f"{part}.pid").read_text().split()[0])


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path / "a stack")
    yield made
    for stack in made.started:
        stack.stop()


def bucket_client(endpoint: str, key_id: str, secret: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=settings.BUCKET_REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def own_bucket() -> Any:
    return bucket_client(settings.BUCKET_ENDPOINT_URL, settings.BUCKET_ACCESS_KEY_ID, settings.BUCKET_SECRET_ACCESS_KEY)


def test_bucket_gives_to_the_signed_and_refuses_a_wrong_signature() -> None:
    own_bucket().put_object(Bucket=settings.BUCKET_NAME, Key="a/key", Body=b"data")
    assert own_bucket().get_object(Bucket=settings.BUCKET_NAME, Key="a/key")["Body"].read() == b"data"
    wrong = bucket_client(settings.BUCKET_ENDPOINT_URL, settings.BUCKET_ACCESS_KEY_ID, "not the secret")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        wrong.get_object(Bucket=settings.BUCKET_NAME, Key="a/key")


def test_bucket_refuses_the_unsigned() -> None:
    own_bucket().put_object(Bucket=settings.BUCKET_NAME, Key="a/key", Body=b"data")
    host, port = settings.BUCKET_ENDPOINT_URL.removeprefix("http://").split(":")
    for request in ("GET /{}/a/key", "GET /", "DELETE /{}/a/key", "PUT /{}/new"):
        line = request.format(settings.BUCKET_NAME)
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(f"{line} HTTP/1.0\r\nHost: {host}:{port}\r\nContent-Length: 0\r\n\r\n".encode())
            status = int(connection.recv(4096).split()[1])
        assert status in {400, 403}, line
    assert own_bucket().get_object(Bucket=settings.BUCKET_NAME, Key="a/key")["Body"].read() == b"data"


@pytest.mark.parametrize("user", ["portal", "portal_app", "postgres"])
def test_postgresql_refuses_a_wrong_password_and_none(user: str) -> None:
    database = settings.DATABASES["default"]
    for password in ("wrong", ""):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(
                host=database["HOST"], port=database["PORT"], user=user, dbname="postgres", password=password
            )


def test_postgresql_keeps_passwords_as_scram_and_has_no_socket_file() -> None:
    secrets = json.loads((Path(os.environ[FOLDER]) / "stack.json").read_text())["secrets"]
    database = settings.DATABASES["default"]
    where = {"host": database["HOST"], "port": database["PORT"], "dbname": "postgres"}
    connection = psycopg2.connect(user="postgres", password=secrets["postgres_admin"], **where)
    with connection.cursor() as cursor:
        cursor.execute("SELECT bool_and(rolpassword LIKE 'SCRAM-SHA-256$%') FROM pg_authid WHERE rolcanlogin")
        assert cursor.fetchone() == (True,)
        cursor.execute("SELECT current_setting('unix_socket_directories'), current_setting('listen_addresses')")
        assert cursor.fetchone() == ("", "127.0.0.1")
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'portal'")
        assert cursor.fetchone() == (False,)
    connection.close()


def test_valkey_refuses_a_wrong_password() -> None:
    address, _at, place = settings.REDIS_URL.rpartition("@")
    assert address
    with redis.Redis.from_url(f"redis://:wrong@{place}") as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_next_run_continues_with_data_ports_and_secrets(runs: Runs) -> None:
    first = runs.start()
    environment = first.environment()
    owner = first.owners_environment()["DATABASE_OWNER_URL"]
    with psycopg2.connect(owner) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 'still here' AS word")
    connection.close()
    first.stop()
    second = runs.start()
    assert second.environment() == environment
    with psycopg2.connect(owner) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT word FROM kept")
        assert cursor.fetchone() == ("still here",)
    connection.close()


def test_folder_from_before_there_were_two_roles_gets_the_other_one(runs: Runs) -> None:
    first = runs.start()
    where = {"host": "127.0.0.1", "port": first.ports["postgres"], "dbname": "postgres"}
    connection = psycopg2.connect(user="postgres", password=first.secrets["postgres_admin"], **where)
    connection.autocommit = True
    connection.cursor().execute("DROP ROLE portal_app")
    connection.cursor().execute("ALTER ROLE portal CREATEROLE")
    connection.close()
    first.stop()
    kept = json.loads((runs.folder / "stack.json").read_text())
    del kept["secrets"]["postgres_application"]
    (runs.folder / "stack.json").write_text(json.dumps(kept))
    second = runs.start()
    assert second.secrets["postgres_owner"] == first.secrets["postgres_owner"]
    connection = psycopg2.connect(second.environment()["DATABASE_URL"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("portal_app",)
        cursor.execute("SELECT bool_or(rolcreaterole OR rolsuper) FROM pg_roles WHERE rolname LIKE 'portal%'")
        assert cursor.fetchone() == (False,)
    connection.close()


def test_owners_password_is_in_no_environment_but_the_owners(runs: Runs) -> None:
    stack = runs.start()
    secret = stack.secrets["postgres_owner"]
    assert secret not in "".join(stack.environment().values())
    assert secret not in (runs.folder / "environment").read_text()
    assert secret in stack.owners_environment()["DATABASE_OWNER_URL"]


def test_second_run_in_the_same_folder_is_refused_while_the_first_lives(runs: Runs) -> None:
    first = runs.start()
    with pytest.raises(FolderInUseError, match=rf"in use by another run \(process {os.getpid()}\)"):
        Stack(runs.folder).start()
    assert first.supervisor.kept["postgres"].running.process.poll() is None


def test_what_a_killed_run_left_in_the_folder_does_not_block_the_next(runs: Runs) -> None:
    first = runs.start()
    stale = [(runs.folder / "postgres" / "postmaster.pid").read_text(), (runs.folder / "lock").read_text()]
    first.stop()
    (runs.folder / "postgres" / "postmaster.pid").write_text(stale[0].replace(stale[0].split()[0], str(os.getpid())))
    (runs.folder / "lock").write_text(stale[1])
    (runs.folder / "run" / "postgres.pid").write_text(f"{os.getpid()} 1.0 2\n")
    (runs.folder / "postgres.new").mkdir()
    runs.start()
    assert any("PostgreSQL answers" in sentence for sentence in runs.said)


def test_secrets_are_for_the_owner_alone_and_no_part_shows_them(runs: Runs) -> None:
    stack = runs.start()
    for name in ("stack.json", "environment", "valkey/valkey.conf"):
        assert stat.S_IMODE((runs.folder / name).stat().st_mode) == 0o600
    for name in ("", "postgres", "valkey", "bucket", "mail", "log", "run"):
        assert stat.S_IMODE((runs.folder / name).stat().st_mode) == 0o700
    shown = [Path(f"/proc/{runs.pid(part)}/cmdline").read_text() for part in stack.supervisor.kept]
    assert not [secret for secret in stack.secrets.values() if secret in "".join(shown)]


def test_killed_database_is_named_and_answers_again(runs: Runs) -> None:
    stack = runs.start()
    os.kill(runs.pid("postgres"), signal.SIGKILL)
    wait_until(lambda: "postgres runs again." in runs.said, "The return of PostgreSQL")
    assert "postgres ended with signal SIGKILL; it is started again." in runs.said
    psycopg2.connect(stack.environment()["DATABASE_URL"]).close()


def test_mail_sink_stores_what_is_sent_to_it_and_shows_it(runs: Runs) -> None:
    stack = runs.start()
    port = stack.environment()["EMAIL_URL"].rpartition(":")[2]
    with smtplib.SMTP("127.0.0.1", int(port)) as client:
        client.sendmail("data@example.org", ["researcher@example.org"], "Subject: A word\r\n\r\nHello\r\n")
    assert len(list(stack.mail_folder.glob("*.eml"))) == 1
    with urlopen(stack.mail_page_url) as page:
        assert "A word" in page.read().decode()


def test_port_in_use_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"Port {port} on 127.0.0.1 is in use"):
            Stack(tmp_path / "stack", site_port=port).start()
    assert not (tmp_path / "stack").exists()


def test_port_of_the_last_run_that_is_taken_now_is_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        chosen = choose_ports(("postgres", "valkey"), {"postgres": taken, "valkey": 1})
    assert chosen["postgres"] != taken
    assert len(set(chosen.values())) == 2


@pytest.mark.parametrize("content", ["", "{", "no json"])
def test_unreadable_stack_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)
    with pytest.raises(StackError, match=r"stack\.json cannot be read\. Put it right, or remove the folder"):
        Stack(tmp_path).start()


def test_database_without_its_passwords_is_named(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with pytest.raises(StackError, match=r"has a database but no stack\.json"):
        Stack(tmp_path).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may not be PostgreSQL's owner")
def test_root_without_user_namespaces_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    refused = ["/bin/false"]
    monkeypatch.setattr(
        postgres,
        "launched",
        lambda command, *, owner="same": refused if owner == "namespace" else launched(command, owner=owner),
    )
    with pytest.raises(StackError, match=r"PostgreSQL does not run as root.+Start as another user, or from a folder"):
        Stack(tmp_path / "closed" / "stack").start()


def test_asking_for_a_worker_ends_when_the_broker_is_away() -> None:
    nobody = choose_ports(("nobody",), {})["nobody"]
    assert not a_worker_answers(f"redis://127.0.0.1:{nobody}/0", "worker@portal")
