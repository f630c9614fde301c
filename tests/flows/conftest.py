"""A portal whose bucket can be made to fail, for the flows of download clients."""

import hashlib
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings as site
from django.test import override_settings

from datasets.models import DownloadLink
from datasets.services.downloads import address_of, commands
from datasets.storage import bucket
from portal.embedded.application import ROOT, is_healthy
from tests.demo import a_free_port, clean_environment
from tests.factories import ArchiveFactory, granted
from tests.flows.faults import FaultyBucket, Plan
from tests.flows.script import Script
from tests.owner import application_url
from tests.postroom import off
from tests.waiting import wait_until

# So short that every client that comes back late comes with an address that has expired.
SIGNED_LIFETIME = 3


@dataclass
class Portal:
    """gunicorn on the database of this worker of the tests, and the proxy before its bucket."""

    url: str
    bucket: FaultyBucket


@dataclass
class Offer:
    """What one person was offered: a link, and the bytes of the files below it."""

    link: DownloadLink
    files: dict[str, bytes]
    plan: Plan

    def address(self, name: str = "") -> str:
        return address_of(self.link, name)

    def commands(self, only: tuple[str, ...] = ()) -> dict[str, str]:
        """As they are printed, but that pauses and tries are shorter."""
        return {
            name: command.replace("sleep 10", "sleep 1").replace("seq 100", "seq 9")
            for name, command in commands(self.link, only).items()
        }

    def is_whole(self, folder: Path, *names: str) -> bool:
        return all((folder / name).read_bytes() == self.files[name] for name in names or self.files)

    def ranges(self) -> list[str | None]:
        return [seen.range for seen in self.plan.seen]


@contextmanager
def site_of_the_tests(*, clock: float = 0, **names: str) -> Iterator[str]:
    """gunicorn on the database of this worker of the tests, with these names in its environment and a clock that may be
    wrong by some seconds; its address."""
    port = a_free_port()
    url = f"http://127.0.0.1:{port}"
    environment = clean_environment() | {
        "DATABASE_URL": application_url(),
        "BUCKET_NAME": site.BUCKET_NAME,
        "EVIDENCE_BUCKET_NAME": site.EVIDENCE_BUCKET_NAME,
        "PREVIEW_BUCKET_NAME": site.PREVIEW_BUCKET_NAME,
        "REDIS_URL": site.REDIS_URL,
        "SITE_URL": url,
        "DJANGO_SETTINGS_MODULE": "portal.settings.testing",
        "PYTHONPATH": str(ROOT),
        **names,
    }
    command = [sys.executable, "-m", "gunicorn", "portal.wsgi", f"--bind=127.0.0.1:{port}", "--threads=8"]
    process = subprocess.Popen(
        [*off(clock, command), "--worker-class=gthread", "--no-control-socket"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_healthy(port), "The portal's start", 60)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def portal(django_db_setup: None) -> Iterator[Portal]:
    faulty = FaultyBucket(urlsplit(site.BUCKET_ENDPOINT_URL).port or 0)
    try:
        with site_of_the_tests(BUCKET_ENDPOINT_URL=faulty.url, SIGNED_LIFETIME=str(SIGNED_LIFETIME)) as url:
            yield Portal(url, faulty)
    finally:
        faulty.stop()


@pytest.fixture
def offer(portal: Portal, transactional_db: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offer]:
    """A granted link with three files of some hundred kilobytes to two megabytes, in the bucket and in the database."""
    folder = tmp_path_factory.mktemp("source")
    noise = random.Random(1)  # noqa: S311 - any bytes will do
    files = {
        "knee_sample.tar": noise.randbytes(300_001),
        "knee_train.tar.gz": noise.randbytes(2_000_003),
        "knee_val.tar.xz": noise.randbytes(1_000_007),
    }
    portal.bucket.plan = Plan()
    with override_settings(SITE_URL=portal.url):
        link = granted(archives=0)
        for name, content in files.items():
            (folder / name).write_bytes(content)
            key = f"{folder.name}/{name}"
            bucket().upload(folder / name, key)
            sha256 = hashlib.sha256(content).hexdigest()
            ArchiveFactory(release=link.release, name=name, key=key, size=len(content), sha256=sha256)
        yield Offer(link, files, portal.bucket.plan)


@pytest.fixture
def script(offer: Offer, tmp_path: Path) -> Script:
    """download.sh of that offer, fetched by the printed command."""
    return Script(offer.commands()["script"], tmp_path)
