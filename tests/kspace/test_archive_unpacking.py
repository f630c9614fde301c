"""Archives read forwards: the same bytes as tar's, in bounded memory, and a sentence for what is broken."""

import io
import lzma
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.kspace import unpacking
from datasets.kspace.errors import BrokenArchiveError, TooLargeError, UnsupportedLayoutError
from datasets.kspace.unpacking import Unpacked, is_plain, kind_of
from tests.kspace.tars import PACKERS

NOISE = random.Random(4).randbytes(300_000)  # noqa: S311 - any bytes will do
# zstd's command adds a checksum; its library does so when it is told.
CHECKED: dict[str, Callable[[bytes], bytes]] = {
    "volumes.tar.zst": lambda content: zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})
}
COMPRESSED = [name for name in PACKERS if not is_plain(name)]
NAMES = pytest.mark.parametrize("name", COMPRESSED)


def unpacked(name: str, content: bytes, offset: int, size: int) -> bytes:
    stream, to = Unpacked(io.BytesIO(content), name), io.BytesIO()
    stream.skip_to(offset)
    stream.copy(size, to)
    return to.getvalue()


def read_all(name: str, content: bytes) -> bytes:
    stream, found = Unpacked(io.BytesIO(content), name), bytearray()
    while block := stream.take(100_000):
        found += block
    return bytes(found)


@NAMES
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_members_in_their_order_are_the_bytes_that_were_packed(name: str, data: st.DataObject) -> None:
    ends = sorted(data.draw(st.lists(st.integers(0, len(NOISE)), min_size=2, max_size=8)))
    stream = Unpacked(io.BytesIO(PACKERS[name](NOISE)), name)
    for start, end in zip(ends[::2], ends[1::2], strict=False):
        to = io.BytesIO()
        stream.skip_to(start)
        stream.copy(end - start, to)
        assert to.getvalue() == NOISE[start:end]
        assert stream.position == end


@NAMES
def test_several_streams_one_after_the_other_and_padding_between_are_one(name: str) -> None:
    pack, padding = PACKERS[name], b"" if name.endswith(".zst") else b"\0" * 8
    content = pack(NOISE[:1000]) + padding + pack(b"") + pack(NOISE[1000:]) + padding
    assert unpacked(name, content, 500, 1000) == NOISE[500:1500]


@NAMES
def test_there_is_no_way_back(name: str) -> None:
    stream = Unpacked(io.BytesIO(PACKERS[name](NOISE)), name)
    stream.skip_to(10)
    with pytest.raises(ValueError, match="byte 9 was passed"):
        stream.skip_to(9)


@NAMES
@pytest.mark.parametrize(
    "broken",
    [
        lambda packed: b"",
        lambda packed: packed[:9],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:5_000] + b"\xff" * 5_000 + packed[10_000:],
        lambda packed: b"<html>Access denied</html>" * 50,
        lambda packed: b"\0" * 5_000,
        lambda packed: packed + b"what follows is no stream",
        lambda packed: packed + b"\0" * 8 + b"what follows is no stream",
    ],
)
def test_what_is_broken_is_named_in_a_sentence(name: str, broken: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BrokenArchiveError, match=rf"{name} (ends at|cannot be unpacked after) byte [\d,]+"):
        unpacked(name, broken(PACKERS[name](NOISE)), 0, len(NOISE) + 1)


@NAMES
def test_who_asks_for_what_lies_behind_a_damage_is_told_at_once(name: str) -> None:
    file = io.BytesIO(PACKERS[name](NOISE)[:100_000])
    stream = Unpacked(file, name)
    with pytest.raises(BrokenArchiveError) as first:
        stream.skip_to(len(NOISE))
    file.close()
    with pytest.raises(BrokenArchiveError) as second:
        stream.copy(1, io.BytesIO())
    assert str(second.value) == str(first.value)


@NAMES
@settings(max_examples=200, deadline=None)
@given(damage=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4))
def test_mutated_archives_end_in_bytes_or_in_a_sentence(name: str, damage: list[tuple[float, int]]) -> None:
    packed = bytearray(PACKERS[name](NOISE[:20_000]))
    for place, value in damage:
        packed[int(place * len(packed))] = value
    try:
        assert len(unpacked(name, bytes(packed), 0, 20_000)) == 20_000
    except BrokenArchiveError as error:
        assert name in str(error)  # noqa: PT017 - either is right


@NAMES
def test_a_few_bytes_that_unpack_to_much_take_a_block_of_memory_at_a_time(name: str) -> None:
    bomb = PACKERS[name](bytes(64 * 2**20))
    assert len(bomb) < 100_000
    stream = Unpacked(io.BytesIO(bomb), name)
    tracemalloc.start()
    try:
        stream.skip_to(64 * 2**20)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # xz remembers 8 MiB by itself, Zstandard 2.
    assert peak < 12 * unpacking.BLOCK_BYTES


def test_xz_that_wants_more_memory_than_anybodys_usual_command_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "XZ_MEMORY", 2**20)
    with pytest.raises(BrokenArchiveError, match=r"[Mm]emory"):
        unpacked("volumes.tar.xz", lzma.compress(NOISE, preset=6), 0, 1)


def test_kinds_are_told_by_the_name() -> None:
    assert all(is_plain(name) for name in ("a.tar", "A.TAR", "scan.h5"))
    assert not any(is_plain(name) for name in ("a.tar.gz", "a.tgz", "a.tar.xz"))
    assert kind_of("a.TGZ") is kind_of("a.tar.gz")
    assert kind_of("a.txz") is kind_of("a.tar.xz")
    assert kind_of("a.tzst") is kind_of("a.tar.zst")
    with pytest.raises(UnsupportedLayoutError, match="unknown kind"):
        kind_of("a.zip")


@NAMES
def test_a_wrong_checksum_is_an_error_and_not_the_end(name: str) -> None:
    packed = bytearray(CHECKED.get(name, PACKERS[name])(NOISE))
    packed[{"gz": -8, "xz": -40, "zst": -2}[name.rpartition(".")[2]]] ^= 1
    with pytest.raises(BrokenArchiveError):
        read_all(name, bytes(packed))


@NAMES
def test_the_end_is_one_only_where_the_stream_ends(name: str) -> None:
    assert read_all(name, PACKERS[name](NOISE)) == NOISE
    for size in (1, 4, 5, 12):
        with pytest.raises(BrokenArchiveError):
            read_all(name, PACKERS[name](NOISE)[:-size])


def test_xz_pads_in_fours() -> None:
    packed = PACKERS["volumes.tar.xz"](NOISE)
    assert read_all("volumes.tar.xz", packed + bytes(4)) == NOISE
    with pytest.raises(BrokenArchiveError, match="3 zeros are no padding"):
        read_all("volumes.tar.xz", packed + bytes(3))


def test_zstandard_with_a_window_that_zstd_would_refuse_is_refused() -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 28, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    packed = compressor.compress(NOISE) + compressor.flush()
    with pytest.raises(BrokenArchiveError, match=r"volumes\.tar\.zst cannot be unpacked after byte 0"):
        read_all("volumes.tar.zst", packed)


def test_frames_that_are_to_be_skipped_are_skipped() -> None:
    skipped = b"\x50\x2a\x4d\x18" + (9).to_bytes(4, "little") + bytes(9)
    packed = PACKERS["volumes.tar.zst"](NOISE)
    assert read_all("volumes.tar.zst", skipped + packed + skipped + packed) == NOISE + NOISE


@NAMES
def test_what_unpacks_to_far_more_than_it_is_is_not_believed_for_long(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "BELIEVED", 2**20)
    stream = Unpacked(io.BytesIO(PACKERS[name](bytes(128 * 2**20))), name)
    for _number in range(2):
        with pytest.raises(TooLargeError, match="more than 250 times its size"):
            stream.skip_to(128 * 2**20)
    assert stream.position < 64 * 2**20


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 100_000), max_size=20))
def test_what_is_not_compressed_is_given_as_it_is(sizes: list[int]) -> None:
    stream = unpacking.unpacking(io.BytesIO(NOISE), "volumes.tar")
    assert b"".join(bytes(stream.take(size)) for size in sizes) == NOISE[: stream.position]
    stream.skip_to(len(NOISE))
    assert stream.take(1) == b""
    with pytest.raises(BrokenArchiveError, match="ends at byte 300,000"):
        stream.must_take(1)


def test_zlib_without_a_gzip_header_is_no_archive() -> None:
    with pytest.raises(BrokenArchiveError):
        unpacked("volumes.tar.gz", zlib.compress(NOISE), 0, 1)
