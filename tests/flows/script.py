"""download.sh of an offer, as a person has fetched it, and the shells that run it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.waiting import wait_until

SHELLS = [[shell] for shell in ("dash", "bash", "ksh") if shutil.which(shell)]
if shutil.which("busybox"):
    SHELLS.append(["busybox", "sh"])
every_shell = pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
TRAIN = "knee_train.tar.gz"


class Script:
    """The script of an offer in a folder of its own, as it was fetched."""

    def __init__(self, commands: str, folder: Path) -> None:
        self.folder = folder
        # What a killed run leaves behind goes with the test's folder.
        self.environment = os.environ | {"TMPDIR": str(folder)}
        self.data = folder / "data"
        self.data.mkdir()
        prepare = commands.rpartition("\n")[0]
        subprocess.run(["sh", "-c", prepare], cwd=folder, check=True, timeout=30)
        self.file = next(folder.glob("*.sh"))

    def command(self, *arguments: str, shell: list[str] | None = None) -> list[str]:
        return [*(shell or ["sh"]), str(self.file), "--pause", "0", "--dir", str(self.data), *arguments]

    def run(
        self, *arguments: str, shell: list[str] | None = None, seconds: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, shell=shell),
            capture_output=True, text=True, timeout=seconds, check=False, env=self.environment | environment,
        )  # fmt: skip

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            self.command(*arguments),
            text=True,
            start_new_session=True,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    @property
    def stem(self) -> str:
        return self.file.stem

    def part(self, name: str = TRAIN) -> Path:
        return self.data / f"{name}.part"

    def wait_for_bytes(self, count: int = 200_000, name: str = TRAIN) -> None:
        part = self.part(name)
        wait_until(lambda: part.exists() and part.stat().st_size > count, f"{count} bytes of {name}")

    def leftovers(self) -> list[str]:
        """What is there beside whole files and the memory of what was verified."""
        return sorted(file.name for file in self.data.iterdir() if not file.name.startswith("knee_"))


def spoil(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def path_without(folder: Path, *names: str) -> str:
    """A PATH on which everything is but these programs."""
    path = folder / "programs"
    path.mkdir()
    for place in reversed(os.environ["PATH"].split(":")):
        for program in Path(place).iterdir() if Path(place).is_dir() else []:
            link = path / program.name
            if program.name not in names:
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    return str(path)
