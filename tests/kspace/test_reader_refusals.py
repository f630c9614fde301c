"""Bad files: each is refused by one error with a sentence for a person, and nothing of h5py's comes out as itself."""

import io
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from datasets.kspace.errors import (
    BadValuesError,
    FileChangedError,
    HeaderError,
    KSpaceError,
    NotAVolumeError,
    TooLargeError,
    UnsafeFileError,
    UnsupportedLayoutError,
)
from datasets.kspace.reader import open_volume
from tests.kspace import volumes

SENTENCE = re.compile(r"^[\w(].{10,400}[.]$")


def read_all(file: Any) -> None:
    with open_volume(file) as volume:
        for number in range(volume.facts.slices):
            volume.stored(number)
            volume.read_slice(number)
            volume.read_coil(number, 0, np.empty((volume.facts.readout or 0, volume.facts.phase or 0), np.complex64))


def refusal(file: Any, error: type[KSpaceError]) -> str:
    """The sentence with which the file is refused, by exactly this error."""
    with pytest.raises(KSpaceError) as caught:
        read_all(file)
    assert type(caught.value) is error, repr(caught.value)
    assert SENTENCE.match(str(caught.value)), str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"slice,coil\n1,2\n", "it is text"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "bucket's refusal"),
        (b"\xfd7zXZ\0\0\4", "extract it first"),
        (b"\x1f\x8b\x08\0", "extract it first"),
        (b"a" * 257 + b"ustar\x0000", ".tar archive"),
        (b"\x93NUMPY\1\0", "NumPy"),
        (b"\x89HDF", "damaged at its start"),
        (b"\0" * 4096, "other binary data"),
        (bytes(range(256)) * 9, "other binary data"),
        ("ü".encode() * 700, "it is text"),
        (b"\x89HDF\r\n\x1a\n", "truncated"),
        (b"\x89HDF\r\n\x1a\n" + b"\xff" * 5000, "damaged"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_hdf5_file_is_called_by_its_name(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "volume.h5").write_bytes(content)
    assert says in refusal(tmp_path / "volume.h5", NotAVolumeError)
    assert says in refusal(io.BytesIO(content), NotAVolumeError)


@pytest.mark.parametrize("storage", [{}, {"compression": "gzip"}])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.999])
def test_truncated_file_says_that_its_end_is_missing(tmp_path: Path, share: float, storage: dict[str, Any]) -> None:
    content = volumes.multicoil(tmp_path / "whole.h5", **storage).read_bytes()
    content = content[: int(len(content) * share)]
    (tmp_path / "volume.h5").write_bytes(content)
    assert "truncated" in refusal(tmp_path / "volume.h5", NotAVolumeError)
    assert "truncated" in refusal(io.BytesIO(content), NotAVolumeError)


def test_folder_and_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refusal(tmp_path / "pipe", NotAVolumeError)
    refusal(tmp_path, NotAVolumeError)
    with pytest.raises(FileNotFoundError):
        open_volume(tmp_path / "nothing")


def with_kspace(path: Path, **data_set: Any) -> Path:
    """A file whose kspace was made by create_dataset with these arguments, without header and picture."""
    with h5py.File(path, "w") as file:
        file.create_dataset("kspace", **data_set)
    return path


@pytest.mark.parametrize(
    ("data_set", "error", "says"),
    [
        ({"data": np.zeros((2, 2, 8, 8), np.float32)}, UnsupportedLayoutError, "holds float32 numbers"),
        ({"data": np.zeros((2, 2, 8, 8), np.int16)}, UnsupportedLayoutError, "holds int16 numbers"),
        ({"data": np.zeros((2, 2, 8, 8), [("r", "f4"), ("q", "f4")])}, UnsupportedLayoutError, "holds records"),
        ({"data": "text"}, UnsupportedLayoutError, "references or texts"),
        ({"data": h5py.Empty("c8")}, UnsupportedLayoutError, "no array"),
        ({"data": np.zeros((), np.complex64)}, UnsupportedLayoutError, "0 axes"),
        ({"data": np.zeros((8, 8), np.complex64)}, UnsupportedLayoutError, "2 axes, 8 × 8"),
        ({"data": np.zeros((1,) * 6, np.complex64)}, UnsupportedLayoutError, "6 axes"),
        ({"data": np.zeros((0, 2, 8, 8), np.complex64)}, UnsupportedLayoutError, "no slices"),
        ({"data": np.zeros((2, 0, 8, 8), np.complex64)}, UnsupportedLayoutError, "no coils"),
        ({"data": np.zeros((2, 0, 8), np.complex64)}, UnsupportedLayoutError, "no readout samples"),
        ({"data": np.zeros((0, 1, 1, 8, 8), np.complex64)}, UnsupportedLayoutError, "no averages"),
        ({"data": np.zeros((2, 0, 8, 1, 1))}, UnsupportedLayoutError, "nothing to show"),
        ({"data": np.zeros((5000, 1, 1, 2), np.complex64)}, TooLargeError, "5,000 slices"),
        ({"shape": (10**6, 10, 320, 320), "dtype": "c8"}, TooLargeError, "declares the shape 1,000,000 × 10"),
        ({"shape": (10**6, 10, 320, 320), "dtype": "c8", "chunks": True}, TooLargeError, "8.2 TB"),
        ({"shape": (2**30,) * 4, "dtype": "c8", "chunks": (1, 1, 8, 8)}, TooLargeError, "PB"),
        ({"shape": (1, 64, 4096, 4096), "dtype": "c8", "chunks": (1, 64, 1024, 1024)}, TooLargeError, "chunks of 536"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_kspace_that_is_none(tmp_path: Path, data_set: dict[str, Any], error: type[KSpaceError], says: str) -> None:
    assert says in refusal(with_kspace(tmp_path / "v.h5", **data_set), error)


def test_filter_that_is_not_there_is_named_and_not_looked_for(tmp_path: Path) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((1, 1, 8, 8))
    plan.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1,))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        space = h5py.h5s.create_simple((2, 2, 8, 8))
        h5py.h5d.create(file.id, b"kspace", h5py.h5t.py_create(np.dtype("c8")), space, plan)
        file["kspace"][...] = 1
    assert "number 32001" in refusal(tmp_path / "v.h5", UnsupportedLayoutError)


def test_references_are_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("kspace", (2, 2, 8, 8), h5py.ref_dtype)[:] = file.ref
    assert "references or texts" in refusal(tmp_path / "v.h5", UnsupportedLayoutError)


def test_slice_that_would_fill_the_memory(tmp_path: Path) -> None:
    # Well compressed zeros: 0.6 GB in a file of 0.6 MB.
    storage = {"shape": (1, 75, 1024, 1024), "dtype": "c8", "chunks": (1, 1, 1024, 1024), "compression": "gzip"}
    path = with_kspace(tmp_path / "v.h5", **storage)
    zeros = zlib.compress(bytes(8 << 20))
    with h5py.File(path, "r+") as file:
        for coil in range(75):
            file["kspace"].id.write_direct_chunk((0, coil, 0, 0), zeros)
    assert "One slice of kspace has 629.1 MB" in refusal(path, TooLargeError)


def soft(file: h5py.File) -> None:
    file.move("kspace", "elsewhere")
    file["kspace"] = h5py.SoftLink("/elsewhere")


def external(file: h5py.File) -> None:
    del file["kspace"]
    file["kspace"] = h5py.ExternalLink("/etc/hostname", "/kspace")


def external_beside(file: h5py.File) -> None:
    file["notes"] = h5py.ExternalLink("other.h5", "/")


def external_storage(file: h5py.File) -> None:
    del file["kspace"]
    file.create_dataset("kspace", (2, 2, 8, 8), "c8", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def virtual(file: h5py.File) -> None:
    del file["kspace"]
    layout = h5py.VirtualLayout((2, 2, 8, 8), "c8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "kspace", (2, 2, 8, 8))
    file.create_virtual_dataset("kspace", layout)


def virtual_picture(file: h5py.File) -> None:
    del file["reconstruction_rss"]
    layout = h5py.VirtualLayout((3, 32, 32), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "picture", (3, 32, 32))
    file.create_virtual_dataset("reconstruction_rss", layout)


def entities(file: h5py.File) -> None:
    del file["ismrmrd_header"]
    file["ismrmrd_header"] = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><ismrmrdHeader>&b;</ismrmrdHeader>'


@pytest.mark.parametrize(
    "reach", [soft, external, external_beside, external_storage, virtual, virtual_picture, entities]
)
def test_nothing_outside_of_the_file_is_reached(tmp_path: Path, reach: Callable[[h5py.File], None]) -> None:
    path = volumes.multicoil(tmp_path / "v.h5")
    with h5py.File(path, "r+") as file:
        reach(file)
    refusal(path, UnsafeFileError)


def replaced(key: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if key in file:
            del file[key]
        file[key] = value

    return change


def group_instead(key: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[key]
        file.create_group(key)

    return change


def only(key: str) -> Callable[[h5py.File], None]:
    """Nothing but a group that holds itself, and a data set of this name."""

    def change(file: h5py.File) -> None:
        file.clear()
        file[key] = 1
        file["around"] = file["/"]

    return change


def many_keys(file: h5py.File) -> None:
    for number in range(1001):
        file.create_group(f"g{number}")


def cycle_for_dataset(file: h5py.File) -> None:
    file.clear()
    file["dataset"] = file["/"]


def attribute(value: Any) -> Callable[[h5py.File], None]:
    return lambda file: file.attrs.__setitem__("acquisition", value)


def reference_attribute(file: h5py.File) -> None:
    file.attrs["acquisition"] = file["kspace"].ref


def values(value: complex, key: str = "kspace") -> Callable[[h5py.File], None]:
    return lambda file: file[key].__setitem__((1, 2, 3), value)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda file: file.clear(), UnsupportedLayoutError, "it has no keys"),
        (only("image"), UnsupportedLayoutError, "it has the keys around, image"),
        (only("a\nb\u202e" + "c" * 200), UnsupportedLayoutError, "a�b�ccc"),
        (only("dataset"), UnsupportedLayoutError, "dataset is not a group"),
        (cycle_for_dataset, UnsupportedLayoutError, "Dataset has no xml; it has the key dataset"),
        (many_keys, TooLargeError, "1,004 keys"),
        (group_instead("kspace"), UnsupportedLayoutError, "kspace is not a data set"),
        (group_instead("reconstruction_rss"), UnsupportedLayoutError, "reconstruction_rss is not a data set"),
        (group_instead("ismrmrd_header"), HeaderError, "ismrmrd_header is not a data set"),
        (replaced("ismrmrd_header", 3.5), HeaderError, "ismrmrd_header is not a text"),
        (replaced("ismrmrd_header", b"x" * 2_000_000), HeaderError, "2,000,000 bytes"),
        (replaced("ismrmrd_header", ["a", "b"]), HeaderError, "not a text"),
        (replaced("ismrmrd_header", "<html></html>"), HeaderError, "not an ismrmrdHeader"),
        (replaced("reconstruction_rss", np.zeros((2, 4, 4))), UnsupportedLayoutError, "3 slices, but"),
        (replaced("reconstruction_rss", np.zeros((3, 4))), UnsupportedLayoutError, "of the shape 3 × 4"),
        (replaced("reconstruction_rss", np.zeros((3, 4, 4), "i4")), UnsupportedLayoutError, "is int32"),
        (replaced("reconstruction_rss", np.zeros((3, 0, 4))), UnsupportedLayoutError, "3 × 0 × 4"),
        (replaced("mask", np.ones(47, bool)), UnsupportedLayoutError, "each of the 48"),
        (replaced("mask", np.zeros(48, "c8")), UnsupportedLayoutError, "mask is records"),
        (attribute(7), UnsupportedLayoutError, "acquisition is not a text"),
        (attribute(["a", "b"]), UnsupportedLayoutError, "acquisition is not a text"),
        (attribute(np.bytes_(b"\xff\xfe")), UnsupportedLayoutError, "not a text in UTF-8"),
        (attribute("x" * 101), UnsupportedLayoutError, "at most 100 letters"),
        (attribute("a\x1b[31m"), UnsupportedLayoutError, "at most 100 letters"),
        (attribute(h5py.Empty("S9")), UnsupportedLayoutError, "acquisition is not a text"),
        (reference_attribute, UnsupportedLayoutError, "acquisition is not a text"),
        (values(complex("nan")), BadValuesError, "Slice 1 (counted from 0) of kspace"),
        (values(complex("inf")), BadValuesError, "Slice 1 (counted from 0) of kspace"),
        (values(complex(0, float("-inf"))), BadValuesError, "Slice 1 (counted from 0) of kspace"),
        (values(float("nan"), "reconstruction_rss"), BadValuesError, "Slice 1 (counted from 0) of reconstruction_rss"),
    ],
)  # fmt: skip
def test_file_of_a_wrong_build_says_what_was_found(
    tmp_path: Path, change: Callable[[h5py.File], None], error: type[KSpaceError], says: str
) -> None:
    path = volumes.multicoil(tmp_path / "v.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    assert says in refusal(path, error)


def test_values_whose_squares_overflow_are_still_numbers(tmp_path: Path) -> None:
    huge = np.full((1, 1, 8, 8), 3e38 - 3e38j, np.complex64)
    with open_volume(with_kspace(tmp_path / "v.h5", data=huge)) as volume:
        assert np.array_equal(volume.read_slice(0), huge[0])


def test_stored_float64_beyond_float32_is_refused(tmp_path: Path) -> None:
    path = volumes.multicoil(tmp_path / "v.h5")
    with h5py.File(path, "r+") as file:
        replaced("reconstruction_rss", np.full((3, 4, 4), 1e300))(file)
    refusal(path, BadValuesError)


def test_damaged_chunk_says_which_part_is_damaged(tmp_path: Path) -> None:
    path = volumes.multicoil(tmp_path / "v.h5", compression="gzip")
    with h5py.File(path) as file:
        place = file["kspace"].id.get_chunk_info(0).byte_offset
    with path.open("r+b") as raw:
        raw.seek(place)
        raw.write(b"\xff" * 100)
    assert refusal(path, NotAVolumeError) == "The file is damaged: kspace cannot be read."


def test_file_that_is_written_to_while_it_is_read(tmp_path: Path) -> None:
    path = volumes.multicoil(tmp_path / "v.h5")
    with open_volume(path) as volume:
        volume.read_slice(0)
        os.utime(path, ns=(1, 1))
        for read in (volume.read_slice, volume.stored):
            with pytest.raises(FileChangedError):
                read(1)


def test_file_that_is_cut_while_it_is_read(tmp_path: Path) -> None:
    path = volumes.multicoil(tmp_path / "v.h5")
    with open_volume(path) as volume:
        os.truncate(path, 9000)
        with pytest.raises(FileChangedError):
            volume.read_slice(2)


class BucketDown(Exception):
    """What a file object of ours may raise, of which nothing is known here."""


class Failing(io.BytesIO):
    """A file object that works for some reads and then raises."""

    def __init__(self, content: bytes, error: BaseException, after: int) -> None:
        super().__init__(content)
        self.error, self.left = error, after

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().read(size)


@pytest.mark.parametrize("storage", [{}, {"compression": "gzip"}])
@pytest.mark.parametrize(
    "error", [BucketDown("down"), FileChangedError("changed"), OSError(5, "device"), KeyError("k"), KeyboardInterrupt()]
)
def test_error_of_the_file_object_comes_out_as_itself(
    tmp_path: Path, error: BaseException, storage: dict[str, Any]
) -> None:
    content = volumes.multicoil(tmp_path / "v.h5", **storage).read_bytes()
    whole = Failing(content, error, after=10_000)
    read_all(whole)
    for after in range(10_000 - whole.left):
        with pytest.raises(type(error)) as caught:
            read_all(Failing(content, error, after))
        assert caught.value is error


def test_file_object_that_fails_once_can_be_read_again(tmp_path: Path) -> None:
    file = Failing(volumes.multicoil(tmp_path / "v.h5", compression="gzip").read_bytes(), BucketDown(), after=10_000)
    with open_volume(file) as volume:
        file.left = 0
        with pytest.raises(BucketDown):
            volume.read_slice(0)
        file.left = 10_000
        assert np.array_equal(volume.read_slice(0), volumes.kspace()[0])


def test_mistakes_of_ours_are_not_taken_for_a_bad_file(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        read = None  # type: ignore[assignment]

    with pytest.raises(TypeError, match="NoneType"):
        open_volume(Broken(volumes.multicoil(tmp_path / "v.h5").read_bytes()))
