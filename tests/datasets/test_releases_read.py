"""Archives that are read: once, to their ends, and again without a trace of the try before."""

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier
from typing import Any, BinaryIO

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from datasets.exceptions import BucketDown
from datasets.kspace import archive as engine
from datasets.kspace.archive import Ingested, Member
from datasets.kspace.report import Facts, Layout, Rendering, Report, Wish
from datasets.models import Archive, Ingest, Preview, Release, Volume
from datasets.services.releases import check, ingest_due_archives, ingesting, leave_out, progress_of, read_again
from datasets.services.releases.ingesting import Ingester, give_up
from datasets.services.releases.reading import Reading
from datasets.storage import Bucket, bucket
from tests import imports
from tests.archives import PICTURES
from tests.factories import IngestFactory, StaffFactory, VolumeFactory, report_of
from tests.kspace import volumes
from tests.threads import at_once
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
FACTS = Facts(Layout.MULTI_COIL, (3, 4, 8, 8), "complex64", slices=3, coils=4, readout=8, phase=8, acquisition="CORPD")
Engine = Callable[..., Ingested]


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ingesting, "Sandbox", imports.Reader)
    imports.empty()
    yield
    imports.empty()
    # A run that was cut short keeps its reader for the next one, which may be another test's.
    vars(ingesting)["_ingester"].close()


@pytest.fixture
def by() -> User:
    return StaffFactory()


def engine_of(*members: Member, then: Callable[[], None] = lambda: None) -> Engine:
    """One that says these of an archive, after the bytes were read."""

    def ingest(stream: Any, name: str, *, on_volume: Any, on_progress: Any, **_: Any) -> Ingested:
        content = b"".join(iter(lambda: stream.read(2**20), b""))
        for number, member in enumerate(members, 1):
            on_volume(member)
            on_progress(len(content) // 2, number)
            then()
        return Ingested(len(content), hashlib.sha256(content).hexdigest(), 256 * 2**20, (), len(members))

    return ingest


def member(path: str, **facts: Any) -> Member:
    return Member(path, 512, 100, "0" * 64, True, **facts)


def checked(release: Release) -> Release:
    check(release, by=StaffFactory())
    ingest_due_archives(seconds=60)
    release.refresh_from_db()
    return release


@pytest.mark.parametrize("name", ["knee_train.tar", "knee_train.tar.gz", "knee_train.tar.xz"])
def test_an_archive_is_read_once_and_verified_with_its_volumes(name: str) -> None:
    release = imports.registered(name)
    content = bucket().get(f"{imports.FOLDER}{name}")

    checked(release)

    archive = release.archives.get()
    assert (release.status, archive.status) == ("ready", "verified")
    assert (archive.size, archive.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert archive.part_hashes == [archive.sha256]
    assert {(volume.path, volume.size) for volume in archive.volumes.all()} == {
        (path, len(file)) for path, file in imports.FILES.items()
    }
    assert set(Preview.objects.values_list("state", flat=True)) == {"done"}
    assert (archive.ingest.state, archive.ingest.bytes_read, archive.ingest.volumes_read) == ("done", len(content), 3)


def test_real_volumes_are_opened_and_shown_and_one_that_is_cut_off_fails_its_archive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    whole = volumes.multicoil(tmp_path / "whole.h5").read_bytes()
    imports.upload("knee_good.tar.gz", {"a.h5": whole, "README.txt": b"hello"})
    imports.upload("knee_bad.tar", {"a.h5": whole, "b.h5": whole[: len(whole) // 2]})

    release = checked(imports.registered())

    good, bad = release.archives.get(name="knee_good.tar.gz"), release.archives.get(name="knee_bad.tar")
    assert (release.status, good.status, bad.status) == ("failed", "verified", "failed")
    assert bad.reason.startswith("File 2 of the archive cannot be opened: b.h5: ")
    volume = good.volumes.get()
    assert (good.coils, volume.slices, volume.preview.state) == ("4", 3, "done")
    assert Report.from_json(volume.preview.report or {}).pictures


def test_pictures_and_facts_of_the_pass_are_kept_and_a_volume_without_pictures_blocks_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendering = Rendering(report_of(*PICTURES), dict.fromkeys(PICTURES, b"RIFF    WEBP"))
    good = member("a.h5", facts=FACTS, rendering=rendering)
    odd = member("b.h5", facts=FACTS, reason="Every value is zero.")
    monkeypatch.setattr(engine, "ingest", engine_of(good, odd))

    release = checked(imports.registered("knee_train.tar"))

    assert (release.status, release.archives.get().coils) == ("ready", "4")
    first, second = Preview.objects.order_by("pk")
    assert (first.state, second.state, second.reason) == ("done", "failed", "Every value is zero.")
    assert (first.volume.acquisition, first.volume.slices) == ("CORPD", 3)


def test_files_that_cannot_be_opened_fail_the_archive_and_all_of_them_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [member(f"{name}.h5", reason="This is no HDF5 file.", is_damaged=True) for name in "abcd"]
    monkeypatch.setattr(engine, "ingest", engine_of(member("good.h5", facts=FACTS), *bad))

    release = checked(imports.registered("knee_train.tar"))

    archive = release.archives.get()
    assert (release.status, archive.status, archive.sha256) == ("failed", "failed", "")
    assert archive.reason.startswith("File 2 of the archive cannot be opened: a.h5: This is no HDF5 file.")
    assert archive.reason.endswith("And 1 more cannot be opened.")
    assert release.reason == "1 of its 1 archives failed the check: knee_train.tar."


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("a.h5"), member("a.h5")], "two files called a.h5"),
        ([member("a\udcff.h5")], "name cannot be kept"),
        ([member("x" * 300)], "name cannot be kept"),
    ],
)
def test_names_that_cannot_be_kept_fail_the_archive(
    members: list[Member], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ingest", engine_of(*members))
    release = checked(imports.registered("knee_train.tar"))
    assert reason in release.archives.get().reason


def test_a_damaged_archive_says_so_and_the_others_go_on() -> None:
    imports.upload("knee_val.tar.gz")
    bucket().put(f"{imports.FOLDER}knee_train.tar.gz", b"\x1f\x8b no gzip" * 99)
    release = checked(imports.registered())
    states = dict(release.archives.values_list("name", "status"))
    assert states == {"knee_train.tar.gz": "failed", "knee_val.tar.gz": "verified"}
    assert "cannot be unpacked" in release.archives.failed().get().reason


def test_a_key_that_vanished_or_changed_since_it_was_listed_is_not_taken_for_it() -> None:
    release = imports.registered("gone.tar", "other.tar")
    bucket().delete(f"{imports.FOLDER}gone.tar")
    imports.upload("other.tar", {"a.h5": b"other"})

    checked(release)

    reasons = dict(release.archives.values_list("name", "reason"))
    assert release.status == "failed"
    assert "has no object" in reasons["gone.tar"]
    assert "another one than" in reasons["other.tar"]


def test_what_was_uploaded_again_is_read_again_as_it_is_now(by: User) -> None:
    release = imports.registered("knee_train.tar")
    imports.upload("knee_train.tar", {"a.h5": b"other"})
    checked(release)

    read_again(release.archives.get(), by=by)
    ingest_due_archives(seconds=60)

    release.refresh_from_db()
    archive = release.archives.get()
    seen = bucket().head(archive.key)
    assert (release.status, archive.status, archive.etag) == ("ready", "verified", seen.etag)
    assert [volume.path for volume in archive.volumes.all()] == ["a.h5"]


def test_a_failed_archive_that_is_left_out_makes_the_release_ready(by: User) -> None:
    release = imports.registered("good.tar", "gone.tar")
    bucket().delete(f"{imports.FOLDER}gone.tar")
    checked(release)

    leave_out(release.archives.get(name="gone.tar"), by=by)

    release.refresh_from_db()
    assert (release.status, release.reason) == ("ready", "")


def test_a_bucket_that_is_away_only_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise BucketDown("The bucket does not answer.")

    release = imports.registered("knee_train.tar")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Bucket, "stream", away)
        checked(release)
    row = Ingest.objects.get()
    assert (row.state, row.reason, release.status) == ("waiting", "The bucket does not answer.", "checking")

    Ingest.objects.update(due_at=timezone.now())
    ingest_due_archives(seconds=60)

    release.refresh_from_db()
    assert release.status == "ready"


def test_whoever_begins_again_finds_no_trace_of_the_try_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        raise RuntimeError("as a mistake of ours would")

    release = imports.registered("knee_train.tar")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(engine, "ingest", engine_of(member("left-behind.h5"), then=die))
        with pytest.raises(RuntimeError):
            checked(release)
    assert Volume.objects.get().path == "left-behind.h5"
    Ingest.objects.update(due_at=timezone.now())

    ingest_due_archives(seconds=60)

    assert set(Volume.objects.values_list("path", flat=True)) == set(imports.FILES)
    assert Ingest.objects.get().volumes_read == len(imports.FILES)


def test_a_worker_that_lost_its_lease_writes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken() -> None:
        Ingest.objects.update(attempts=99)

    release = imports.registered("knee_train.tar")
    monkeypatch.setattr(engine, "ingest", engine_of(member("a.h5"), member("b.h5"), then=taken))

    checked(release)

    assert [volume.path for volume in Volume.objects.all()] == ["a.h5"]
    assert (release.status, Ingest.objects.get().state) == ("checking", "running")


def test_an_archive_that_is_to_be_read_again_is_taken_from_its_worker(
    by: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = imports.registered("knee_train.tar")
    archive = release.archives.get()
    own = engine_of(member("a.h5"), then=lambda: read_again(archive, by=by))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(engine, "ingest", own)
        check(release, by=by)
        row = Ingest.objects.get()
        ingest_due_archives(seconds=0)
    row.refresh_from_db()
    archive.refresh_from_db()
    assert (row.state, archive.status) == ("waiting", "registered")

    ingest_due_archives(seconds=60)

    archive.refresh_from_db()
    assert (archive.status, archive.volumes.count()) == ("verified", len(imports.FILES))


@pytest.mark.parametrize("fixture", ["by", "sealed"])
@pytest.mark.parametrize("decide", [leave_out, read_again])
def test_a_maintainer_who_decides_about_an_archive_that_is_being_read_waits_for_nobody(
    decide: Callable[..., None],
    fixture: str,
    by: User,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    release = imports.registered("knee_train.tar")
    request.getfixturevalue(fixture)
    archive = release.archives.get()
    scans = (member(f"{number}.h5") for number in range(200))
    monkeypatch.setattr(engine, "ingest", engine_of(*scans, then=lambda: time.sleep(0.01)))
    check(release, by=by)

    def decide_in_the_middle() -> None:
        wait_until(lambda: Volume.objects.count() > 5, "Some volumes")
        decide(archive, by=by)

    outcomes = at_once([lambda: ingest_due_archives(seconds=0), decide_in_the_middle])

    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert not Archive.objects.filter(pk=archive.pk).exclude(status="registered").exists()


def test_an_archive_that_killed_every_worker_fails_and_the_release_with_it() -> None:
    row = IngestFactory()
    Ingest.objects.update(state="failed", reason="3 workers died on it.", finished_at=timezone.now())

    give_up()

    row.archive.refresh_from_db()
    assert (row.archive.status, row.archive.reason) == ("failed", "3 workers died on it.")
    assert row.archive.release.__class__.objects.get().status == "failed"


def test_work_that_is_tried_again_after_its_release_was_published_reads_nothing() -> None:
    row = IngestFactory()
    volume = VolumeFactory(archive=row.archive)
    Release.objects.update(status="published", published_at=timezone.now())

    ingest_due_archives(seconds=60)

    row.refresh_from_db()
    assert row.state == "failed"
    assert "its archives are not read now" in row.reason
    assert Volume.objects.get() == volume


def test_progress_is_told_in_bytes_and_volumes_with_few_queries(django_assert_num_queries: Any) -> None:
    release = imports.read("good.tar")
    archive = release.archives.get()
    assert archive.size is not None
    waiting = Archive.objects.create(release=release, name="later.tar", key="later.tar", size=3 * archive.size)
    Ingest.objects.create(archive=waiting)

    with django_assert_num_queries(2):
        progress = progress_of(release)

    assert (progress.verified, progress.waiting, progress.percent) == (1, 1, 25)
    assert progress.remaining is not None
    told = progress.archives[0]
    assert (told.volumes_read, told.previews, told.bad_previews) == (3, 3, 0)  # type: ignore[attr-defined]


def test_workers_that_read_archives_of_one_release_share_no_lock(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Each waits for all others twice a volume: while its file is in the sandbox, and in the middle of the transaction
    that writes it. With a lock in common they would never all be there."""
    names = [f"knee_{number}.tar" for number in range(3)]
    for name in names:
        # The same pictures would be written one after the other, on purpose.
        imports.upload(name, {f"{number}.h5": f"{name} {number}".encode() * 999 for number in range(3)})
    waiting: list[int] = []
    in_sandbox = Barrier(len(names), timeout=60)
    in_transaction = Barrier(len(names), action=lambda: waiting.append(locks_not_granted()), timeout=60)

    class Meeting(imports.Reader):
        def render(self, source: Path | BinaryIO, wish: Wish) -> Rendering:
            in_sandbox.wait()
            return super().render(source, wish)

    def locks_not_granted() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return int(cursor.fetchone()[0])

    class MeetingReading(Reading):
        def hold(self) -> None:
            super().hold()
            if connection.in_atomic_block:
                in_transaction.wait()

    monkeypatch.setattr(ingesting, "Sandbox", Meeting)
    monkeypatch.setattr(ingesting, "Reading", MeetingReading)
    release = imports.registered()
    request.getfixturevalue("sealed")
    check(release, by=StaffFactory())

    outcomes = at_once([lambda: ingest_due_archives(seconds=0, ingester=Ingester()) for _name in names])

    release.refresh_from_db()
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert (release.status, Volume.objects.count(), Preview.objects.filter(state="done").count()) == ("ready", 9, 9)
    assert waiting == [0, 0, 0]
