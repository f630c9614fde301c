"""Tar archives that are damaged or made to harm: each ends in a sentence, and nothing is written by its name."""

import io
import random
import tarfile
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.kspace.errors import (
    BrokenArchiveError,
    KSpaceError,
    TooLargeError,
    UnsafeFileError,
    UnsupportedLayoutError,
)
from datasets.kspace.tar import Bounds, Entry, entries
from datasets.kspace.unpacking import unpacking
from tests.kspace.tars import END, PACKERS, found_by_tarfile, header, member, padded, pax, tar_of

FORMATS = pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
PACKED = "of what is packed in it"


def found(content: bytes, bounds: Bounds | None = None) -> list[Entry]:
    return list(entries(unpacking(io.BytesIO(content), "a.tar"), bounds))


def refusal(content: bytes, kind: type[KSpaceError], bounds: Bounds | None = None) -> str:
    with pytest.raises(kind) as caught:
        found(content, bounds)
    sentence = str(caught.value)
    assert type(caught.value) is kind
    assert sentence.startswith("a.tar ")
    assert sentence.endswith(".")
    assert len(sentence) < 300
    return sentence


def signed(block: bytes) -> bytes:
    """A header whose checksum is right again."""
    total = sum(block[:148]) + sum(block[156:]) + 8 * 32
    return block[:148] + f"{total:06o}\0 ".encode() + block[156:]


class TestHonest:
    @FORMATS
    @settings(max_examples=60, deadline=None)
    @given(
        sizes=st.lists(st.integers(0, 3000), max_size=6),
        name=st.text(st.characters(exclude_categories=["C"], exclude_characters="/"), min_size=1, max_size=60),
    )
    def test_members_are_those_that_tarfile_finds(self, form: int, sizes: list[int], name: str) -> None:
        if name in (".", ".."):
            return
        if form == tarfile.USTAR_FORMAT:
            name = name.encode("ascii", "replace").decode().replace("?", "q")
        tar = tar_of([(f"train/{number}-{name}", bytes(size)) for number, size in enumerate(sizes)], form=form)
        assert [tuple(entry) for entry in found(tar)] == found_by_tarfile(tar)

    @FORMATS
    def test_long_names_are_whole(self, form: int) -> None:
        path = "/".join(["folder" * 5] * 7) + "/file.h5"
        [entry] = found(tar_of([(path, b"x")], form=form))
        assert entry.path == path

    def test_times_of_gnu_are_no_part_of_the_name(self) -> None:
        block = bytearray(header("file.h5", size=0))
        assert block[257:263] == b"ustar "
        block[345:357] = b"14512345670\0"
        assert [entry.path for entry in found(signed(bytes(block)) + END)] == ["file.h5"]

    def test_the_oldest_kind_has_no_magic(self) -> None:
        block = signed(header("file.h5", size=3)[:257].ljust(512, b"\0"))
        folder = signed(header("folder/", kind=tarfile.AREGTYPE)[:257].ljust(512, b"\0"))
        assert found(folder + block + padded(b"abc") + END) == [Entry("file.h5", 1024, 3)]

    def test_dots_and_doubled_slashes_are_left_out(self) -> None:
        assert [entry.path for entry in found(member(".//train/./file.h5", b"") + END)] == ["train/file.h5"]

    def test_names_in_another_encoding_are_told_byte_by_byte(self) -> None:
        tar = tar_of([("naïve.h5", b"x")], form=tarfile.GNU_FORMAT, encoding="latin-1")
        assert [entry.path for entry in found(tar)] == [r"na\xefve.h5"]

    def test_a_size_may_stand_in_the_extended_header(self) -> None:
        tar = pax(size="600") + header("file.h5", size=0) + padded(b"x" * 600) + member("README", b"") + END
        assert found(tar) == [Entry("file.h5", 1536, 600), Entry("README", 3072, 0)]

    def test_a_size_may_be_in_base_256(self) -> None:
        block = bytearray(header("file.h5", size=0))
        block[124:136] = b"\x80" + (5).to_bytes(11, "big")
        assert found(signed(bytes(block)) + padded(b"12345") + END) == [Entry("file.h5", 512, 5)]

    def test_what_was_put_around_all_is_taken(self) -> None:
        comment = member("pax", b"20 comment=a commit\n", kind=tarfile.XGLTYPE)
        assert len(found(comment + member("file.h5", b"") + END)) == 1

    def test_an_archive_of_nothing_is_whole(self) -> None:
        assert found(bytes(10_240)) == []

    def test_members_need_not_be_read(self) -> None:
        source = unpacking(io.BytesIO(tar_of([("1", b"a" * 999), ("2", b"b" * 5)])), "a.tar")
        walk = entries(source)
        assert next(walk).path == "1"
        assert bytes(source.take(3)) == b"aaa"
        assert next(walk).path == "2"
        assert bytes(source.take(5)) == b"bbbbb"
        assert list(walk) == []


class TestDamaged:
    def test_what_is_no_tar_is_said_to_be_none(self) -> None:
        assert "is no tar archive" in refusal(b"<html>Access denied</html>" * 50, BrokenArchiveError)
        assert "is no tar archive" in refusal(b"PK\3\4" * 500, BrokenArchiveError)

    def test_nothing_at_all_is_an_archive_cut_off(self) -> None:
        assert "was cut off at byte 0" in refusal(b"", BrokenArchiveError)

    def test_a_damaged_header_is_not_taken_for_the_end(self) -> None:
        """tarfile itself ends here without a word."""
        tar = bytearray(tar_of([("1.h5", b"x"), ("2.h5", b"x"), ("3.h5", b"x")], form=tarfile.GNU_FORMAT))
        tar[1024 + 5] ^= 1
        assert len(found_by_tarfile(bytes(tar))) == 1
        sentence = refusal(bytes(tar), BrokenArchiveError)
        assert sentence == f"a.tar is damaged before byte 1,536 {PACKED}: bad checksum."

    @pytest.mark.parametrize("size", [512, 1000, 1024, 1100, 1536, 2047])
    def test_cut_off_anywhere_it_is_not_whole(self, size: int) -> None:
        tar = member("1.h5", b"x" * 512) + member("2.h5", b"x" * 512)
        assert "byte" in refusal(tar[:size], BrokenArchiveError)

    def test_cut_off_between_members_the_end_is_missed(self) -> None:
        sentence = refusal(member("1.h5", b"x"), BrokenArchiveError)
        assert sentence == f"a.tar was cut off at byte 1,024 {PACKED}: the end of a tar archive is missing."

    def test_a_member_that_claims_more_than_there_is(self) -> None:
        tar = header("1.h5", size=2**33) + b"x" * 600 + END
        assert refusal(tar, BrokenArchiveError) == f"a.tar ends at byte 2,136 {PACKED}."

    def test_what_follows_the_end_is_not_passed_over(self) -> None:
        tar, hidden = member("1.h5", b"x") + END, member("2.h5", b"") + END
        assert "several archives were put together" in refusal(tar + tar, BrokenArchiveError)
        assert "behind the end" in refusal(member("1.h5", b"") + bytes(512) + hidden, BrokenArchiveError)

    def test_the_same_name_twice(self) -> None:
        tar = member("a/1.h5", b"x") + member("./a//1.h5", b"y") + END
        assert refusal(tar, BrokenArchiveError) == "a.tar has a/1.h5 twice."

    @pytest.mark.parametrize("size", [b"-0000000001\0", b"\xff" * 12, b"9\0"])
    def test_sizes_that_are_none(self, size: bytes) -> None:
        block = bytearray(header("1.h5"))
        block[124:136] = size.ljust(12, b"\0")
        tar = member("0.h5", b"") + signed(bytes(block)) + END
        refusal(tar, BrokenArchiveError)

    @pytest.mark.parametrize(
        "content",
        [b"no length\n", b"99 path=short\n", b"12 path=a.h5", b"7 path\n", b"0 path=a\n", b"5 a=\nx", b"-1 a=b\n"],
    )
    def test_extended_headers_that_cannot_be_read(self, content: bytes) -> None:
        tar = member("pax", content, kind=tarfile.XHDTYPE) + member("1.h5", b"") + END
        assert "an extended header cannot be read" in refusal(tar, BrokenArchiveError)

    @pytest.mark.parametrize("size", ["-1", "1e3", "99999999999999999999999", ""])
    def test_sizes_in_extended_headers_that_are_none(self, size: str) -> None:
        assert "a size is no number" in refusal(pax(size=size) + member("1.h5", b"") + END, BrokenArchiveError)

    def test_a_name_and_no_member_to_it(self) -> None:
        assert "half of a header" in refusal(pax(path="1.h5") + END, BrokenArchiveError)
        assert "no name" in refusal(member(".", b"x") + END, BrokenArchiveError)

    def test_a_folder_has_no_bytes(self) -> None:
        assert "a folder has bytes" in refusal(member("a", b"x", kind=tarfile.DIRTYPE) + END, BrokenArchiveError)


class TestUnsafe:
    @pytest.mark.parametrize("name", ["/etc/passwd", "../../root/.profile", "train/../../x.h5", "..", "//x"])
    @pytest.mark.parametrize("way", [lambda name: b"", lambda name: pax(path=name)])
    def test_names_outside_the_folder(self, name: str, way: Callable[[str], bytes]) -> None:
        own = "innocent.h5" if way(name) else name
        assert "outside its folder" in refusal(way(name) + member(own, b"") + END, UnsafeFileError)

    def test_a_long_name_of_gnus_is_looked_at_as_well(self) -> None:
        long = member("././@LongLink", b"../" * 50 + b"x\0", kind=tarfile.GNUTYPE_LONGNAME)
        assert "outside its folder" in refusal(long + member("innocent.h5", b"") + END, UnsafeFileError)

    @pytest.mark.parametrize("name", ["a\nb.h5", "a\x1b[2Jb.h5", "a\x7f.h5"])
    def test_control_characters(self, name: str) -> None:
        sentence = refusal(member(name, b"") + END, UnsafeFileError)
        assert sentence.isprintable()
        assert "control characters" in refusal(pax(path="a\0b") + member("x", b"") + END, UnsafeFileError)

    @pytest.mark.parametrize(
        ("kind", "what"),
        [
            (tarfile.SYMTYPE, "symbolic link"),
            (tarfile.LNKTYPE, "hard link"),
            (tarfile.CHRTYPE, "device"),
            (tarfile.BLKTYPE, "device"),
            (tarfile.FIFOTYPE, "named pipe"),
        ],
    )
    def test_what_is_no_file(self, kind: bytes, what: str) -> None:
        tar = header("1.h5", kind=kind, link="/etc/passwd") + END
        assert refusal(tar, UnsafeFileError) == f"a.tar has a {what}, 1.h5: only files and folders may be there."

    def test_kinds_that_nobody_knows(self) -> None:
        assert "unknown kind" in refusal(header("1.h5", kind=b"Z") + END, UnsupportedLayoutError)

    def test_holes(self) -> None:
        sentence = refusal(header("1.h5", kind=tarfile.GNUTYPE_SPARSE) + END, UnsupportedLayoutError)
        assert sentence == "a.tar has a file with holes left out, 1.h5: make it again without --sparse."
        new = pax(GNU__sparse__major="1", GNU__sparse__name="1.h5") + member("GNUSparseFile.0/1.h5", b"") + END
        assert refusal(new, UnsupportedLayoutError) == sentence

    def test_one_size_for_all(self) -> None:
        tar = member("pax", b"9 size=1\n", kind=tarfile.XGLTYPE) + member("1.h5", b"") + END
        assert "gives all members one size" in refusal(tar, UnsupportedLayoutError)


class TestTooMuch:
    def test_members_without_end(self) -> None:
        tar = b"".join(member(f"{number}", b"") for number in range(9))
        assert "more than 8 members" in refusal(tar + END, TooLargeError, Bounds(headers=8))

    def test_folders_in_folders(self) -> None:
        assert "more than 32 deep" in refusal(member("a/" * 32 + "x", b"") + END, TooLargeError)
        assert len(found(member("a/" * 31 + "x", b"") + END)) == 1

    def test_names_without_end(self) -> None:
        assert "more than 255 characters" in refusal(pax(path="a" * 256) + member("x", b"") + END, TooLargeError)
        assert len(found(pax(path="a" * 255) + member("x", b"") + END)) == 1

    @pytest.mark.parametrize(
        "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
    )
    def test_a_header_of_any_size_is_not_held(self, kind: bytes) -> None:
        tar = header("pax", size=2**31, kind=kind) + bytes(1 << 22)
        tracemalloc.start()
        try:
            assert "a header of 2,147,483,648 bytes" in refusal(tar, TooLargeError)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 3 << 20

    def test_headers_of_headers_without_end(self) -> None:
        assert "more than 8 headers" in refusal(pax(comment="x") * 9 + member("x", b"") + END, BrokenArchiveError)


@settings(max_examples=400, deadline=None)
@given(
    damage=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4),
    right=st.booleans(),
    form=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_mutated_archives_end_in_members_or_in_a_sentence(
    damage: list[tuple[float, int]], right: bool, form: int
) -> None:
    name = "long/" * 25 if form != tarfile.USTAR_FORMAT else ""
    tar = bytearray(tar_of([(f"{name}1.h5", b"x" * 700), (f"{name}2.h5", b"y" * 10)], form=form)[:6144])
    for place, value in damage:
        position = int(place * len(tar))
        tar[position] = value
        if right:
            start = position // 512 * 512
            tar[start : start + 512] = signed(bytes(tar[start : start + 512]))
    try:
        members = found(bytes(tar))
    except KSpaceError as error:
        assert str(error).startswith("a.tar ")  # noqa: PT017 - either is right
    else:
        assert all(0 <= each.offset <= each.offset + each.size <= len(tar) for each in members)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=2000))
def test_anything_at_all_ends_in_a_sentence(content: bytes) -> None:
    for name in PACKERS:
        try:
            list(entries(unpacking(io.BytesIO(content), name)))
        except KSpaceError as error:
            assert name in str(error)  # noqa: PT017 - either is right


def test_random_headers_with_right_checksums_end_in_a_sentence() -> None:
    chance = random.Random(7)  # noqa: S311 - the same each time
    for _number in range(500):
        block = bytearray(header("1.h5", size=chance.randrange(2000)))
        for _ in range(chance.randrange(1, 40)):
            block[chance.randrange(512)] = chance.randrange(256)
        try:
            found(signed(bytes(block)) + padded(chance.randbytes(chance.randrange(2000))) + END)
        except KSpaceError as error:
            assert str(error).isprintable()  # noqa: PT017 - either is right
