"""ISMRMRD files: k-space put together from single lines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from datasets.kspace.errors import BadValuesError, HeaderError, KSpaceError, NotAVolumeError, UnsupportedLayoutError
from datasets.kspace.reader import open_volume
from datasets.kspace.report import Layout
from tests.kspace import volumes

Rows = np.ndarray[Any, Any]


def rewritten(path: Path, change: Callable[[Rows], Rows | None]) -> Path:
    """The file's acquisitions changed, or replaced by others."""
    with h5py.File(path, "r+") as file:
        rows = file["dataset/data"][:]
        changed = change(rows)
        rows = rows if changed is None else changed
        del file["dataset/data"]
        file.create_dataset("dataset/data", data=rows, dtype=rows.dtype)
    return path


@pytest.mark.parametrize("how", [{}, {"noise": False}, {"reverse": True}])
def test_lines_become_kspace(tmp_path: Path, how: dict[str, Any]) -> None:
    truth = volumes.kspace()
    with open_volume(volumes.ismrmrd(tmp_path / "v.h5", **how)) as volume:
        facts = volume.facts
        assert (facts.layout, facts.slices, facts.coils, facts.measured) == (Layout.ISMRMRD, 3, 4, None)
        assert (facts.readout, facts.phase, facts.field_strength, volume.size) == (64, 48, 2.8936, (32, 32))
        for number, slice_truth in enumerate(truth):
            assert np.array_equal(volume.read_slice(number), slice_truth)
        assert volume.stored(0) is None


def test_line_measured_twice_is_averaged(tmp_path: Path) -> None:
    with open_volume(volumes.ismrmrd(tmp_path / "v.h5", twice=True)) as volume:
        assert np.allclose(volume.read_slice(1), 1.25 * volumes.kspace()[1], rtol=1e-6)


@pytest.mark.parametrize("counter", ["contrast", "repetition", "phase", "set"])
def test_first_of_several_images_is_shown(tmp_path: Path, counter: str) -> None:
    def second_image(rows: Rows) -> None:
        rows["head"]["idx"][counter] = rows["head"]["idx"]["average"]

    path = rewritten(volumes.ismrmrd(tmp_path / "v.h5", twice=True), second_image)
    with open_volume(path) as volume:
        assert np.array_equal(volume.read_slice(1), volumes.kspace()[1])


def test_lines_that_are_missing_are_zero_and_told(tmp_path: Path) -> None:
    def every_other(rows: Rows) -> Rows:
        return rows[rows["head"]["idx"]["kspace_encode_step_1"] % 2 == 0]

    with open_volume(rewritten(volumes.ismrmrd(tmp_path / "v.h5"), every_other)) as volume:
        values = volume.read_slice(0)
        assert volume.facts.measured == tuple(range(0, 48, 2))
    assert np.array_equal(values[..., ::2], volumes.kspace()[0, ..., ::2])
    assert not values[..., 1::2].any()


def test_lines_lie_where_the_headers_centre_puts_them(tmp_path: Path) -> None:
    few = volumes.kspace()[..., 4:44]
    path = volumes.ismrmrd(tmp_path / "v.h5", few, xml=volumes.header(64, 48, (32, 32), centre=20, maximum=39))
    with open_volume(path) as volume:
        values = volume.read_slice(2)
        assert (volume.facts.phase, volume.facts.acquired) == (48, (4, 44))
    assert np.array_equal(values[..., 4:44], few[2])
    assert not values[..., :4].any()


def test_partial_echo_and_discarded_samples_lie_where_they_belong(tmp_path: Path) -> None:
    def partial(rows: Rows) -> None:
        rows["head"]["center_sample"] = 12
        rows["head"]["discard_pre"], rows["head"]["discard_post"] = 2, 3

    truth = volumes.kspace()
    path = volumes.ismrmrd(tmp_path / "v.h5", truth[:, :, 20:], xml=volumes.header(64, 48, (32, 32)))
    with open_volume(rewritten(path, partial)) as volume:
        values = volume.read_slice(0)
    assert np.array_equal(values[:, 22:61], truth[0, :, 22:61])
    assert not values[:, :22].any()
    assert not values[:, 61:].any()


def set_head(name: str, value: int, last: bool = False) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        place = rows["head"]["idx"] if name in (volumes.IDX.names or ()) else rows["head"]
        place[name][-1 if last else slice(None)] = value

    return change


def short_line(rows: Rows) -> None:
    rows["data"][5] = rows["data"][5][:-2]


def retyped(name: str, *kind: Any) -> Callable[[Rows], Rows]:
    """The heads with a field of another kind of numbers."""

    def change(rows: Rows) -> Rows:
        old = rows.dtype["head"]
        head = np.dtype([(field, *kind) if field == name else (field, old[field]) for field in old.names or ()])
        changed = np.empty(len(rows), np.dtype([("head", head), ("data", rows.dtype["data"])]))
        for field in old.names or ():
            if field != name:
                changed["head"][field] = rows["head"][field]
            elif head[name].hasobject:
                changed["head"][field] = "text"
        changed["data"] = rows["data"]
        return changed

    return change


def infinite(rows: Rows) -> None:
    rows["data"][5][:2], rows["data"][6][:2] = np.inf, -np.inf


def without_head(rows: Rows) -> Rows:
    changed = np.empty(len(rows), np.dtype([("header", "<u2"), ("data", h5py.vlen_dtype(np.float32))]))
    changed["data"] = rows["data"]
    return changed


def fewer_fields(rows: Rows) -> Rows:
    changed = np.empty(len(rows), np.dtype([("head", [("flags", "<u8")]), ("data", h5py.vlen_dtype(np.float32))]))
    changed["head"]["flags"], changed["data"] = rows["head"]["flags"], rows["data"]
    return changed


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda rows: rows[:0], UnsupportedLayoutError, "no acquisitions"),
        (lambda rows: rows[:1], UnsupportedLayoutError, "no lines of an image"),
        (set_head("kspace_encode_step_2", 3), UnsupportedLayoutError, "three-dimensional"),
        (set_head("kspace_encode_step_1", 60_000), HeaderError, "48 phase columns"),
        (set_head("active_channels", 9, last=True), UnsupportedLayoutError, "differ in active_channels"),
        (set_head("number_of_samples", 9, last=True), UnsupportedLayoutError, "differ in number_of_samples"),
        (set_head("active_channels", 0), UnsupportedLayoutError, "no coils"),
        (set_head("number_of_samples", 60), NotAVolumeError, "other samples"),
        (set_head("discard_pre", 64), HeaderError, "outside the readout"),
        (infinite, BadValuesError, r"^Slice 1 \(counted from 0\) of kspace"),
        (short_line, NotAVolumeError, "other samples"),
        (retyped("flags", "<f8"), UnsupportedLayoutError, "no flags, or none that is a whole number"),
        (retyped("center_sample", "<u2", (2,)), UnsupportedLayoutError, "no center_sample"),
        (retyped("discard_pre", h5py.string_dtype()), UnsupportedLayoutError, "references or texts"),
        (without_head, UnsupportedLayoutError, "not a list of acquisitions"),
        (fewer_fields, UnsupportedLayoutError, "have no idx"),
        (lambda rows: rows["head"], UnsupportedLayoutError, "not a list of acquisitions"),
        (lambda rows: np.zeros((3, 3), np.float32), UnsupportedLayoutError, "not a list of acquisitions"),
    ],
)
def test_acquisitions_that_are_no_volume(
    tmp_path: Path, change: Callable[[Rows], Rows | None], error: type[KSpaceError], says: str
) -> None:
    path = rewritten(volumes.ismrmrd(tmp_path / "v.h5"), change)

    def read() -> None:
        with open_volume(path) as volume:
            for number in range(3):
                volume.read_slice(number)

    with pytest.raises(error, match=says):
        read()


def test_only_the_slices_lines_are_read_and_none_while_opening(tmp_path: Path) -> None:
    truth = np.tile(volumes.kspace(), (1, 1, 16, 1))
    path = volumes.ismrmrd(tmp_path / "v.h5", truth)
    with open_volume(path) as volume:
        assert volume.bytes_read < 200_000 < path.stat().st_size / 20
        before = volume.bytes_read
        assert np.array_equal(volume.read_slice(1), truth[1])
        assert volume.bytes_read - before < 1.4 * truth[1].nbytes


def test_compressed_acquisitions_are_refused(tmp_path: Path) -> None:
    path = volumes.ismrmrd(tmp_path / "v.h5")
    with h5py.File(path, "r+") as file:
        rows = file["dataset/data"][:]
        del file["dataset/data"]
        file.create_dataset("dataset/data", data=rows, dtype=rows.dtype, compression="gzip")
    with pytest.raises(UnsupportedLayoutError, match="compressed"):
        open_volume(path)


@pytest.mark.parametrize("chunk", [7, 1000])
def test_acquisitions_may_be_chunked_in_any_way(tmp_path: Path, chunk: int) -> None:
    path = volumes.ismrmrd(tmp_path / "v.h5")
    with h5py.File(path, "r+") as file:
        rows = file["dataset/data"][:]
        del file["dataset/data"]
        file.create_dataset("dataset/data", data=rows, dtype=rows.dtype, chunks=(chunk,), maxshape=(None,))
    with open_volume(path) as volume:
        assert np.array_equal(volume.read_slice(2), volumes.kspace()[2])


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        (volumes.header(64, 48, (32, 32)).replace(b"cartesian", b"spiral"), "trajectory is spiral"),
        (volumes.header(64, 32, (32, 32)), "32 phase columns"),
        (b"<broken", "cannot be read"),
    ],
)
def test_header_that_does_not_fit(tmp_path: Path, xml: bytes, says: str) -> None:
    with pytest.raises((HeaderError, UnsupportedLayoutError), match=says):
        open_volume(volumes.ismrmrd(tmp_path / "v.h5", xml=xml))


@pytest.mark.parametrize("key", ["xml", "data"])
def test_what_is_missing_is_named(tmp_path: Path, key: str) -> None:
    path = volumes.ismrmrd(tmp_path / "v.h5")
    with h5py.File(path, "r+") as file:
        del file[f"dataset/{key}"]
    with pytest.raises(UnsupportedLayoutError, match=f"no {key}; it has the key"):
        open_volume(path)
