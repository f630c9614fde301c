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
from datasets.models import Ingest, Preview, Release, Volume
from datasets.services.previews.pictures import storage
from datasets.tasks import ingest_archives
from tests import imports
from tests.demo import clean_environment
from tests.flows.outcomes import forget, outcome, registered_and_due
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


def read_undisturbed() -> dict[str, Any]:
    release = registered_and_due()
    hint(ingest_archives)
    wait_until(lambda: Release.objects.get(pk=release.pk).status == "ready", "An undisturbed reading", 60)
    found = outcome()
    forget()
    return found


def test_a_reader_that_is_killed_in_the_middle_leaves_no_trace(tmp_path: Path) -> None:
    imports.upload("knee_train.tar.gz", FILES)
    imports.upload("knee_val.tar", FILES)
    with readers(tmp_path, 2) as programs:
        undisturbed, folders = read_undisturbed(), set(storage().folders())
        release = registered_and_due()
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
    assert outcome() == undisturbed
    assert set(storage().folders()) == folders
    assert Preview.objects.count() == Volume.objects.count() == 2 * len(FILES)
    assert sorted(Ingest.objects.values_list("deaths", flat=True)) == [0, 1]
