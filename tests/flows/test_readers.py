"""Workers that read archives are killed: the end is that of a reading that nobody disturbed."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from accounts.tasks import hint
from datasets.models import Archive, Ingest, Preview, Release, Volume
from datasets.services.releases import check
from datasets.tasks import ingest_archives
from tests import imports
from tests.demo import clean_environment
from tests.factories import StaffFactory
from tests.owner import application_url
from tests.postroom import READY, Program, stop_all
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
LEASE = timedelta(minutes=2)
FILES = {f"train/file{number}.h5": f"volume {number}".encode() * 999 for number in range(6)}


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    imports.empty()
    yield
    imports.empty()


@contextmanager
def readers(folder: Path, number: int) -> Iterator[list[Program]]:
    environment = clean_environment() | {
        "DJANGO_SETTINGS_MODULE": "portal.settings.testing",
        "DATABASE_URL": application_url(),
    }
    command = [sys.executable, "-m", "celery", "-A", "tests.flows.slow_reader", "worker", "--queues=ingest"]
    quiet = ["--concurrency=1", "--without-mingle", "--without-gossip", "--without-heartbeat"]
    programs = [
        Program(f"reader{n}", [*command, *quiet, f"--hostname=i{n}@%h"], folder, environment) for n in range(number)
    ]
    try:
        for program in programs:
            wait_until(lambda program=program: READY in program.said(), "A reader's start", 60)  # type: ignore[misc]
        yield programs
    finally:
        stop_all(programs)


def found() -> list[dict[str, Any]]:
    facts = ("name", "status", "size", "sha256", "part_hashes", "etag", "coils")
    return list(Archive.objects.filter(key__startswith=imports.FOLDER).order_by("name").values(*facts))


def volumes() -> list[tuple[Any, ...]]:
    return list(Volume.objects.order_by("archive__name", "path").values_list("archive__name", "path", "offset", "size"))


def read_undisturbed() -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    release = imports.registered()
    check(release, by=StaffFactory())
    hint(ingest_archives)
    wait_until(lambda: Release.objects.get(pk=release.pk).status == "ready", "An undisturbed reading", 60)
    outcome = found(), volumes()
    Archive.objects.all().delete()
    return outcome


def test_a_reader_that_is_killed_in_the_middle_leaves_no_trace(tmp_path: Path) -> None:
    imports.upload("knee_train.tar.gz", FILES)
    imports.upload("knee_val.tar", FILES)
    with readers(tmp_path, 2) as programs:
        undisturbed = read_undisturbed()
        release = imports.registered()
        check(release, by=StaffFactory())
        # Two workers, an archive each.
        hint(ingest_archives)
        hint(ingest_archives)
        wait_until(
            lambda: Ingest.objects.filter(state="running", volumes_read__gte=2).count() == 2, "Two archives at once", 60
        )
        programs[0].send(signal.SIGKILL)
        wait_until(lambda: Ingest.objects.filter(state="done").exists(), "The other one's archive", 60)
        assert Release.objects.get(pk=release.pk).status == "checking"
        # What it wrote before it died is still there, until somebody begins again.
        assert Volume.objects.filter(archive__ingest__state="running").exists()
        Ingest.objects.filter(state="running").update(leased_until=F("leased_until") - LEASE)
        hint(ingest_archives)
        wait_until(lambda: Release.objects.get(pk=release.pk).status == "ready", "The killed one's archive", 60)
    assert (found(), volumes()) == undisturbed
    assert Preview.objects.count() == Volume.objects.count() == 2 * len(FILES)
    assert sorted(Ingest.objects.values_list("deaths", flat=True)) == [0, 1]
