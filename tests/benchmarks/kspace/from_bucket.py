"""Previews from the bucket, and what the sandbox adds. Alone: `python -m tests.benchmarks.kspace.from_bucket`."""

import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from datasets.kspace.errors import NotAVolumeError
from datasets.kspace.report import Wish
from datasets.kspace.sandbox import Sandbox
from datasets.storage import Bucket
from portal.embedded import bucket as embedded
from portal.embedded.stack import quiet
from portal.embedded.state import choose_ports
from portal.embedded.supervisor import Supervisor
from tests.benchmarks.kspace.volume import write_volume

NAME, KEY, SECRET = "bench", "volume.h5", "only-for-the-benchmark"
MEGABYTE = 1e6
ROUNDS = 5
MOST_REQUESTS, MOST_BYTES = 6, "1.05 × one slice + 1 MB"
JOBS = 300


def show(path: Path) -> None:
    """Of one volume."""
    show_sandbox(path)
    with tempfile.TemporaryDirectory(prefix="bucket-bench-") as name, served(Path(name)) as bucket:
        bucket.upload(path, KEY)
        show_bucket(bucket, Path(name), path)


def show_bucket(bucket: Bucket, folder: Path, path: Path) -> None:
    with Sandbox() as sandbox:
        facts = sandbox.describe(path)
        by_range(bucket, sandbox)
        rounds = [(by_range(bucket, sandbox), downloaded_first(bucket, sandbox, folder)) for _ in range(ROUNDS)]
    one_slice = 8 * int(np.prod(facts.shape)) // facts.slices
    fetched, requests = rounds[0][0][1:]
    ranged, downloaded = (median(seconds) for seconds in zip(*((one[0], two) for one, two in rounds), strict=True))
    most, size = (1.05 * one_slice + MEGABYTE) / MEGABYTE, path.stat().st_size / MEGABYTE
    print(f"""
The preview of one slice, {one_slice / MEGABYTE:.1f} MB, from the bucket, of a file of {size:.0f} MB
fetched            {fetched / MEGABYTE:.1f} MB, {fetched / one_slice:.3f} slices; at most {most:.1f} ({MOST_BYTES})
requests           {requests}; at most {MOST_REQUESTS}
by range           {ranged * 1000:.0f} ms
downloaded first   {downloaded * 1000:.0f} ms, {downloaded / ranged:.1f} times as long, with no network in between""")


def show_sandbox(path: Path) -> None:
    cold, job, slice_, added = measure_sandbox(path)
    print(f"""
The sandbox
cold               {cold * 1000:.0f} ms from nothing to the first answer
a job without work {job * 1e6:.0f} µs
one slice          {slice_ * 1000:.0f} ms, of which the sandbox adds {added * 1000:.1f} ms""")


def measure_sandbox(path: Path) -> tuple[float, float, float, float]:
    """Seconds: a cold start with a first answer, a job without work, a preview, and what of it was not spent on it."""
    empty = io.BytesIO()

    def refused(sandbox: Sandbox) -> None:
        with suppress(NotAVolumeError):
            sandbox.describe(empty)

    def cold() -> None:
        with Sandbox() as sandbox:
            refused(sandbox)

    starts = [timed(cold) for _ in range(ROUNDS)]
    previews = []
    with Sandbox() as sandbox:
        sandbox.render(path, Wish())
        jobs = [timed(lambda: refused(sandbox)) for _ in range(JOBS)]
        for _ in range(3 * ROUNDS):
            began = time.perf_counter()
            report = sandbox.render(path, Wish()).report
            whole = time.perf_counter() - began
            previews.append((whole, whole - report.seconds))
    slice_, added = (median(seconds) for seconds in zip(*previews, strict=True))
    return median(starts), median(jobs), slice_, added


def by_range(bucket: Bucket, sandbox: Sandbox) -> tuple[float, int, int]:
    """Seconds, bytes fetched, requests."""
    began = time.perf_counter()
    with bucket.open(KEY) as file:
        sandbox.render(file, Wish())
    return time.perf_counter() - began, file.bytes_fetched, file.requests


def downloaded_first(bucket: Bucket, sandbox: Sandbox, folder: Path) -> float:
    began = time.perf_counter()
    path = folder / "downloaded.h5"
    # One request, as the fastest client does it without a network in between.
    with path.open("wb") as file:
        shutil.copyfileobj(bucket.client.get_object(Bucket=NAME, Key=KEY)["Body"], file, 1 << 20)
    sandbox.render(path, Wish())
    return time.perf_counter() - began


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@contextmanager
def served(folder: Path) -> Iterator[Bucket]:
    port = choose_ports(("bucket",), {})["bucket"]
    server = embedded.Bucket(folder, port=port, key_id=NAME, secret=SECRET)
    server.prepare(NAME)
    for name in ("log", "run"):
        (folder / name).mkdir()
    supervisor = Supervisor(folder, quiet)
    try:
        part = server.part()
        # A real bucket knows its ETags; rclone computes them again for each folder that it lists again.
        command = [each.replace("--dir-cache-time=1s", "--dir-cache-time=1h") for each in part.command]
        supervisor.start(replace(part, command=command))
        yield Bucket(NAME, region=embedded.REGION, endpoint_url=server.url(), key_id=NAME, secret=SECRET)
    finally:
        supervisor.stop()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bucket-bench-") as name:
        path = Path(name) / KEY
        write_volume(path)
        show(path)


if __name__ == "__main__":
    main()
