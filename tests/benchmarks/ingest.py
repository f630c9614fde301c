"""What curating costs: one pass over an archive, as a worker does it, against the slowest of its stages alone; and the
comparison of a folder of the bucket with the release before, against the bare calls that list it.

    python -m tests.benchmarks.ingest [--rounds 3]

The pass is the whole of a worker's: fetching, hashing, unpacking, the rows of the volumes, and the pictures of all
their slices, which are in the bucket when it ends. Stages and pass take turns, on the same bytes in the same bucket.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

from datasets.storage import Bucket
from portal.embedded import bucket as embedded
from portal.embedded.process import Part
from portal.embedded.stack import BUCKET, Stack
from tests.benchmarks.packing import KINDS, MEMBERS, Kind, pack, write_scan
from tests.benchmarks.site import analyze, production, run

ROUNDS = 3
BLOCK = 1 << 20
MOST_MEMORY = 300
KEYS = 50_000
MOST_TIMES = 1.5
LEGEND = f"""
slowest alone    of one GET by boto3, hashlib's SHA-256 and the command that unpacks, on the same bytes: medians
speed            of that stage's, round by round; least: what is promised. What else runs on this machine slows one
                 stage alone less than the pass, which uses all processors
processor        seconds of the worker and its child, of which two processors have two in a second
MB               the most that the worker and its child held, interpreters included, beside the file on the disk in
                 which a member lies; at most {MOST_MEMORY} is promised"""


class OwnBucket(embedded.Bucket):
    """A real bucket knows its ETags; rclone computes them again for each folder that it lists again."""

    def part(self) -> Part:
        part = super().part()
        return replace(part, command=[each.replace("cache-time=1s", "cache-time=1h") for each in part.command])


class OwnStack(Stack):
    def _bucket(self) -> embedded.Bucket:
        usual = super()._bucket()
        return OwnBucket(self.path, port=usual.port, key_id=usual.key_id, secret=usual.secret)


@dataclass
class Site:
    environment: dict[str, str]
    owner: str
    data: Path

    def say(self, *arguments: str) -> Any:
        """What a process of the site prints last; what it logs is left."""
        lines = run(self.environment, "-m", "tests.benchmarks.ingesting", *arguments, stderr=subprocess.DEVNULL)
        return json.loads(lines.splitlines()[-1])

    def bucket(self) -> Bucket:
        word = self.environment.__getitem__
        return Bucket(
            BUCKET,
            region=embedded.REGION,
            endpoint_url=word("BUCKET_ENDPOINT_URL"),
            key_id=word("BUCKET_ACCESS_KEY_ID"),
            secret=word("BUCKET_SECRET_ACCESS_KEY"),
        )


@contextmanager
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="portal-bench-"))
    stack = OwnStack(folder / "stack")
    try:
        stack.start()
        environment = production(stack)
        owner = stack.owners_environment()["DATABASE_OWNER_URL"]
        run(environment | {"DATABASE_OWNER_URL": owner}, "manage.py", "migrate", "-v0")
        yield Site(environment, owner, stack.path / "bucket" / BUCKET)
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


def show(rounds: int = ROUNDS) -> None:
    with site() as here:
        # Past the server, and before it has looked: so many files take it minutes.
        fill(here.data / "keys")
        kinds = [kind for kind in KINDS if not kind.pack or shutil.which(kind.pack[0])]
        # A small one first, for the child and the connections of a worker that has been at work.
        volume, small = here.data / "small.h5", here.data / "small"
        write_scan(volume, slices=1)
        pack(volume, KINDS[0], small / KINDS[0].name, members=1)
        write_scan(volume)
        for kind in kinds:
            pack(volume, kind, here.data / kind.folder / kind.name)
        size = MEMBERS * volume.stat().st_size / 1e9
        volume.unlink()
        here.say("fill", str(KEYS))
        analyze(here.owner)
        print(f"\nOne pass over {MEMBERS} volumes, {size:.2f} GB, previews included")
        head = f"{'':16}{'GB':>6}{'s':>7}{'slowest alone':>20}{'speed':>8}{'from … to':>15}{'least':>7}"
        print(f"{head}{'processor':>11}{'MB':>6}", flush=True)
        for kind in kinds:
            show_kind(here, kind, rounds)
        print(LEGEND)
        show_list(here, rounds)


def fill(folder: Path) -> None:
    """With empty files: the server reads each once to know its ETag."""
    folder.mkdir()
    for number in range(KEYS):
        (folder / f"file{number:06}_multicoil_train.h5").touch()


def show_kind(here: Site, kind: Kind, rounds: int) -> None:
    path, bucket = here.data / kind.folder / kind.name, here.bucket()
    key = f"{kind.folder}/{kind.name}"
    # Whoever asks first waits for the object's ETag.
    bucket.head(key)
    stages: dict[str, Callable[[], object]] = {
        "GET": lambda: read_through(bucket, key),
        "SHA-256": lambda: hash_through(path),
    }
    if kind.unpack:
        stages[" ".join(kind.unpack)] = lambda: run_through(kind.unpack, path)
    alone: dict[str, list[float]] = {name: [] for name in stages}
    passes = []
    for _round in range(rounds):
        for name, stage in stages.items():
            alone[name].append(timed(stage))
        passes.append(here.say("ingest", kind.folder))
    slowest = max(alone, key=lambda name: median(alone[name]))
    speeds = sorted(one / each["seconds"] for one, each in zip(alone[slowest], passes, strict=True))
    seconds, processor = (median(each[name] for each in passes) for name in ("seconds", "processor"))
    print(
        f"{kind.name:16}{path.stat().st_size / 1e9:>6.2f}{seconds:>7.2f}"
        f"{f'{slowest} {median(alone[slowest]):.2f}':>20}{median(speeds):>8.2f}"
        f"{f'{speeds[0]:.2f} … {speeds[-1]:.2f}':>15}{kind.least or '':>7}{processor:>11.2f}"
        f"{max(each['memory'] for each in passes):>6.0f}   alone, s: "
        + ", ".join(f"{name} {median(found):.2f}" for name, found in alone.items()),
        flush=True,
    )


def show_list(here: Site, rounds: int) -> None:
    found = here.say("list", str(rounds))
    ratios = sorted(ours / bare for ours, bare in zip(found["compared"], found["listed"], strict=True))
    print(f"\nA folder of {KEYS:,} keys, compared with a release of as many archives")
    print(f"  the bare list calls         {median(found['listed']):>7.2f} s")
    print(f"  listed and compared         {median(found['compared']):>7.2f} s")
    print(
        f"  times                       {median(ratios):>7.2f}    ({ratios[0]:.2f} … {ratios[-1]:.2f}; at most "
        f"{MOST_TIMES} is promised)"
    )
    print(f"  what our own part takes     {median(found['own']):>7.2f} s of the processor, without the list calls")


def read_through(bucket: Bucket, key: str) -> None:
    body = bucket.client.get_object(Bucket=BUCKET, Key=key)["Body"]
    while body.read(BLOCK):
        pass


def hash_through(path: Path) -> None:
    digest = sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            digest.update(block)


def run_through(command: tuple[str, ...], path: Path) -> None:
    with path.open("rb") as file:
        subprocess.run(command, stdin=file, stdout=subprocess.DEVNULL, check=True)


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ingest", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    show(parser.parse_args().rounds)
