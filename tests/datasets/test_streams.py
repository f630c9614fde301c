"""An object read forwards once: the same bytes however often the connection breaks, and never of two objects."""

import random
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from datasets.exceptions import BucketDown, ObjectChanged, ObjectMissing, ObjectRefused
from datasets.storage import Bucket, bucket, streams
from datasets.storage.streams import StreamFile
from tests.flows.faults import Fault, FaultyBucket, Plan, page, slow_down

CONTENT = random.Random(6).randbytes(3_000_077)  # noqa: S311 - the same each time
KEY = "streams/volumes.tar"


@pytest.fixture
def stored() -> str:
    bucket().put(KEY, CONTENT)
    return KEY


@pytest.fixture
def direct(stored: str) -> Bucket:
    """The bucket with nothing before it."""
    return bucket()


@pytest.fixture
def faulty(settings: Settings, direct: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    """The bucket behind something that breaks, and nobody waits long."""
    monkeypatch.setattr(streams, "PAUSES", (0.0, 0.01, 0.01, 0.01))
    port = urlsplit(django_settings.BUCKET_ENDPOINT_URL).port
    assert port
    proxy = FaultyBucket(port)
    settings.BUCKET_ENDPOINT_URL = proxy.url
    yield proxy.plan
    proxy.stop()


def read_all(file: StreamFile, size: int = 100_000) -> bytes:
    pieces = []
    while piece := file.read(size):
        assert len(piece) <= size
        pieces.append(piece)
    return b"".join(pieces)


def starts(plan: Plan) -> list[int]:
    return [int(seen.range.removeprefix("bytes=").split("-")[0]) for seen in plan.seen if seen.range]


def test_two_requests_bring_it_all(stored: str) -> None:
    with bucket().stream(stored) as file:
        assert (file.size, file.etag) == bucket().head(stored)[:2]
        assert read_all(file) == CONTENT
        assert file.read(1) == b""
    assert (file.requests, file.bytes_fetched, file.tell()) == (2, len(CONTENT), len(CONTENT))


def test_it_is_an_ordinary_file_that_cannot_go_back(stored: str) -> None:
    buffer = bytearray(10)
    with bucket().stream(stored) as file:
        assert file.readinto(buffer) == 10
        assert bytes(buffer) == CONTENT[:10]
        assert not file.seekable()
        with pytest.raises(OSError, match="seek"):
            file.seek(0)


def test_an_empty_object_is_an_empty_file() -> None:
    bucket().put("streams/empty", b"")
    with bucket().stream("streams/empty") as file:
        assert (file.size, file.read(10)) == (0, b"")


def test_a_connection_that_breaks_is_taken_up_where_it_broke(faulty: Plan) -> None:
    faulty.faults.extend([Fault(cut_after=500_000), Fault(cut_after=200_000), slow_down(), Fault(cut_after=0)])
    with bucket().stream(KEY) as file:
        assert read_all(file) == CONTENT
    assert starts(faulty)[0] == 0
    assert starts(faulty) == sorted(starts(faulty))
    assert file.bytes_fetched == len(CONTENT)


def test_breaking_again_and_again_with_some_bytes_each_time_ends_well(faulty: Plan) -> None:
    faulty.always = Fault(cut_after=100_000)
    with bucket().stream(KEY) as file:
        assert read_all(file) == CONTENT


def test_one_that_only_breaks_is_a_bucket_that_is_down(faulty: Plan) -> None:
    faulty.faults.append(Fault(cut_after=500_000))
    faulty.always = Fault(cut_after=0)
    with bucket().stream(KEY) as file, pytest.raises(BucketDown, match="again and again"):
        read_all(file)


@pytest.mark.parametrize("fault", [page(), Fault(status=403, body=b"", kind="application/xml")])
def test_another_answer_in_between_is_not_the_object(faulty: Plan, fault: Fault) -> None:
    faulty.always = fault
    with pytest.raises(BucketDown):
        bucket().stream(KEY)


def test_a_bucket_that_refuses_in_the_middle_is_not_asked_again(faulty: Plan) -> None:
    refusal = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>No longer.</Message></Error>"
    faulty.faults.append(Fault(cut_after=500_000))
    faulty.always = Fault(status=403, body=refusal, kind="application/xml")
    with bucket().stream(KEY) as file, pytest.raises(ObjectRefused, match="does not let this site read"):
        read_all(file)
    assert len(faulty.seen) == 2


def test_another_object_under_the_same_key_is_noticed_when_the_connection_breaks(faulty: Plan, direct: Bucket) -> None:
    faulty.faults.append(Fault(cut_after=500_000))
    with bucket().stream(KEY) as file:
        file.read(100)
        direct.put(KEY, CONTENT[::-1])
        with pytest.raises(ObjectChanged):
            read_all(file)


def test_one_that_is_gone_when_the_connection_breaks_is_missing(faulty: Plan, direct: Bucket) -> None:
    faulty.faults.append(Fault(cut_after=500_000))
    with bucket().stream(KEY) as file:
        file.read(100)
        direct.delete(KEY)
        with pytest.raises(ObjectMissing):
            read_all(file)


def test_an_object_that_is_not_the_one_asked_for_is_not_opened(stored: str) -> None:
    with pytest.raises(ObjectChanged):
        bucket().stream(stored, etag="another")
    with pytest.raises(ObjectMissing, match="no object streams/nowhere"):
        bucket().stream("streams/nowhere")
