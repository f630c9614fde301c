"""The stack of one folder: PostgreSQL, Valkey, the bucket and the mail sink, and what is started on top of them."""

import json
import shlex
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from portal.embedded.bucket import REGION, Bucket
from portal.embedded.errors import StackError
from portal.embedded.postgres import ADMIN, APPLICATION, OWNER, Postgres
from portal.embedded.process import Part, end_leftovers
from portal.embedded.state import LOOPBACK, Folder, choose_ports, load, make_secrets, require_free, write_private
from portal.embedded.supervisor import Supervisor
from portal.embedded.valkey import Valkey

PORTS = ("postgres", "valkey", "bucket", "smtp", "mail_page")
BUCKET = "portal"


def evidence_bucket(name: str) -> str:
    """Beside the bucket of the data, one for the anchors of the signatures."""
    return f"{name}-evidence"


def preview_bucket(name: str) -> str:
    """And one for the previews."""
    return f"{name}-previews"


def quiet(_sentence: str) -> None:
    """Say nothing."""


class Stack:
    """What the site stands on, in one folder that is private to this run.

        stack = Stack(Path(".demo"), say=print)
        stack.start(print)
        environment = stack.environment()
        stack.stop()

    A second start in the same folder continues with its data. With a site_port, that port must be free. With
    durable=False the data need not outlive a loss of power, which makes tests faster. `say` is told what happens later:
    a part that crashed, runs again or is given up; a patient stack gives none up.
    """

    def __init__(
        self,
        directory: Path,
        *,
        site_port: int | None = None,
        buckets: Sequence[str] = (BUCKET,),
        durable: bool = True,
        patient: bool = False,
        say: Callable[[str], None] = quiet,
    ) -> None:
        self.folder = Folder(directory)
        self.site_port = site_port
        self.buckets = tuple(buckets)
        self.durable = durable
        self.supervisor = Supervisor(self.folder.path, say, patient=patient)
        self.ports: dict[str, int] = {}
        self.secrets: dict[str, str] = {}

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def mail_folder(self) -> Path:
        return self.path / "mail"

    @property
    def site_url(self) -> str:
        return f"http://{LOOPBACK}:{self.site_port or 8000}"

    @property
    def mail_page_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['mail_page']}/"

    def take(self) -> None:
        """Make the folder this run's own, before anything is started. StackError says what is in the way."""
        if self.site_port and not self.path.exists():
            # Nothing is made for a run that cannot be; in a folder that is there, its own run is named first.
            require_free(self.site_port)
        self.folder.take()
        try:
            if self.site_port:
                require_free(self.site_port)
        except StackError:
            self.folder.release()
            raise

    def start(self, progress: Callable[[str], None] = quiet) -> None:
        """Start the services, each when the one before it answers. StackError says what is in the way."""
        if not self.folder.is_taken:
            self.take()
        try:
            self._start_services(progress)
        except (StackError, OSError, KeyboardInterrupt):
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything that was started, and let go of the folder."""
        self.supervisor.stop()
        self.folder.release()

    def run(self, *parts: Part) -> None:
        """Start parts on top of the services and keep them running."""
        self.supervisor.start(*parts)

    def environment(self) -> dict[str, str]:
        """The names that the settings read."""
        bucket = self._bucket()
        return {
            "SECRET_KEY": self.secrets["secret_key"],
            "DEBUG": "false",
            "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
            "SITE_URL": self.site_url,
            "DATABASE_URL": self._postgres().url(),
            # Empty, so that none of a person's own gets to the site's processes.
            "DATABASE_OWNER_URL": "",
            "REDIS_URL": self._valkey().url(),
            "BUCKET_NAME": self.buckets[0],
            "EVIDENCE_BUCKET_NAME": evidence_bucket(self.buckets[0]),
            "PREVIEW_BUCKET_NAME": preview_bucket(self.buckets[0]),
            "BUCKET_REGION": REGION,
            "BUCKET_ENDPOINT_URL": bucket.url(),
            "BUCKET_ACCESS_KEY_ID": bucket.key_id,
            "BUCKET_SECRET_ACCESS_KEY": bucket.secret,
            "LINK_KEYS": self.secrets["link_keys"],
            "EMAIL_URL": f"smtp://{LOOPBACK}:{self.ports['smtp']}",
            "TRUSTED_PROXY_COUNT": "0",
        }

    def owners_environment(self) -> dict[str, str]:
        """The same, and the owner's address of the database: for a command that migrates, and ends."""
        return self.environment() | {"DATABASE_OWNER_URL": self._postgres().url(OWNER)}

    def _start_services(self, progress: Callable[[str], None]) -> None:
        leftovers = end_leftovers(self.path / "run")
        if leftovers:
            progress(f"Ended what a killed run left behind: {', '.join(leftovers)}")
        for hold in (self.path / "hold").iterdir():
            hold.unlink()
        self._settle()
        self._start_postgres(progress)
        valkey, bucket = self._valkey(), self._bucket()
        valkey.prepare()
        self.run(valkey.part())
        progress(f"Valkey answers on port {valkey.port}")
        bucket.prepare(*self.buckets, evidence_bucket(self.buckets[0]), preview_bucket(self.buckets[0]))
        self.run(bucket.part())
        progress(f"The bucket answers on port {bucket.port}; its files are in {bucket.data}")
        self.run(self._mailsink())
        progress(f"The mail sink answers on port {self.ports['smtp']}; mails land in {self.mail_folder}")

    def _settle(self) -> None:
        """Ports and secrets: those of the last run, written down before anything uses them."""
        path = self.path / "stack.json"
        kept = load(path)
        if not kept and (self.path / "postgres").exists():
            raise StackError(f"{self.path} has a database but no stack.json with its passwords. Remove the folder.")
        self.ports = choose_ports(PORTS, kept.get("ports", {}))
        self.secrets = make_secrets(kept.get("secrets", {}))
        environment = self.environment()
        content = {"ports": self.ports, "secrets": self.secrets, "environment": environment}
        write_private(path, json.dumps(content, indent=2) + "\n")
        lines = (f"{name}={shlex.quote(value)}\n" for name, value in environment.items())
        # For a shell beside the demo: set -a; . .demo/environment; manage.py shell
        write_private(self.path / "environment", "".join(lines))

    def _start_postgres(self, progress: Callable[[str], None]) -> None:
        postgres = self._postgres()
        new = not postgres.data.exists()
        postgres.prepare()
        if new:
            progress("PostgreSQL has made its folder")
        self.run(postgres.part())
        postgres.make_database()
        progress(f"PostgreSQL answers on port {postgres.port}")

    def _postgres(self) -> Postgres:
        passwords = {
            ADMIN: self.secrets["postgres_admin"],
            OWNER: self.secrets["postgres_owner"],
            APPLICATION: self.secrets["postgres_application"],
        }
        return Postgres(self.path, port=self.ports["postgres"], passwords=passwords, durable=self.durable)

    def _valkey(self) -> Valkey:
        return Valkey(self.path, port=self.ports["valkey"], password=self.secrets["valkey"], durable=self.durable)

    def _bucket(self) -> Bucket:
        secret = self.secrets["bucket_secret"]
        return Bucket(self.path, port=self.ports["bucket"], key_id=self.secrets["bucket_key_id"], secret=secret)

    def _mailsink(self) -> Part:
        smtp, page = self.ports["smtp"], self.ports["mail_page"]
        command = [
            sys.executable, "-m", "portal.embedded.mailsink",
            "--folder", str(self.mail_folder), "--smtp-port", str(smtp), "--page-port", str(page),
        ]  # fmt: skip
        environment = {"PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent)}
        ready = lambda: greets(smtp)  # noqa: E731
        return Part(name="mailsink", command=command, ready=ready, environment=environment, stop_seconds=10)


def greets(port: int) -> bool:
    """Whether an SMTP server says 220 on the port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            return connection.recv(3) == b"220"
    except OSError:
        return False
