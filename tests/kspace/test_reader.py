"""Good files: every layout, every way of storing it, from a path and from any file object."""

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import pytest

from datasets.kspace.errors import SliceMissingError, UnsafeFileError, UnsupportedLayoutError
from datasets.kspace.reader import open_volume
from datasets.kspace.report import Layout
from tests.kspace import volumes

STORAGE: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": True},
    "a chunk a coil": {"chunks": (1, 1, 64, 48)},
    "gzip": {"chunks": (2, 2, 16, 48), "compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf"},
}
SOURCES: dict[str, Callable[[Path], Path | BinaryIO]] = {
    "path": lambda path: path,
    "bytes": lambda path: io.BytesIO(path.read_bytes()),
    "open file": lambda path: path.open("rb"),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("storage", STORAGE)
def test_multicoil_file_gives_back_every_number(tmp_path: Path, storage: str, source: str) -> None:
    path = volumes.multicoil(tmp_path / "volume.h5", **STORAGE[storage])
    truth = volumes.kspace()
    out = np.empty(truth.shape[2:], np.complex64)
    file = SOURCES[source](path)
    with open_volume(file) as volume:
        for number, slice_truth in enumerate(truth):
            assert np.array_equal(volume.read_slice(number), slice_truth)
            for coil, coil_truth in enumerate(slice_truth):
                volume.read_coil(number, coil, out)
                assert np.array_equal(out, coil_truth)
            stored = volume.stored(number)
            assert stored is not None
            assert np.array_equal(stored, volumes.root_sum_of_squares(slice_truth, (32, 32)))
    if not isinstance(file, Path):
        assert not file.closed
        file.close()


def test_facts_come_from_shape_header_and_attributes(tmp_path: Path) -> None:
    with open_volume(volumes.multicoil(tmp_path / "volume.h5")) as volume:
        facts, size = volume.facts, volume.size
    assert (facts.layout, facts.shape, facts.dtype) == (Layout.MULTI_COIL, (3, 4, 64, 48), "complex64")
    assert (facts.slices, facts.coils, facts.readout, facts.phase) == (3, 4, 64, 48)
    assert (facts.acquisition, facts.field_strength, facts.slice_mm) == ("AXT2", 2.8936, 5)
    assert (facts.repetition_ms, facts.echo_ms, facts.inversion_ms, facts.flip_degrees) == (2800, 27.5, 100, 140)
    assert (facts.encoded, facts.recon, facts.measured) == ((64, 48, 1), (32, 32, 1), None)
    assert size == (32, 32)


def test_singlecoil_file_is_a_volume_of_one_coil_and_shows_that_coils_reconstruction(tmp_path: Path) -> None:
    truth = volumes.kspace(coils=1)
    with open_volume(volumes.singlecoil(tmp_path / "volume.h5", chunks=True)) as volume:
        assert (volume.facts.layout, volume.facts.coils) == (Layout.SINGLE_COIL, 1)
        assert np.array_equal(volume.read_slice(2), truth[2])
        stored = volume.stored(2)
    assert stored is not None
    assert np.array_equal(stored, np.abs(volumes.images(truth[2, 0], (32, 32))))


def test_test_file_says_which_columns_were_measured_and_holds_no_picture(tmp_path: Path) -> None:
    with open_volume(volumes.test_split(tmp_path / "volume.h5")) as volume:
        measured = volume.facts.measured
        values = volume.read_slice(0)
        assert volume.stored(0) is None
    assert measured == tuple(np.flatnonzero(values[0, 0]).tolist())


def test_prostate_file_shows_the_stored_picture_and_the_first_averages_kspace(tmp_path: Path) -> None:
    with open_volume(volumes.prostate(tmp_path / "volume.h5")) as volume:
        assert (volume.facts.layout, volume.facts.shape) == (Layout.AVERAGES, (3, 3, 4, 64, 48))
        assert (volume.facts.slices, volume.facts.coils, volume.size) == (3, 4, (32, 32))
        values, stored = volume.read_slice(1), volume.stored(1)
    assert np.array_equal(values[..., ::2], volumes.kspace()[1, ..., ::2])
    assert not values[..., 1::2].any()
    assert stored is not None
    assert stored.shape == (32, 32)


def test_breast_file_shows_the_stored_pictures_middle_frame_and_says_why_there_is_no_kspace(tmp_path: Path) -> None:
    with open_volume(volumes.breast(tmp_path / "volume.h5")) as volume:
        assert (volume.facts.layout, volume.facts.slices, volume.facts.coils) == (Layout.RADIAL, 5, 4)
        stored = volume.stored(4)
        with pytest.raises(UnsupportedLayoutError, match="along spokes"):
            volume.read_slice(0)
    assert stored is not None
    assert np.array_equal(stored, 2 * volumes.root_sum_of_squares(volumes.kspace(slices=5)[4], volume.size))


def test_breast_file_without_a_picture_has_facts_all_the_same(tmp_path: Path) -> None:
    with open_volume(volumes.breast(tmp_path / "volume.h5", stored=False)) as volume:
        assert (volume.facts.slices, volume.facts.phase, volume.stored(0)) == (3, None, None)


@pytest.mark.parametrize(
    ("readout", "phase", "recon", "size"),
    [(640, 368, (320, 320), (320, 320)), (640, 213, (320, 320), (213, 213)), (256, 320, (320, 320), (256, 320))],
    ids=["as the header has it", "narrow FLAIR", "no larger than there is"],
)
def test_picture_is_cropped_as_in_fastmri(
    tmp_path: Path, readout: int, phase: int, recon: tuple[int, int], size: tuple[int, int]
) -> None:
    values = np.zeros((1, 1, readout, phase), np.complex64)
    path = volumes.multicoil(tmp_path / "v.h5", values, xml=volumes.header(readout, phase, recon), stored=False)
    with open_volume(path) as volume:
        assert volume.size == size


def test_without_a_header_the_stored_picture_says_the_size(tmp_path: Path) -> None:
    with open_volume(volumes.multicoil(tmp_path / "v.h5", size=(40, 30), xml=None)) as volume:
        assert volume.size == (40, 30)
        assert (volume.facts.recon, volume.facts.field_strength, volume.facts.slice_mm) == (None, None, None)


@pytest.mark.parametrize(
    ("readout", "phase", "size"), [(640, 368, (320, 368)), (230, 180, (230, 180)), (180, 230, (180, 230))]
)
def test_without_either_nothing_of_the_anatomy_is_cut_off(
    tmp_path: Path, readout: int, phase: int, size: tuple[int, int]
) -> None:
    values = np.zeros((1, 1, readout, phase), np.complex64)
    with open_volume(volumes.multicoil(tmp_path / "v.h5", values, xml=None, stored=False)) as volume:
        assert volume.size == size


def test_zero_padded_edges_are_told(tmp_path: Path) -> None:
    xml = volumes.header(64, 48, (32, 32), centre=20, maximum=39)
    with open_volume(volumes.multicoil(tmp_path / "v.h5", xml=xml)) as volume:
        assert volume.facts.acquired == (4, 44)


@pytest.mark.parametrize("acquisition", ["AXT2", b"AXT2", np.bytes_(b"AXT2"), ["AXT2"], " AXT2 "])
def test_acquisition_may_be_stored_as_any_kind_of_text(tmp_path: Path, acquisition: Any) -> None:
    with open_volume(volumes.multicoil(tmp_path / "v.h5", acquisition=acquisition)) as volume:
        assert volume.facts.acquisition == "AXT2"


def test_acquisition_that_is_missing_is_empty(tmp_path: Path) -> None:
    with open_volume(volumes.multicoil(tmp_path / "v.h5", acquisition=None)) as volume:
        assert volume.facts.acquisition == ""


def test_header_may_be_a_str_and_keys_may_end_in_a_blank(tmp_path: Path) -> None:
    path = volumes.multicoil(tmp_path / "v.h5", xml=volumes.header(64, 48, (24, 24)).decode())
    with h5py.File(path, "r+") as file:
        for key in list(file):
            file.move(key, f"{key} ")
    with open_volume(path) as volume:
        assert volume.size == (24, 24)
        assert volume.stored(0) is not None


@pytest.mark.parametrize("dtype", ["<c8", ">c8", "<c16", ">c16", h5py.h5t.COMPLEX_IEEE_F32LE])
def test_complex_numbers_of_other_kinds_are_converted(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        kind = dtype if isinstance(dtype, str) else h5py.Datatype(dtype)
        file.create_dataset("kspace", data=volumes.kspace(), dtype=kind)
    with open_volume(path) as volume:
        assert np.array_equal(volume.read_slice(1), volumes.kspace()[1])


def test_file_after_a_block_of_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "v.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["kspace"] = volumes.kspace()
    with open_volume(path) as volume:
        assert np.array_equal(volume.read_slice(1), volumes.kspace()[1])


@pytest.mark.parametrize("write", [volumes.multicoil, volumes.ismrmrd])
def test_threads_read_different_coils_at_once(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    truth = volumes.kspace()
    places = [(number, coil) for number in range(3) for coil in range(4)] * 20

    def read(place: tuple[int, int]) -> bool:
        out = np.empty(truth.shape[2:], np.complex64)
        volume.read_coil(*place, out)
        return np.array_equal(out, truth[place])

    with open_volume(write(tmp_path / "v.h5")) as volume, ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, places))


class Counting(io.BytesIO):
    """A file object, such as one on the network, that knows the longest piece it was asked for and how many."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.sizes: list[int] = []

    def read(self, size: int | None = -1, /) -> bytes:
        self.sizes.append(size or 0)
        return super().read(size)


def test_one_slice_from_a_file_object_costs_one_large_read_and_little_more(tmp_path: Path) -> None:
    truth = volumes.kspace(slices=9)
    file = Counting(volumes.multicoil(tmp_path / "v.h5", truth).read_bytes())
    out = np.empty(truth.shape[2:], np.complex64)
    with open_volume(file) as volume:
        for coil in range(4):
            volume.read_coil(4, coil, out)
        assert volume.bytes_read == sum(file.sizes)
    one_slice = truth[0].nbytes
    assert [size for size in file.sizes if size > 5000] == [one_slice]
    assert sum(file.sizes) < one_slice + 20_000


def test_bytes_read_of_a_local_file_are_those_of_the_coils(tmp_path: Path) -> None:
    out = np.empty((64, 48), np.complex64)
    with open_volume(volumes.multicoil(tmp_path / "v.h5")) as volume:
        before = volume.bytes_read
        volume.read_coil(0, 0, out)
        assert volume.bytes_read == before + out.nbytes


@pytest.mark.parametrize("number", [-1, 3, 10**12])
def test_slice_that_there_is_not(tmp_path: Path, number: int) -> None:
    with open_volume(volumes.multicoil(tmp_path / "v.h5")) as volume:
        with pytest.raises(SliceMissingError, match="the volume has 3"):
            volume.read_slice(number)
        with pytest.raises(SliceMissingError):
            volume.stored(number)


def test_wrong_array_to_fill_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with open_volume(volumes.multicoil(tmp_path / "v.h5")) as volume:
        with pytest.raises(TypeError):
            volume.read_coil(0, 0, np.empty((48, 64), np.complex64))
        with pytest.raises(IndexError):
            volume.read_coil(0, 4, np.empty((64, 48), np.complex64))


def test_closing_leaves_no_file_open(tmp_path: Path) -> None:
    path = volumes.multicoil(tmp_path / "v.h5")
    before = len(list(Path("/proc/self/fd").iterdir()))
    open_volume(path).close()
    with h5py.File(path, "r+") as file:
        file["link"] = h5py.SoftLink("/kspace")
    with pytest.raises(UnsafeFileError):
        open_volume(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_volume_left_open_does_not_crash_the_interpreter_at_its_end(tmp_path: Path) -> None:
    path = volumes.multicoil(tmp_path / "v.h5")
    code = "import sys, pathlib; from datasets.kspace.reader import open_volume as o; v = o(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_reader_loads_neither_django_nor_plugins() -> None:
    code = """
import os, sys
import datasets.kspace.reader
assert os.environ["HDF5_PLUGIN_PRELOAD"] == "::"
assert not {"django", "celery"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
