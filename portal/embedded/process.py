"""One part of the stack: a program, how it is seen to be ready, and how it is ended."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil

from portal.embedded.errors import PartFailedError, StackError

LAUNCH = Path(__file__).with_name("launch.py")
# A log that has grown past this is put aside when its part starts.
LOG_BYTES = 10_000_000


@dataclass(frozen=True)
class Part:
    """What is started, with which environment, and when it counts as ready."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    owner: str = "same"
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 8
    start_seconds: float = 30
    # Parts of a higher stage stand on those of a lower one and are stopped before them.
    stage: int = 0


def wheel_folder(package: str) -> Path:
    """Where a wheel was installed, without importing it: some of these packages make files when imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise StackError(f"The package {package} is not installed: install requirements-dev.txt.")
    return Path(spec.origin).parent


def launched(command: Sequence[str], *, owner: str = "same", stop_signal: int = signal.SIGTERM) -> list[str]:
    """The command that starts `command` so that it ends with this process."""
    return [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(stop_signal)), owner, *command]


def plain_environment() -> dict[str, str]:
    """What any program needs of this process's environment, and nothing that would configure it."""
    return {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ") if name in os.environ}


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """A signal handler: end as at Ctrl-C, which lets everything under way put its things away."""
    raise KeyboardInterrupt


class Running:
    """A part that has been started: its process, its log and its record in `run/`."""

    def __init__(self, part: Part, folder: Path) -> None:
        self.part = part
        self.log = folder / "log" / f"{part.name}.log"
        self.record = folder / "run" / f"{part.name}.pid"
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        part = self.part
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                launched(part.command, owner=part.owner, stop_signal=part.stop_signal),
                env=plain_environment() | dict(part.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C at the terminal goes to the stack alone, which then stops its parts in order.
                start_new_session=True,
            )
        remember(self.record, process.pid, part.stop_signal)
        return process

    def ended(self) -> bool:
        return self.process.poll() is not None

    def how_it_ended(self) -> str:
        code = self.process.poll() or 0
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.part.start_seconds
        while not self.part.ready():
            if self.ended():
                raise PartFailedError(f"{self.part.name} ended with {self.how_it_ended()}.\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise PartFailedError(
                    f"{self.part.name} did not answer within {self.part.start_seconds:g} seconds.\n{self.last_lines()}"
                )
            time.sleep(0.05)

    def last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-12:]
        return "\n".join([f"The end of {self.log}:", *(f"    {line}" for line in lines)])

    def ask_to_stop(self) -> None:
        if not self.ended():
            self.process.send_signal(self.part.stop_signal)

    def wait_until_stopped(self, seconds: float) -> None:
        """Wait for the end, then end what is left of the part's process group by force."""
        try:
            self.process.wait(timeout=max(seconds, 0.1))
        except subprocess.TimeoutExpired:
            end_group(self.process.pid)
            self.process.wait()
        self.record.unlink(missing_ok=True)


def end_group(pid: int) -> None:
    """SIGKILL for a part and for all that it started in its session."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def remember(record: Path, pid: int, stop_signal: int) -> None:
    """Write down the process and when it began, so that a later run can tell it from one that got the same number."""
    try:
        began = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    record.write_text(f"{pid} {began} {int(stop_signal)}\n")


def end_leftovers(run: Path, seconds: float = 10) -> list[str]:
    """End what a killed run left behind, and say which parts those were.

    On Linux they are already ending, because the kernel tells them of their parent's death.
    """
    found = {}
    for record in sorted(run.glob("*.pid")):
        process, stop_signal = _recorded_process(record)
        if process is not None:
            found[record.stem] = process
            process.send_signal(stop_signal)
        record.unlink()
    _gone, alive = psutil.wait_procs(list(found.values()), timeout=seconds)
    for process in alive:
        end_group(process.pid)
    psutil.wait_procs(alive, timeout=5)
    return list(found)


def _recorded_process(record: Path) -> tuple[psutil.Process | None, int]:
    try:
        pid, began, stop_signal = record.read_text().split()
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - float(began)) < 0.05
        running = same and process.status() != psutil.STATUS_ZOMBIE
    except (ValueError, psutil.NoSuchProcess):
        return None, signal.SIGTERM
    return process if running else None, int(stop_signal)
