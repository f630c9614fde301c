"""The ways, each in a process of its own, and taking turns."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from portal.embedded.application import ROOT

PEERS = ROOT / ".venv" / "peers" / "bin" / "python"
OURS, READING = "by_ours", "by_reading"
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Way:
    module: str
    name: str
    python: str = sys.executable


WAYS = (
    Way(READING, "reading the bytes with h5py"),
    Way(OURS, "this project"),
    Way("by_numpy", "plain numpy"),
    Way("by_fastmri", "fastmri and torch", str(PEERS)),
    Way("by_sigpy", "sigpy", str(PEERS)),
)
PYTHON_ALONE = "from tests.benchmarks.kspace.memory import most_memory; print(most_memory())"


@dataclass
class Result:
    """Of every round, in order, seconds and seconds of the processor; megabytes that the process held at most, above a
    Python that does nothing."""

    seconds: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)
    memory: float = 0.0


class Child:
    def __init__(self, way: Way, task: str, path: Path) -> None:
        self.way = way
        self.process = subprocess.Popen(
            [way.python, "-m", "tests.benchmarks.kspace.child", way.module, task, str(path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer()

    def run(self, target: str = "") -> tuple[float, float, float]:
        """Once: seconds, the processor's seconds, the most memory so far; the middle slice's picture into a file."""
        assert self.process.stdin
        self.process.stdin.write(f"{target}\n")
        self.process.stdin.flush()
        seconds, used, memory = json.loads(self.answer())
        return seconds, used, memory

    def answer(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.way.name} ended early; what is above says why.")
        return line

    def end(self) -> None:
        self.process.communicate()


def installed(way: Way) -> str:
    """Empty, or why this way is left out."""
    if not Path(way.python).exists():
        return f"there is no {way.python}"
    load = f"import tests.benchmarks.kspace.{way.module}"
    done = subprocess.run([way.python, "-c", load], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]


def measure(task: str, path: Path, ways: list[Way], rounds: int) -> dict[str, Result]:
    """Of each way's module, every round: one after the other, forwards and backwards in turn."""
    alone = float(
        subprocess.run([sys.executable, "-c", PYTHON_ALONE], cwd=ROOT, capture_output=True, check=True).stdout
    )
    results = {way.module: Result() for way in ways}
    with children(task, path, ways) as started:
        compare_pictures(started, path.parent)
        for number in range(rounds):
            for child in started if number % 2 == 0 else reversed(started):
                seconds, used, memory = child.run()
                result = results[child.way.module]
                result.seconds.append(seconds)
                result.used.append(used)
                result.memory = memory - alone
    return results


@contextmanager
def children(task: str, path: Path, ways: list[Way]) -> Iterator[list[Child]]:
    with ExitStack() as stack:
        started = []
        for way in ways:
            started.append(Child(way, task, path))
            stack.callback(started[-1].end)
        yield started


def compare_pictures(started: list[Child], folder: Path) -> None:
    """The first round, which is not counted: all make the same picture, or the rest would say nothing."""
    pictures = {}
    for child in started:
        target = folder / f"{child.way.module}.npy"
        child.run(str(target))
        if child.way.module != READING:
            pictures[child.way.name] = np.load(target)
    expected = pictures["plain numpy"]
    for name, picture in pictures.items():
        if np.abs(picture - expected).max() > TOLERANCE * expected.max():
            raise SystemExit(f"{name} makes another picture than plain numpy.")
