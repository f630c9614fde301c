"""What the benchmark of curating does inside the site: reads archives as a worker does, and compares a folder."""

import json
import os
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connection

django.setup()

from datasets.models import Archive, Dataset, Preview, Release  # noqa: E402
from datasets.services.releases import check, ingest_due_archives, propose, register  # noqa: E402
from datasets.services.releases.ingesting import Ingester  # noqa: E402
from datasets.storage import bucket  # noqa: E402
from tests.access import offered  # noqa: E402
from tests.factories import published  # noqa: E402

BATCH = 5_000
FOLDER = "keys"


def place(folder: str) -> str:
    return f"s3://{settings.BUCKET_NAME}/{folder}/"


def due(folder: str) -> Release:
    """A release of what lies in the folder, whose archive waits to be read."""
    dataset = Dataset.objects.get(slug="read")
    version = f"97.{dataset.releases.count()}"
    release = Release.objects.create(dataset=dataset, version=version, notes="New scans.")
    proposal = propose(dataset, place(folder))
    register(release, proposal, [row.key for row in proposal.usable], by=None)
    return check(release, by=None)


def ingest(folder: str) -> dict[str, float]:
    """Of one archive: seconds, seconds of the processor, and MB."""
    ingester = Ingester()
    due("small")
    # No time, so one archive, and the child stays for the next one.
    ingest_due_archives(seconds=0, ingester=ingester)
    release = due(folder)
    children = living_children()
    began, used = time.perf_counter(), processor(children)
    ingest_due_archives(seconds=0, ingester=ingester)
    seconds = time.perf_counter() - began
    if living_children() != children:
        raise SystemExit("The child was not the same all the while.")
    found = {"seconds": seconds, "processor": processor(children) - used, "memory": memory(children)}
    ingester.close()
    archive = release.archives.get()
    previews = Preview.objects.filter(volume__archive=archive)
    if archive.status != Archive.Status.VERIFIED or {row.state for row in previews} != {Preview.State.DONE}:
        raise SystemExit(f"{archive} is {archive.status}: {archive.reason}")
    return found


def living_children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def processor(children: list[int]) -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    ticks = 0
    for pid in children:
        ticks += sum(int(each) for each in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    return own.ru_utime + own.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def memory(children: list[int]) -> float:
    """In MB: the most that each held at any time, added up, although it was not at the same time."""
    total = 0
    for pid in ("self", *children):
        found = re.search(r"^VmHWM:\s+([0-9]+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        if found is None:
            raise SystemExit("The kernel does not say how much memory this process has held.")
        total += int(found[1])
    return total / 1000


def fill(keys: int) -> int:
    """The datasets. One has published all those keys but for the first; every tenth was another object then."""
    offered(archives=0, slug="read")
    dataset = offered(archives=0, slug="compared")
    release = Release.objects.create(dataset=dataset, version="98.0", notes="Scans.")
    listed = list(bucket().listing(f"{FOLDER}/"))
    if len(listed) != keys:
        raise SystemExit(f"The bucket lists {len(listed):,} keys.")
    rows = [
        Archive(
            release=release,
            name=entry.key.rpartition("/")[2],
            key=entry.key,
            size=entry.size + (number % 10 == 0),
            etag=entry.etag,
            split="train",
            status="verified",
            sha256="0" * 64,
            part_hashes=["0" * 64],
        )
        for number, entry in enumerate(listed[1:])
    ]
    Archive.objects.bulk_create(rows, BATCH)
    published(release)
    return len(rows)


def compare(rounds: int) -> dict[str, list[float]]:
    """Seconds, round by round: of the bare list calls, of all of it, and of the processor without them."""
    dataset = Dataset.objects.get(slug="compared")
    found: dict[str, list[float]] = {"listed": [], "compared": [], "own": []}
    for number in range(rounds + 1):
        began, used = time.perf_counter(), time.process_time()
        pages = bucket().client.get_paginator("list_objects_v2")
        count = sum(page["KeyCount"] for page in pages.paginate(Bucket=settings.BUCKET_NAME, Prefix=f"{FOLDER}/"))
        listed, used = time.perf_counter(), time.process_time() - used
        own = time.process_time()
        proposal = propose(dataset, place(FOLDER))
        compared, own = time.perf_counter(), time.process_time() - own
        if len(proposal.rows) != count:
            raise SystemExit("Other keys were compared than were listed.")
        # The first round is for the caches.
        if number:
            for name, value in (("listed", listed - began), ("compared", compared - listed), ("own", own - used)):
                found[name].append(value)
    return found


WORKS: dict[str, Any] = {
    "ingest": ingest,
    "fill": lambda keys: fill(int(keys)),
    "list": lambda rounds: compare(int(rounds)),
}

if __name__ == "__main__":
    print(json.dumps(WORKS[sys.argv[1]](sys.argv[2])))
    connection.close()
