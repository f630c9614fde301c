"""One pass over an archive in the bucket, against the slowest of its stages alone.

Alone: `python -m tests.benchmarks.ingest`."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import BinaryIO, cast

from datasets.kspace.report import Wish
from datasets.storage import Bucket
from tests.benchmarks.kspace.from_bucket import NAME, SECRET, served, timed
from tests.benchmarks.kspace.volume import write_volume

# Slices of 640 × 368 with 15 coils, of the noise that scanners record: a volume of 113 MB, nine times, is 1 GB.
SHAPE = (4, 15, 640, 368)
MEMBERS = 9
ROUNDS = 2
BLOCK = 1 << 20
MOST_MEMORY = 300
# As the site wishes for pictures; its own word for it needs the whole site.
WISH = Wish(slices="all")


@dataclass(frozen=True)
class Kind:
    """At least so many times the speed of the slowest stage alone; the commands that pack it and unpack it."""

    name: str
    least: float
    pack: tuple[str, ...] = ()
    unpack: tuple[str, ...] = ()


KINDS = (
    Kind("volumes.tar", 0.5),
    Kind("volumes.tar.gz", 0.9, ("gzip", "-1", "-c"), ("gzip", "-dc")),
    Kind("volumes.tar.xz", 0.9, ("xz", "-0", "-c"), ("xz", "-dc")),
    Kind("volumes.tar.zst", 0.5, ("zstd", "-1", "-c"), ("zstd", "-dc")),
)
LEGEND = f"""
slowest alone    of fetching, SHA-256 and unpacking by the command, on the same bytes: medians of {ROUNDS} rounds
speed            of the slowest stage's: the pass hashes, unpacks, keeps and renders all slices of each volume besides
MB               the most that the process held, above a Python that did nothing but import; at most {MOST_MEMORY}"""


def show() -> None:
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as name, served(Path(name)) as bucket:
        folder = Path(name)
        volume = folder / "volume.h5"
        write_volume(volume, SHAPE)
        size = MEMBERS * volume.stat().st_size / 1e9
        print(f"\nOne pass over {MEMBERS} volumes, {size:.2f} GB, from the bucket, previews included")
        print(f"{'':18}{'s':>7}{'slowest alone':>24}{'speed':>8}{'from … to':>16}{'least':>7}{'MB':>6}", flush=True)
        for kind in KINDS:
            if kind.pack and not shutil.which(kind.pack[0]):
                print(f"{kind.name} is left out: there is no {kind.pack[0]} here.")
                continue
            path = folder / kind.name
            pack(volume, kind, path)
            bucket.upload(path, kind.name)
            show_kind(bucket, kind, path)
            path.unlink()
            bucket.client.delete_object(Bucket=NAME, Key=kind.name)
    print(LEGEND)


def show_kind(bucket: Bucket, kind: Kind, path: Path) -> None:
    stages: dict[str, Callable[[], object]] = {
        "fetching": lambda: read_through(cast(BinaryIO, bucket.stream(kind.name))),
        "SHA-256": lambda: hash_through(path),
    }
    if kind.unpack:
        stages[" ".join(kind.unpack)] = lambda: run_through(kind.unpack, path)
    alone: dict[str, list[float]] = {name: [] for name in stages}
    passes: list[float] = []
    memory = 0.0
    for _round in range(ROUNDS):
        for name, stage in stages.items():
            alone[name].append(timed(stage))
        seconds, held = ingested(bucket, kind.name)
        passes.append(seconds)
        memory = max(memory, held)
    slowest = max(alone, key=lambda name: median(alone[name]))
    speeds = sorted(one / whole for one, whole in zip(alone[slowest], passes, strict=True))
    print(
        f"{kind.name:18}{median(passes):>7.2f}{f'{slowest} {median(alone[slowest]):.2f}':>24}{median(speeds):>8.2f}"
        f"{f'{speeds[0]:.2f} … {speeds[-1]:.2f}':>16}{kind.least:>7}{memory:>6.0f}",
        flush=True,
    )


def pack(volume: Path, kind: Kind, to: Path) -> None:
    """The same volume under several names. It is packed once: streams that follow one another are one."""
    content = packed(volume.read_bytes(), kind)
    size = volume.stat().st_size
    with to.open("wb") as file:
        for number in range(MEMBERS):
            facts = tarfile.TarInfo(f"train/file{number}.h5")
            facts.size = size
            file.write(packed(facts.tobuf(), kind))
            file.write(content)
            file.write(packed(bytes(-size % tarfile.BLOCKSIZE), kind))
        file.write(packed(bytes(2 * tarfile.BLOCKSIZE), kind))


def packed(content: bytes, kind: Kind) -> bytes:
    if not kind.pack:
        return content
    return subprocess.run(kind.pack, input=content, stdout=subprocess.PIPE, check=True).stdout


def read_through(file: BinaryIO) -> None:
    with file:
        while file.read(BLOCK):
            pass


def hash_through(path: Path) -> None:
    digest = sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            digest.update(block)


def run_through(command: tuple[str, ...], path: Path) -> None:
    with path.open("rb") as file:
        subprocess.run(command, stdin=file, stdout=subprocess.DEVNULL, check=True)


def ingested(bucket: Bucket, key: str) -> tuple[float, float]:
    """Seconds and MB of a process of its own, without its start."""
    endpoint = bucket.client.meta.endpoint_url
    command = [sys.executable, "-m", "tests.benchmarks.ingesting", endpoint, NAME, SECRET, key, str(WISH.slices)]
    seconds, memory = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    return float(seconds), float(memory)


if __name__ == "__main__":
    began = time.perf_counter()
    show()
    print(f"Measured in {time.perf_counter() - began:.0f} s.")
