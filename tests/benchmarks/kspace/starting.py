"""From the start of a process to its first thumbnail, written as PNG."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from portal.embedded.application import ROOT
from tests.benchmarks.kspace.children import Way

END_OF_PNG = b"IEND\xaeB`\x82"
THUMBNAIL = "thumbnail.png"
IMPORTS = "importing numpy and h5py alone"
OURS = "python -m datasets.kspace"
LOOK_EVERY = 0.001


@dataclass(frozen=True)
class Start:
    """A command; `{out}` in it becomes an empty folder, in which a thumbnail is to appear."""

    name: str
    command: list[str]


def starts(path: Path, peers: list[Way]) -> list[Start]:
    module = "tests.benchmarks.kspace.thumbnail"
    return [
        Start(IMPORTS, [sys.executable, "-c", "import numpy, h5py"]),
        Start(OURS, [sys.executable, "-m", "datasets.kspace", str(path), "--out", "{out}"]),
        *(Start(way.name, [way.python, "-m", module, way.module, str(path), f"{{out}}/{THUMBNAIL}"]) for way in peers),
    ]


def measure(path: Path, peers: list[Way], rounds: int) -> dict[str, list[float]]:
    """Seconds of every round, in turn; a first one, which is not counted, leaves everything in the cache."""
    seconds: dict[str, list[float]] = {start.name: [] for start in starts(path, peers)}
    for number in range(rounds + 1):
        for start in starts(path, peers):
            took = first_picture(start, path.parent / f"{start.name}-{number}")
            if number:
                seconds[start.name].append(took)
    return seconds


def first_picture(start: Start, out: Path) -> float:
    """Seconds until the thumbnail is whole, or until the process has ended where it makes none."""
    out.mkdir()
    thumbnail = out / THUMBNAIL
    command = [word.format(out=out) for word in start.command]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    took = 0.0
    while process.poll() is None and not took:
        time.sleep(LOOK_EVERY)
        if thumbnail.exists() and thumbnail.read_bytes().endswith(END_OF_PNG):
            took = time.perf_counter() - began
    took = took or time.perf_counter() - began
    if process.wait() or (start.name != IMPORTS and not thumbnail.exists()):
        raise SystemExit(f"{start.name} made no picture; what is above says why.")
    return took
