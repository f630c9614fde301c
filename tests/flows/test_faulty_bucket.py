"""The bucket fails while archives are read: the end is that of a reading that nobody disturbed."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from datasets.kspace import archive as engine
from datasets.kspace.archive import Ingested, Member
from datasets.kspace.report import Rendering, Wish
from datasets.models import Ingest, Volume
from datasets.services.previews.pictures import storage
from datasets.services.releases import check, ingest_due_archives, ingesting
from datasets.storage import bucket, streams
from portal.embedded import bucket as embedded
from portal.embedded.state import choose_ports
from tests import imports
from tests.archives import PICTURES
from tests.demo import clean_environment
from tests.factories import StaffFactory, report_of
from tests.flows.faults import Fault, FaultyBucket, bad_weather
from tests.flows.outcomes import forget, outcome, read_to_the_end, registered_and_due, spooled
from tests.postroom import Program
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
NOISE = random.Random(8)  # noqa: S311 - the same each time


class Reader(imports.Reader):
    """Its pictures are small, whatever the size of the file."""

    def render(self, source: Path | BinaryIO, wish: Wish) -> Rendering:
        content = source.read_bytes() if isinstance(source, Path) else source.read()
        return Rendering(report_of(*PICTURES), dict.fromkeys(PICTURES, hashlib.sha256(content).digest()))


class Server:
    """A bucket server that can be killed, with the buckets of the settings."""

    def __init__(self, folder: Path) -> None:
        ports = choose_ports(("bucket",), {})
        self.server = embedded.Bucket(folder, port=ports["bucket"], key_id="faulty", secret="only-for-this-test")
        self.server.prepare(django_settings.BUCKET_NAME, django_settings.PREVIEW_BUCKET_NAME)
        part = self.server.part()
        self.program = Program("bucket", part.command, folder, clean_environment() | dict(part.environment))
        self.kills = 0
        wait_until(self.server.answers, "The bucket's start")

    def kill(self) -> None:
        self.kills += 1
        self.program.process.kill()
        self.program.process.wait()
        # Whoever asks meanwhile is refused.
        Timer(0.3, self.program.start_again).start()


@pytest.fixture(autouse=True)
def _reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ingesting, "Sandbox", Reader)
    yield
    vars(ingesting)["_ingester"].close()


@pytest.fixture
def server(tmp_path: Path, settings: Settings) -> Iterator[Server]:
    server = Server(tmp_path)
    settings.BUCKET_ENDPOINT_URL = server.server.url()
    settings.BUCKET_ACCESS_KEY_ID, settings.BUCKET_SECRET_ACCESS_KEY = server.server.key_id, server.server.secret
    yield server
    wait_until(server.server.answers, "The bucket's last start")
    server.program.stop()


@pytest.fixture
def faulty(settings: Settings) -> Iterator[FaultyBucket]:
    proxy = FaultyBucket(urlsplit(django_settings.BUCKET_ENDPOINT_URL).port or 0)
    imports.empty()
    yield proxy
    proxy.stop()
    settings.BUCKET_ENDPOINT_URL = f"http://127.0.0.1:{proxy.upstream_port}"
    imports.empty()


def upload(*names: str, files: int, size: int) -> None:
    for name in names:
        imports.upload(name, {f"train/{name}{number}.h5": NOISE.randbytes(size) for number in range(files)})


def after_volumes(act: Callable[[int], None]) -> Callable[..., Ingested]:
    """The pass, with something that happens when so many volumes of an archive were seen, before their rows."""
    ingest = engine.ingest

    def wrapped(stream: Any, name: str, *, on_volume: Callable[[Member], None], **rest: Any) -> Ingested:
        seen = 0

        def counted(member: Member) -> None:
            nonlocal seen
            seen += 1
            act(seen)
            on_volume(member)

        return ingest(stream, name, on_volume=counted, **rest)

    return wrapped


def test_a_bucket_that_dies_twice_in_the_middle_of_archives_changes_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload("knee_train.tar", "knee_val.tar.gz", files=6, size=4_000_000)
    read_to_the_end(registered_and_due())
    undisturbed, folders, files = outcome(), set(storage().folders()), spooled()
    forget()

    def kill(volume: int) -> None:
        if (server.kills, volume) in ((0, 2), (1, 4)):
            server.kill()

    release = registered_and_due()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(engine, "ingest", after_volumes(kill))
        read_to_the_end(release)
    assert server.kills == 2
    assert outcome() == undisturbed
    assert set(storage().folders()) == folders
    assert spooled() == files


@pytest.mark.parametrize("seed", [1, 2])
def test_a_fifth_of_all_reads_that_fails_changes_nothing(
    seed: int, faulty: FaultyBucket, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PAUSES", (0.0, *[0.01] * 8))
    monkeypatch.setattr(streams, "BEGINNING", 10_000)
    direct = settings.BUCKET_ENDPOINT_URL
    upload(*(f"knee_batch_{number}.tar" for number in range(12)), files=2, size=100_000)
    read_to_the_end(registered_and_due())
    undisturbed, folders, files = outcome(), set(storage().folders()), spooled()
    forget()

    release = registered_and_due()
    faulty.plan.faults.extend(bad_weather(seed, 0.2, 1_000))
    settings.BUCKET_ENDPOINT_URL = faulty.url
    read_to_the_end(release)
    settings.BUCKET_ENDPOINT_URL = direct
    assert len(faulty.plan.seen) > 24
    assert outcome() == undisturbed
    assert set(storage().folders()) == folders
    assert spooled() == files


def test_an_object_that_is_refused_in_the_middle_fails_its_archive_and_leaves_half_of_nothing(
    faulty: FaultyBucket, settings: Settings
) -> None:
    upload("knee_train.tar", files=6, size=4_000_000)
    release, files = registered_and_due(), spooled()
    refusal = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>No longer.</Message></Error>"
    faulty.plan.faults.extend([Fault(), Fault(cut_after=9_000_000)])
    faulty.plan.always = Fault(status=403, body=refusal, kind="application/xml")
    direct, settings.BUCKET_ENDPOINT_URL = settings.BUCKET_ENDPOINT_URL, faulty.url
    ingest_due_archives(seconds=0)
    row = Ingest.objects.get()
    assert (row.state, row.deaths) == (Ingest.State.FAILED, 0)
    assert "does not let this site read the object" in row.reason
    # Once in the middle, and no request more.
    assert [seen.status == 403 for seen in faulty.plan.seen] == [False, False, True]
    assert spooled() == files

    settings.BUCKET_ENDPOINT_URL = direct
    check(release, by=StaffFactory())
    read_to_the_end(release)
    assert Volume.objects.count() == 6
    assert bucket().head(f"{imports.FOLDER}knee_train.tar").etag == release.archives.get().etag
