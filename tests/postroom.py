"""What carries mails in a flow test: a mail sink, workers and beat, as processes on the run's own services."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from portal.embedded import mailbox
from portal.embedded.application import ROOT
from portal.embedded.state import choose_ports
from tests.demo import clean_environment
from tests.owner import application_url
from tests.waiting import wait_until

# What a worker says when it takes messages.
READY = " ready."


class Program:
    """A program in a process group of its own, with its output in a file."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self.command = command
        self.log = folder / f"{name}.log"
        self.environment = environment
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """To the program and to all that it started."""
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)

    def start_again(self) -> None:
        self.process = self._spawn()


def stop_all(programs: Sequence[Program]) -> None:
    """All of them are told before any is waited for: a worker takes seconds to end well."""
    for program in programs:
        if program.process.poll() is None:
            program.process.terminate()
            # Whatever a test froze must be able to end.
            program.send(signal.SIGCONT)
    for program in programs:
        program.stop()


class PostRoom:
    """A mail sink, and as many workers as are asked for, whose clocks may be wrong by some seconds; beat makes them
    sweep."""

    def __init__(self, folder: Path, *, workers: int, clock: float = 0, app: str = "portal.celery") -> None:
        self.mails = folder / "mail"
        smtp, page = (choose_ports((name,), {})[name] for name in ("smtp", "page"))
        self.environment = clean_environment() | {
            "DJANGO_SETTINGS_MODULE": "portal.settings.testing",
            "DATABASE_URL": application_url(),
            "EMAIL_URL": f"smtp://127.0.0.1:{smtp}",
            "LOG_LEVEL": "DEBUG",
        }
        python = [sys.executable, "-m"]
        options = [f"--folder={self.mails}", f"--smtp-port={smtp}", f"--page-port={page}"]
        self.sink = Program("sink", [*python, "portal.embedded.mailsink", *options], folder, self.environment)
        celery = [*python, "celery", "-A", "portal.celery"]
        quiet = ["--concurrency=2", "--without-mingle", "--without-gossip", "--without-heartbeat"]
        start = [*off(clock, [*python, "celery", "-A", app]), "worker", *quiet]
        self.workers = [
            Program(f"worker{n}", [*start, f"--hostname=w{n}@%h"], folder, self.environment) for n in range(workers)
        ]
        self.beat = Program("beat", [*celery, "beat", "--pidfile="], folder, self.environment)
        wait_until(lambda: "ready on ports" in self.sink.said(), "The mail sink's start", 30)
        for worker in self.workers:
            wait_until(lambda worker=worker: READY in worker.said(), "A worker's start", 60)  # type: ignore[misc]

    def deliveries(self) -> Counter[str]:
        """How often a mail was delivered, by recipient."""
        return Counter(mail.recipients[0] for mail in mailbox.read_all(self.mails))

    def stop(self) -> None:
        # The sink last: a worker that is told to end sends the mail first that it holds.
        stop_all([self.beat, *self.workers])
        stop_all([self.sink])

    def make_ready(self) -> None:
        """For another test: everybody runs, and nothing was delivered."""
        for worker in self.workers:
            if worker.process.poll() is not None:
                starts = worker.said().count(READY)
                worker.start_again()
                wait_until(lambda w=worker, n=starts: w.said().count(READY) > n, "A worker's start", 60)  # type: ignore[misc]
        for mail in self.mails.glob("*.eml"):
            mail.unlink()


def off(seconds: float, command: Sequence[str]) -> list[str]:
    """The same command on a server whose clock is wrong by so many seconds."""
    python, flag, *module = command
    return [python, flag, "tests.flows.wrong_clock", str(seconds), *module] if seconds else list(command)


@contextmanager
def post_room(folder: Path, *, workers: int, **options: Any) -> Iterator[PostRoom]:
    room = PostRoom(folder, workers=workers, **options)
    try:
        yield room
    finally:
        room.stop()
