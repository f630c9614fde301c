"""One pass over an archive: sizes, hashes, members at their offsets, facts and pictures, however it is packed."""

import io
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.exceptions import BucketDown, NoRoomLeft
from datasets.kspace import spool, stages
from datasets.kspace.archive import Ingested, Member, ingest
from datasets.kspace.errors import BrokenArchiveError, NotAVolumeError
from datasets.kspace.members import PartHashes
from datasets.kspace.report import Facts, Wish
from datasets.kspace.sandbox import Sandbox, SandboxError
from tests.kspace import volumes
from tests.kspace.tars import PACKERS, found_by_tarfile, tar_of

NAMES = pytest.mark.parametrize("name", list(PACKERS))
NOISE = random.Random(5).randbytes(3_000_000)  # noqa: S311 - any bytes will do


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return volumes.multicoil(tmp_path_factory.mktemp("archive") / "scan.h5").read_bytes()


@pytest.fixture(scope="module")
def files(scan: bytes) -> list[tuple[str, bytes]]:
    return [
        ("./README", b"What is in here."),
        ("train/", b""),
        ("train/file1.h5", scan),
        ("train/list.csv", b"file1.h5,file2.h5\n" * 99),
        ("train/broken.h5", scan[:2000]),
        ("train/file2", scan),
        ("train/empty.h5", b""),
    ]


def run(content: bytes, name: str, sandbox: Any, **options: Any) -> tuple[Ingested, list[Member]]:
    members: list[Member] = []
    options.setdefault("on_volume", members.append)
    return ingest(io.BytesIO(content), name, sandbox=sandbox, **options), members


class Looker:
    """Stands in for the sandbox where what is tested is not how files are read: each is one of k-space."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def describe(self, source: Path | BinaryIO) -> Facts:
        return self.facts


@pytest.fixture(scope="module")
def looker(sandbox: Sandbox, scan: bytes) -> Looker:
    return Looker(sandbox.describe(cast(BinaryIO, io.BytesIO(scan))))


@NAMES
def test_after_one_pass_everything_is_known(
    name: str, files: list[tuple[str, bytes]], scan: bytes, sandbox: Sandbox
) -> None:
    tar = tar_of(files)
    packed = PACKERS[name](tar)
    ingested, members = run(packed, name, sandbox, wish=Wish(), part_size=1000, hash_members=True)
    assert (ingested.size, ingested.sha256) == (len(packed), sha256(packed).hexdigest())
    assert list(ingested.part_hashes) == [
        sha256(packed[start : start + 1000]).hexdigest() for start in range(0, len(packed), 1000)
    ]
    assert [each.path for each in members] == [
        path.removeprefix("./") for path, _content in files if not path.endswith("/")
    ]
    for each in members:
        content = tar[each.offset : each.offset + each.size]
        assert (each.path, content) in [(path.removeprefix("./"), content) for path, content in files]
        assert each.sha256 == sha256(content).hexdigest()
    assert [each.is_volume for each in members] == [False, True, False, True, True, True]
    assert [bool(each.rendering) for each in members] == [False, True, False, False, True, False]
    assert [bool(each.facts) for each in members] == [False, True, False, False, True, False]
    assert [bool(each.reason) for each in members] == [True, False, True, True, False, True]
    assert members[0].reason == "not HDF5"
    assert ingested.volumes == 4


def test_a_single_volume_is_its_own_archive(scan: bytes, sandbox: Sandbox) -> None:
    ingested, [member] = run(scan, "file1.h5", sandbox, hash_members=True)
    assert (member.path, member.offset, member.size, member.sha256) == ("file1.h5", 0, len(scan), ingested.sha256)
    assert member.facts == sandbox.describe(cast(BinaryIO, io.BytesIO(scan)))
    assert (member.rendering, member.reason, ingested.volumes) == (None, "", 1)


def test_a_single_volume_that_is_none_is_told_with_its_reason(sandbox: Sandbox) -> None:
    _ingested, [member] = run(b"<html>", "file1.h5", sandbox)
    assert member.is_volume
    assert member.facts is None
    assert member.reason.endswith(".")


def test_a_volume_without_a_picture_still_has_its_facts(tmp_path: Path, sandbox: Sandbox) -> None:
    spoilt = volumes.multicoil(tmp_path / "nan.h5", volumes.kspace() * float("nan")).read_bytes()
    _ingested, [member] = run(tar_of([("nan.h5", spoilt)]), "volumes.tar", sandbox, wish=Wish())
    assert member.facts is not None
    assert member.rendering is None
    assert member.reason


@settings(max_examples=60, deadline=None)
@given(size=st.integers(0, 400), part_size=st.integers(1, 130), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_parts_are_hashed_wherever_the_blocks_end(size: int, part_size: int, cuts: list[int]) -> None:
    content, hashes = NOISE[:size], PartHashes(part_size)
    edges = [0, *sorted(cuts), size]
    for start, stop in pairwise(edges):
        hashes.update(content[start:stop])
    parts = [sha256(content[start : start + part_size]).hexdigest() for start in range(0, size, part_size)]
    assert hashes.ingested(0) == Ingested(size, sha256(content).hexdigest(), part_size, tuple(parts), 0)


def test_progress_counts_up_in_the_callers_thread(scan: bytes, looker: Looker) -> None:
    told: list[tuple[int, int]] = []
    threads = set()

    def tell(bytes_read: int, done: int) -> None:
        told.append((bytes_read, done))
        threads.add(threading.current_thread())

    content = tar_of([(f"{number}.h5", NOISE) for number in range(4)])
    run(content, "volumes.tar", looker, on_progress=tell)
    assert told == sorted(told)
    assert told[-1] == (len(content), 4)
    assert threads == {threading.current_thread()}


def test_while_nothing_is_done_progress_is_told_all_the_same(looker: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "TICK", 0.001)
    told = threading.Event()
    volumes_then: list[int] = []

    class Slow(Looker):
        def describe(self, source: Path | BinaryIO) -> Facts:
            assert told.wait(60)
            return self.facts

    def tell(_bytes_read: int, done: int) -> None:
        volumes_then.append(done)
        told.set()

    run(tar_of([("1.h5", b"")]), "volumes.tar", Slow(looker.facts), on_progress=tell)
    assert volumes_then[0] == 0
    assert volumes_then[-1] == 1


def test_no_more_than_two_volumes_lie_on_the_disk(looker: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    now = 0
    lock = threading.Lock()

    class Counted(spool.Spool):
        def __init__(self, size: int | None) -> None:
            nonlocal now
            super().__init__(size)
            with lock:
                now += 1
                counts.append(now)

        def close(self) -> None:
            nonlocal now
            super().close()
            with lock:
                now -= 1

    monkeypatch.setattr(stages, "Spool", Counted)
    run(tar_of([(f"{number}.h5", NOISE[:1000]) for number in range(40)]), "volumes.tar", looker)
    assert len(counts) == 40
    assert max(counts) <= 2
    assert now == 0


@NAMES
def test_what_the_stream_raises_comes_out_as_it_is(name: str, looker: Looker) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 1_000_000:
                raise BucketDown("The bucket's connection breaks again and again.")
            return super().read(100_000)

    content = PACKERS[name](tar_of([("1.h5", NOISE)]))
    with pytest.raises(BucketDown, match="again and again"):
        ingest(Breaking(content), name, sandbox=cast(Sandbox, looker), on_volume=lambda _member: None)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ingest-")]


def test_what_the_caller_raises_ends_the_pass(looker: Looker) -> None:
    def refuse(_member: Member) -> None:
        raise LookupError("another worker has it now")

    content = tar_of([(f"{number}.h5", NOISE) for number in range(9)])
    with pytest.raises(LookupError):
        run(content, "volumes.tar", looker, on_volume=refuse)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ingest-")]


def test_a_sandbox_that_does_not_work_is_no_fault_of_the_volume() -> None:
    with (
        Sandbox(command=["/bin/false"]) as broken,
        pytest.raises(SandboxError),
    ):
        run(tar_of([("1.h5", b"x")]), "volumes.tar", broken)


def test_without_room_on_the_disk_the_pass_waits_for_another_day(
    looker: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of all the disk, for others make room on it meanwhile.
    monkeypatch.setattr(spool, "MARGIN_BYTES", shutil.disk_usage(tempfile.gettempdir()).total - 1_000)
    with pytest.raises(NoRoomLeft, match="There is no room for 1,000 bytes"):
        run(tar_of([("1.h5", NOISE[:1000])]), "volumes.tar", looker)
    assert run(tar_of([("README", NOISE[:1000])]), "volumes.tar", looker)[0].volumes == 0


def test_what_is_too_large_for_a_volume_is_not_kept(looker: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "LARGEST_VOLUME", 999)
    _ingested, [member] = run(tar_of([("1.h5", NOISE[:1000])]), "volumes.tar", looker, hash_members=True)
    assert member.reason == "This is too large for a volume: 1,000 bytes."
    assert member.sha256 == sha256(NOISE[:1000]).hexdigest()


def test_what_macos_keeps_beside_each_file_is_no_broken_volume(looker: Looker) -> None:
    double = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"
    content = tar_of([("./._train", double), ("train/._1.h5", double), ("train/1.h5", b"x"), ("train/._2.h5", b"y")])
    ingested, members = run(content, "volumes.tar", looker)
    # By its name alone nothing is passed over: the last one may be a scan that somebody called so.
    assert [(each.path, each.is_volume) for each in members] == [
        ("._train", False),
        ("train/._1.h5", False),
        ("train/1.h5", True),
        ("train/._2.h5", True),
    ]
    assert [each.reason for each in members[:2]] == ["properties that macOS keeps of another file"] * 2
    assert ingested.volumes == 2


def test_members_are_hashed_only_where_somebody_asks(looker: Looker) -> None:
    content = tar_of([("README", b"x"), ("1.h5", b"y")])
    assert [each.sha256 for each in run(content, "volumes.tar", looker)[1]] == ["", ""]


def test_one_bad_volume_does_not_end_the_pass(looker: Looker) -> None:
    class Picky(Looker):
        def describe(self, source: Path | BinaryIO) -> Facts:
            assert isinstance(source, Path)
            if source.read_bytes() == b"bad":
                raise NotAVolumeError("This is no HDF5 file.")
            return self.facts

    content = tar_of([("1.h5", b"good"), ("2.h5", b"bad"), ("3.h5", b"good")])
    _ingested, members = run(content, "volumes.tar", Picky(looker.facts))
    assert [each.reason for each in members] == ["", "This is no HDF5 file.", ""]


def test_two_passes_at_once_share_nothing(looker: Looker) -> None:
    """Each waits in the middle until the other has come as far: with a lock in common neither ever would."""
    meet = threading.Barrier(2, timeout=60)
    results: list[Ingested] = []

    class Meeting(Looker):
        def describe(self, source: Path | BinaryIO) -> Facts:
            meet.wait()
            return self.facts

    def work() -> None:
        results.append(run(content, "volumes.tar", Meeting(looker.facts))[0])

    content = tar_of([(f"{number}.h5", NOISE[:1000]) for number in range(3)])
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1
    assert results[0].volumes == 3


@NAMES
def test_a_pass_finds_what_tarfile_finds(name: str, looker: Looker) -> None:
    tar = tar_of([(f"{'long/' * 20}{number}é.h5", NOISE[: number * 511]) for number in range(9)])
    _ingested, members = run(PACKERS[name](tar), name, looker)
    assert [(each.path, each.offset, each.size) for each in members] == found_by_tarfile(tar)


@NAMES
def test_an_archive_that_is_cut_off_is_never_taken_for_whole(name: str, looker: Looker) -> None:
    packed = PACKERS[name](tar_of([("1.h5", NOISE[:5000]), ("2.h5", NOISE[5000:10_000])]))
    # tarfile fills up with zeros beyond the end of the archive.
    length = len(packed.rstrip(b"\0")) if name == "volumes.tar" else len(packed)
    for size in {0, 1, 511, 512, 6144, length // 2, length - 9, length - 1}:
        with pytest.raises(BrokenArchiveError, match=name):
            run(packed[:size], name, looker)
