"""Workers that render are killed: no volume is lost, none is half done, and one that kills every worker is given up."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.db.models import F

from accounts.models.work import MAX_DEATHS
from accounts.tasks import hint
from datasets.models import Preview, Volume
from datasets.services.previews import plan_previews
from datasets.storage import preview_bucket
from datasets.tasks import render_previews
from tests.archives import PICTURES, stored
from tests.demo import clean_environment
from tests.owner import application_url
from tests.postroom import READY, Program, stop_all
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
FILES = {f"train/file{number}.h5": f"volume {number}".encode() * 999 for number in range(8)}
KILLED = "exited with 'signal 9 (SIGKILL)'"
LEASE = timedelta(minutes=2)


@contextmanager
def renderers(folder: Path, number: int) -> Iterator[list[Program]]:
    environment = clean_environment() | {
        "DJANGO_SETTINGS_MODULE": "portal.settings.testing",
        "DATABASE_URL": application_url(),
    }
    command = [sys.executable, "-m", "celery", "-A", "tests.flows.deadly_renderer", "worker", "--queues=previews"]
    quiet = ["--concurrency=1", "--without-mingle", "--without-gossip", "--without-heartbeat"]
    programs = [
        Program(f"renderer{n}", [*command, *quiet, f"--hostname=r{n}@%h"], folder, environment) for n in range(number)
    ]
    try:
        for program in programs:
            wait_until(lambda program=program: READY in program.said(), "A renderer's start", 60)  # type: ignore[misc]
        yield programs
    finally:
        stop_all(programs)


def states() -> list[str]:
    return list(Preview.objects.order_by("pk").values_list("state", flat=True))


def plan(files: dict[str, bytes]) -> None:
    stored("volumes.tar.gz", files)
    plan_previews(Volume.objects.all())
    hint(render_previews)


def leases_run_out() -> None:
    Preview.objects.filter(state="running").update(leased_until=F("leased_until") - LEASE)
    hint(render_previews)


def test_a_killed_worker_leaves_its_volume_to_the_next(tmp_path: Path) -> None:
    with renderers(tmp_path, 2) as programs:
        plan(FILES)
        hint(render_previews)
        wait_until(lambda: states().count("running") == 2, "Two at work")
        programs[0].send(signal.SIGKILL)
        wait_until(lambda: states().count("running") <= 1, "The other's end", 60)
        wait_until(lambda: states().count("done") == len(FILES) - 1, "What the other one does", 60)
        leases_run_out()
        wait_until(lambda: set(states()) == {"done"}, "The killed one's volume", 60)
    assert sorted(Preview.objects.values_list("deaths", flat=True)) == [0] * (len(FILES) - 1) + [1]
    named = set(Preview.objects.values_list("folder", flat=True))
    assert {f"{folder}/{name}" for folder in named for name in PICTURES} <= set(preview_bucket().keys(""))


def test_a_volume_that_kills_every_worker_is_given_up_and_the_others_are_done(tmp_path: Path) -> None:
    with renderers(tmp_path, 1) as [program]:
        plan({"deadly.h5": b"deadly" * 99, **FILES})
        for death in range(1, MAX_DEATHS + 1):
            wait_until(lambda death=death: program.said().count(KILLED) == death, f"Death {death}", 60)  # type: ignore[misc]
            leases_run_out()
        wait_until(lambda: states() == ["failed"] + ["done"] * len(FILES), "All the others", 60)
        assert psutil.pid_exists(program.process.pid)
    failed = Preview.objects.get(state="failed")
    assert failed.reason == f"{MAX_DEATHS} workers died on it. The last said: a worker died"
