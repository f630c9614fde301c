"""Broken files of every layout through the sandbox: each is read or refused by a KSpaceError; nothing else happens.

    python -m tests.kspace.fuzz --cases 5000 --seed 1

prints what came of them, and fails when anything else came out, or when the parent's memory or its open files grew.
"""

import argparse
import io
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from datasets.kspace.errors import KSpaceError
from datasets.kspace.report import Wish
from datasets.kspace.sandbox import Limits, Sandbox
from tests.kspace.mutations import mutate, seeds

LIMITS = Limits(memory=256 << 20, cpu_seconds=1, wall_seconds=10)
JOBS = ("describe", "render")
FINE = "read"
WISH = Wish(format="png")
MOST_GROWTH = 16 << 20


@dataclass
class Tally:
    """How often each thing came of each job, and of each layout; what should not have, in words."""

    by_job: dict[str, Counter[str]] = field(default_factory=lambda: {job: Counter() for job in JOBS})
    by_layout: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    seconds: float = 0


def fuzz(cases: int, seed: int, *, first: int = 0, keep: Path | None = None) -> Tally:
    """Case n of a seed is the same each time. `keep`: where files that something unexpected came of are put."""
    tally = Tally()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, Sandbox(LIMITS) as sandbox:
        folder = Path(name)
        originals = seeds(folder)
        memory = files = 0
        for number in range(first, first + cases):
            chance = Random(f"{seed}-{number}")  # noqa: S311 - the same each time
            layout = chance.choice(sorted(originals))
            content = mutate(originals[layout], chance)
            for job in JOBS:
                outcome = _outcome(sandbox, job, content, folder / "case.h5", far=bool(number % 2))
                tally.by_job[job][outcome] += 1
                tally.by_layout[layout] += outcome == FINE
                if outcome.startswith("!"):
                    tally.unexpected.append(f"case {number} ({layout}), {job}: {outcome}")
                    if keep:
                        (keep / f"{seed}-{number}.h5").write_bytes(content)
            if number == first + min(cases // 4, 200):
                memory, files = resident(), open_files()
        if resident() > memory + MOST_GROWTH or open_files() > files:
            tally.unexpected.append(
                f"the parent grew from {memory} to {resident()} bytes, {files} to {open_files()} files"
            )
    tally.seconds = time.monotonic() - began
    return tally


def _outcome(sandbox: Sandbox, job: str, content: bytes, path: Path, *, far: bool) -> str:
    path.write_bytes(content)
    source = io.BytesIO(content) if far else path
    try:
        if job == "describe":
            sandbox.describe(source)
        else:
            sandbox.render(source, WISH)
    except KSpaceError as error:
        sentence = str(error)
        return type(error).__name__ if sentence and type(error) is not KSpaceError else f"! {error!r}"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"! {error!r}"
    return FINE


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def show(tally: Tally) -> None:
    names = sorted(set().union(*tally.by_job.values()), key=lambda name: (name != FINE, name))
    print(f"{'':28}{'describe':>10}{'render':>10}")
    for name in names:
        print(f"{name[:60]:28}{tally.by_job['describe'][name]:>10}{tally.by_job['render'][name]:>10}")
    print("\nread, of each layout: " + ", ".join(f"{name} {count}" for name, count in sorted(tally.by_layout.items())))
    print(f"{tally.seconds:.0f} s")
    for sentence in tally.unexpected:
        print(f"UNEXPECTED: {sentence}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.kspace.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case (default: 0)")
    parser.add_argument("--keep", type=Path, help="a folder for files that something unexpected came of")
    options = parser.parse_args()
    tally = fuzz(options.cases, options.seed, first=options.first, keep=options.keep)
    show(tally)
    sys.exit(bool(tally.unexpected))


if __name__ == "__main__":
    main()
