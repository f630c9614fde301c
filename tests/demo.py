"""A real `manage.py demo` for the flow and browser tests: started once, asked by its address, mails and environment."""

import base64
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from portal.embedded import mailbox
from portal.embedded.mailbox import Mail
from portal.embedded.state import choose_ports
from tests.stack import FOLDER
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
# Names that the run of the tests gave itself and that the demo shall find out anew.
OWN = ("DATABASE_OWNER_URL", "DJANGO_ALLOW_ASYNC_UNSAFE", "DJANGO_SETTINGS_MODULE", FOLDER)


@dataclass
class Demo:
    """A running demo."""

    folder: Path
    port: int
    extra: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    last_step: int = 0

    def start(self) -> None:
        """Start it, also again in the same folder, and wait until it says that the site is ready."""
        command = [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(self.port), "--dir", str(self.folder)]
        with (self.folder.parent / "output").open("wb") as output:
            process = self.process = subprocess.Popen(
                command,
                cwd=self.folder.parent,
                env=clean_environment() | self.extra,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: process.poll() is not None or "site is ready" in self.output(), "The demo's start", 300)
        assert process.poll() is None, self.output()
        content = json.loads((self.folder / "stack.json").read_text())
        self.environment, self.secrets = content["environment"], content["secrets"]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, by default as `kill` does; its exit code."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(timeout=40)

    @property
    def url(self) -> str:
        """The site's address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def mail_folder(self) -> Path:
        return self.folder / "mail"

    def next_code(self) -> str:
        """The maintainer's code for the second factor. A code works once: whoever signs in again within its 30 seconds
        gets the code of the step after it as soon as the site takes that, which is one step early."""
        self.last_step = step = max(int(time.time()) // 30, self.last_step + 1)
        wait_until(lambda: int(time.time()) // 30 >= step - 1, "The next code", 40)
        return code_of(self.secrets["maintainer_totp"], step)

    def pids(self) -> dict[str, int]:
        """The parts that run now, with their process ids."""
        records = (self.folder / "run").glob("*.pid")
        return {record.stem: int(record.read_text().split()[0]) for record in records}

    def output(self) -> str:
        return (self.folder.parent / "output").read_text()

    def wait_for_word(self, word: str, seconds: float) -> None:
        """Until the demo says so; its failure shows what it said instead, and what its parts did."""
        try:
            wait_until(lambda: word in self.output(), word, seconds)
        except AssertionError as error:
            logs = sorted((self.folder / "log").glob("*.log"))
            ends = [f"{log.name}:\n{log.read_text(errors='replace')[-2000:]}" for log in logs]
            raise AssertionError("\n".join([str(error), self.output(), str(self.pids()), *ends])) from None

    def mails(self, to: str = "", subject: str = "") -> list[Mail]:
        """The deliveries to an address with these words in the subject, newest first."""
        found = mailbox.read_all(self.mail_folder)
        return [mail for mail in found if (not to or to in mail.recipients) and subject in mail.subject]

    def wait_for_mail(self, to: str, subject: str = "", seconds: float = 30) -> Mail:
        """The newest such mail, as soon as there is one."""
        return wait_until(lambda: self.mails(to, subject), f"A mail {subject!r} to {to}", seconds)[0]

    @contextmanager
    def without(self, part: str) -> Iterator[None]:
        """Keep a part stopped for a time: postgres, valkey, bucket, mailsink, worker, renderer, beat or web."""
        hold = self.folder / "hold" / part
        record = self.folder / "run" / f"{part}.pid"
        back = f"{part} runs again."
        times = self.output().count(back)
        hold.touch()
        wait_until(lambda: not record.exists(), f"The end of {part}")
        try:
            yield
        finally:
            hold.unlink()
            wait_until(lambda: self.output().count(back) > times, f"The return of {part}")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py against the demo's services."""
        environment = {**clean_environment(), **self.environment}
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)


def code_of(secret: str, step: int) -> str:
    """What an authenticator app shows (RFC 4226). Not the site's own function, which needs the site's settings: those
    who kill its parts run without."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in OWN}


@contextmanager
def running_demo(**extra: str) -> Iterator[Demo]:
    """A demo in a folder of its own, with more names in its environment if given, stopped and removed at the end."""
    outside = Path(tempfile.mkdtemp(prefix="portal-demo-"))
    demo = Demo(outside / "data of the demo", a_free_port(), extra)
    try:
        demo.start()
        yield demo
    finally:
        demo.stop()
        shutil.rmtree(outside, ignore_errors=True)


def a_free_port() -> int:
    return choose_ports(("site",), {})["site"]
