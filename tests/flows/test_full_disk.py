"""The disk of the mail sink is full: mails wait, and all of them are delivered when there is room again."""

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from accounts.mail import deliver_due, queue
from accounts.models import OutgoingMail
from portal.embedded import mailbox
from portal.embedded.stack import greets
from portal.embedded.state import choose_ports
from tests.letters import NAME, register
from tests.postroom import Program
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
# A disk of its own, in a namespace of its own, which needs no rights on this machine.
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
DISK = 'mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"'
MAY_MOUNT = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True)


@dataclass
class SmallDisk:
    """The sink, and its disk as it sees it."""

    program: Program
    folder: Path

    @property
    def mails(self) -> Path:
        return Path(f"/proc/{self.program.process.pid}/root{self.folder}")

    def fill(self) -> None:
        with (self.mails / "filler").open("wb", buffering=0) as file:
            for size in (4096, 1):
                with suppress(OSError):
                    while file.write(b"0" * size):
                        pass
        assert shutil.disk_usage(self.mails).free == 0

    def make_room(self) -> None:
        (self.mails / "filler").unlink()

    def delivered(self) -> Counter[str]:
        return Counter(mail.recipients[0] for mail in mailbox.read_all(self.mails))


@pytest.fixture
def disk(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    register(monkeypatch, settings)
    folder = tmp_path / "mail"
    folder.mkdir()
    ports = choose_ports(("smtp", "page"), {})
    sink = [sys.executable, "-m", "portal.embedded.mailsink", "--folder", str(folder)]
    options = ["--smtp-port", str(ports["smtp"]), "--page-port", str(ports["page"])]
    command = [*NAMESPACE, "sh", "-c", DISK, str(folder), *sink, *options]
    program = Program("sink", command, tmp_path, {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})
    settings.EMAIL_BACKEND = "accounts.mail.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", ports["smtp"], 5
    try:
        wait_until(lambda: greets(ports["smtp"]), "The sink's greeting")
        yield SmallDisk(program, folder)
    finally:
        program.stop()


def queue_for(*names: str) -> None:
    for name in names:
        queue(NAME, to=f"{name}@example.org")


@pytest.mark.skipif(MAY_MOUNT.returncode != 0, reason="this machine allows no mounts of one's own")
def test_full_disk_makes_mails_wait_and_loses_none(disk: SmallDisk) -> None:
    queue_for("before")
    deliver_due(seconds=10)
    disk.fill()
    queue_for("first", "second", "third")
    deliver_due(seconds=10)
    waiting = OutgoingMail.objects.filter(state=OutgoingMail.State.WAITING)
    assert {mail.reason for mail in waiting} == {
        "The mail server said 452: There is no room for the mail; try again later"
    }
    assert disk.delivered() == Counter({"before@example.org": 1})
    assert not [path for path in disk.mails.iterdir() if path.suffix == ".new"]

    disk.make_room()
    assert waiting.update(due_at=Now()) == 3
    deliver_due(seconds=10)
    assert not OutgoingMail.objects.exclude(state=OutgoingMail.State.DONE).exists()
    assert disk.delivered() == Counter(f"{name}@example.org" for name in ("before", "first", "second", "third"))
