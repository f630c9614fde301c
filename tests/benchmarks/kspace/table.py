"""Measure, and print tables of ratios with what is promised beside them."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from portal.embedded.application import ROOT
from tests.benchmarks.kspace import children, from_bucket, starting
from tests.benchmarks.kspace.children import OURS, PEERS, READING, WAYS, Result, Way
from tests.benchmarks.kspace.volume import SHAPE, write_volume

LEGEND = """
of reading       how many times as long as h5py takes to read the same bytes: medians of the rounds
times as long    as this project: medians, and from … to of the rounds
processor        ms of all its threads together: less disturbed by what else runs on this machine
MB               the most that the process held, above a Python that does nothing
most, least      what is promised"""
AGREEMENT = "tests/kspace/test_agreement.py"


@dataclass(frozen=True)
class Promise:
    """Of this project: at most so many times the reading, so many MB; the others at least so many times as long."""

    title: str
    task: str
    rounds: int
    reading: float
    others: float
    memory: float


PROMISES = (
    Promise("One slice, from the file to (320, 320)", "slice", 15, 3.5, 3.5, 100),
    Promise("The whole volume, a slice at a time", "volume", 5, 4.5, 4.5, 150),
)


def show() -> None:
    """Everything about previews, on one volume in a folder of its own."""
    show_agreement()
    ways = [way for way in WAYS if not left_out(way)]
    folder = Path(tempfile.mkdtemp(prefix="previews-bench-"))
    try:
        path = folder / "volume.h5"
        print(f"\nWriting a volume of {SHAPE} complex64", flush=True)
        write_volume(path)
        for promise in PROMISES:
            show_task(promise, ways, children.measure(promise.task, path, ways, promise.rounds))
        print(LEGEND)
        show_starts(starting.measure(path, [way for way in ways if way.python == str(PEERS)], 7))
        from_bucket.show(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def show_agreement() -> None:
    """The test that holds the numerics to the packages that define them; it says itself what it leaves out."""
    if not PEERS.exists():
        return
    print("\nAgreement to 1e-5 with the fastMRI package, scikit-image and sigpy:", flush=True)
    options = ["-o", "addopts=", "-o", "filterwarnings=default", "-p", "no:cacheprovider", "--noconftest", "-q", "-rs"]
    # A failure is told and does not end the bench: the figures may say why.
    subprocess.run([str(PEERS), "-m", "pytest", *options, AGREEMENT], cwd=ROOT, check=False)


def left_out(way: Way) -> bool:
    why = children.installed(way)
    if why:
        print(f"{way.name} is left out: {why}")
    return bool(why)


def show_task(promise: Promise, ways: list[Way], results: dict[str, Result]) -> None:
    ours, reading = results[OURS], results[READING]
    print(
        f"\n{promise.title}\n{'':30}{'ms':>8}{'processor':>11}{'of reading':>12}{'most':>6}{'times as long':>15}"
        f"{'from … to':>16}{'least':>7}{'MB':>6}{'most':>6}"
    )
    for way in ways:
        result = results[way.module]
        longer = quotients(result.seconds, ours.seconds)
        is_ours, is_peer = way.module == OURS, way.module not in (OURS, READING)
        print(
            f"{way.name:30}{median(result.seconds) * 1000:>8.1f}{median(result.used) * 1000:>11.1f}"
            f"{median(quotients(result.seconds, reading.seconds)):>12.2f}{promise.reading if is_ours else '':>6}"
            f"{median(longer):>15.2f}{f'{longer[0]:.2f} … {longer[-1]:.2f}':>16}{promise.others if is_peer else '':>7}"
            f"{result.memory:>6.0f}{promise.memory if is_ours else '':>6}",
            flush=True,
        )


def quotients(seconds: list[float], base: list[float]) -> list[float]:
    """Round by round."""
    return sorted(one / other for one, other in zip(seconds, base, strict=True))


def show_starts(seconds: dict[str, list[float]]) -> None:
    print(f"\nA new process, to its first thumbnail as PNG\n{'':34}{'s':>7}{'of this':>9}{'promised':>18}")
    for name, its in seconds.items():
        ratio = f"{median(quotients(its, seconds[starting.OURS])):.2f}"
        promised = "at least 0.5" if name == starting.IMPORTS else "" if name == starting.OURS else "at least 6"
        print(f"{name:34}{median(its):>7.2f}{ratio:>9}{promised:>18}")
