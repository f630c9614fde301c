"""An object of the bucket as a file: the same bytes, few requests, never two objects mixed, and broken connections."""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from datasets.exceptions import BucketDown, ObjectChanged, ObjectMissing
from datasets.kspace.report import Wish
from datasets.kspace.sandbox import Sandbox
from datasets.storage import bucket
from datasets.storage.ranges import BLOCK, HEAD, TAIL, Answer, RangeFile
from tests.flows.faults import Fault, Plan, before_the_bucket, page
from tests.kspace import volumes

MEGABYTE = 1 << 20
CONTENT = random.Random(4).randbytes(6 * MEGABYTE + 77)  # noqa: S311 - the same each time
KEY = "ranges/volume.h5"
COIL = 300_000
PRECONDITION = b"<?xml version='1.0'?><Error><Code>PreconditionFailed</Code><Message>Changed.</Message></Error>"


@pytest.fixture
def stored() -> str:
    bucket().put(KEY, CONTENT)
    return KEY


@pytest.fixture
def faulty(stored: str) -> Iterator[Plan]:
    with before_the_bucket() as plan:
        yield plan


@dataclass
class Store:
    """An object in memory that answers to ranges, or not, and remembers what it was asked."""

    content: bytes = CONTENT
    etag: str = "one"
    knows_ranges: bool = True
    asked: list[tuple[int, int, str, str]] = field(default_factory=list)
    closed: int = 0

    def fetch(self, start: int, stop: int, *, etag: str, version_id: str) -> Answer:
        self.asked.append((start, stop, etag, version_id))
        if not self.knows_ranges:
            start, stop = 0, len(self.content)
        rest = bytearray(self.content[start:stop])

        def read(count: int) -> bytes:
            piece = bytes(rest[:count])
            del rest[:count]
            return piece

        return Answer(read, self.close, start, start + len(rest), len(self.content), self.etag, "a-version")

    def close(self) -> None:
        self.closed += 1


class TestReading:
    def test_it_gives_the_bytes_of_the_object_wherever_it_is_read(self, stored: str) -> None:
        chance = random.Random(1)  # noqa: S311 - the same each time
        with bucket().open(stored) as file:
            assert file.seek(0, os.SEEK_END) == len(CONTENT)
            for _ in range(60):
                offset = chance.randrange(len(CONTENT) + 10)
                length = chance.choice([1, 100, BLOCK - 1, BLOCK, 3 * BLOCK, MEGABYTE])
                if chance.random() < 0.3:
                    file.expect(offset, 2 * length)
                file.seek(offset)
                assert file.read(length) == CONTENT[offset : offset + length]
                assert file.tell() == min(offset + length, max(offset, len(CONTENT)))

    def test_it_can_be_read_to_its_end_in_small_pieces_with_few_requests(self, stored: str) -> None:
        pieces = []
        with bucket().open(stored) as file:
            while piece := file.read(10_000):
                pieces.append(piece)
        assert b"".join(pieces) == CONTENT
        assert file.bytes_fetched <= len(CONTENT) + TAIL
        assert file.requests <= 9

    def test_an_empty_object_is_an_empty_file(self) -> None:
        bucket().put("ranges/empty", b"")
        with bucket().open("ranges/empty") as file:
            assert (file.size, file.read()) == (0, b"")

    def test_a_key_that_is_not_there_is_missing(self) -> None:
        with pytest.raises(ObjectMissing, match="no object ranges/nowhere"):
            bucket().open("ranges/nowhere")

    def test_a_server_that_knows_no_ranges_is_read_at_its_beginning_and_nowhere_else(self) -> None:
        store = Store(knows_ranges=False)
        with RangeFile(store.fetch) as file:
            assert file.read(1000) == CONTENT[:1000]
            assert file.bytes_fetched == HEAD
            file.seek(MEGABYTE)
            with pytest.raises(BucketDown, match="other bytes"):
                file.read(1)
        assert store.closed == 2


class TestRequests:
    def test_what_is_expected_comes_in_one_request_whatever_the_order(self, stored: str) -> None:
        with bucket().open(stored) as file:
            file.expect(MEGABYTE, 15 * COIL)
            for coil in (1, 0, 3, 2, *range(4, 15)):
                file.seek(MEGABYTE + coil * COIL)
                assert file.read(COIL) == CONTENT[file.tell() - COIL : file.tell()]
        assert (file.requests, file.bytes_fetched) == (2, HEAD + 15 * COIL)

    def test_of_what_is_expected_nothing_is_fetched_twice(self, stored: str) -> None:
        with bucket().open(stored) as file:
            file.expect(2048, MEGABYTE)
            file.seek(2048)
            assert file.read(MEGABYTE) == CONTENT[2048 : 2048 + MEGABYTE]
        assert (file.requests, file.bytes_fetched) == (2, 2048 + MEGABYTE)

    def test_reading_on_without_a_word_fetches_ahead_more_and_more(self, stored: str) -> None:
        with bucket().open(stored) as file:
            file.seek(MEGABYTE)
            for _ in range(15):
                file.read(COIL)
        assert file.requests <= 8
        assert file.bytes_fetched <= HEAD + 1.5 * 15 * COIL

    def test_the_end_of_the_file_comes_at_once(self, stored: str) -> None:
        with bucket().open(stored) as file:
            for offset in (TAIL, 70_000, 900):
                file.seek(-offset, os.SEEK_END)
                assert file.read(900) == CONTENT[-offset:][:900]
        assert file.requests == 2

    def test_every_request_names_the_object_of_the_first_answer(self) -> None:
        store = Store()
        with RangeFile(store.fetch) as file:
            file.seek(MEGABYTE)
            file.read(MEGABYTE)
        assert [asked[2:] for asked in store.asked] == [("", ""), ("one", "a-version")]


class TestChanges:
    def test_another_object_under_the_same_key_is_noticed(self, stored: str) -> None:
        with bucket().open(stored) as file:
            bucket().put(stored, CONTENT[::-1])
            file.seek(MEGABYTE)
            with pytest.raises(ObjectChanged):
                file.read(10)

    def test_another_size_is_noticed(self) -> None:
        store = Store()
        with RangeFile(store.fetch) as file:
            store.content += b"more"
            file.seek(MEGABYTE)
            with pytest.raises(ObjectChanged):
                file.read(10)

    def test_an_object_that_is_not_the_one_asked_for_is_not_opened(self, stored: str) -> None:
        facts = bucket().head(stored)
        with bucket().open(stored, etag=facts.etag) as file:
            assert file.etag == facts.etag
        with pytest.raises(ObjectChanged):
            bucket().open(stored, etag="another")

    def test_the_buckets_own_word_for_it_is_understood(self, faulty: Plan) -> None:
        faulty.always = Fault(status=412, body=PRECONDITION, kind="application/xml")
        with pytest.raises(ObjectChanged):
            bucket().open(KEY, etag="another")


class TestBrokenConnections:
    def test_one_that_breaks_is_taken_up_where_it_broke(self, faulty: Plan) -> None:
        with bucket().open(KEY) as file:
            faulty.faults.extend([Fault(cut_after=500_000), Fault(cut_after=200_000)])
            file.expect(MEGABYTE, MEGABYTE)
            file.seek(MEGABYTE)
            assert file.read(MEGABYTE) == CONTENT[MEGABYTE : 2 * MEGABYTE]
        starts = [int(seen.range.removeprefix("bytes=").split("-")[0]) for seen in faulty.seen if seen.range]
        assert starts[:2] == [0, MEGABYTE]
        assert starts == sorted(set(starts))
        assert len(starts) == 4
        assert file.bytes_fetched == HEAD + MEGABYTE

    def test_one_that_always_breaks_is_a_bucket_that_is_down(self, faulty: Plan) -> None:
        faulty.always = Fault(cut_after=0)
        with pytest.raises(BucketDown, match="again and again"):
            bucket().open(KEY)

    def test_a_page_in_between_is_not_the_object(self, faulty: Plan) -> None:
        faulty.always = page()
        with pytest.raises(BucketDown):
            bucket().open(KEY)

    def test_a_server_that_is_away_is_down(self, settings: Settings) -> None:
        settings.BUCKET_ENDPOINT_URL = "http://127.0.0.1:9"
        with pytest.raises(BucketDown):
            bucket().open(KEY)


class TestPreviews:
    @pytest.mark.parametrize(
        "storage", [{}, {"chunks": (1, 1, 320, 184), "compression": "gzip", "compression_opts": 1}]
    )
    def test_one_slice_of_a_volume_takes_few_requests_and_little_more_than_its_bytes(
        self, tmp_path: Path, storage: dict[str, Any]
    ) -> None:
        values = volumes.kspace(slices=4, coils=15, readout=320, phase=184)
        path = volumes.multicoil(tmp_path / "volume.h5", values, size=(160, 160), **storage)
        bucket().upload(path, KEY)
        with Sandbox() as sandbox, bucket().open(KEY) as file:
            far = sandbox.render(file, Wish())
            near = sandbox.render(path, Wish())
        assert far.contents == near.contents
        assert file.requests <= (6 if not storage else 12)
        assert file.bytes_fetched <= 1.05 * values[0].nbytes + MEGABYTE
