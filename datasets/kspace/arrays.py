"""The arrays of a volume: k-space, asked for slices and coils, and stored pictures; and what both are held to."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from datasets.kspace.errors import BadValuesError, SliceMissingError, TooLargeError, UnsupportedLayoutError
from datasets.kspace.hdf5 import DataSet
from datasets.kspace.report import LONGEST_AXIS
from datasets.kspace.wording import amount, shape_text, slice_text

Picture = NDArray[np.float32]
KSpace = NDArray[np.complex64]

LARGEST_SLICE = 1 << 29
LARGEST_PICTURE = 1 << 26
MOST_SLICES, MOST_COILS = 4096, 1024


class Samples(Protocol):
    """Cartesian k-space, slice by slice."""

    slices: int
    coils: int
    readout: int
    phase: int

    def fill_slice(self, number: int, out: KSpace) -> None:
        """Fills `out`, (coil, readout, phase)."""

    def fill_coil(self, number: int, coil: int, out: KSpace) -> bool:
        """Fills `out`, (readout, phase), where that can be done without reading the whole slice; or says False."""


class Array:
    """k-space as one array of complex numbers; of averages, the first."""

    def __init__(self, data: DataSet, *, averages: bool) -> None:
        self.data = data
        self.before = (0,) if averages else ()
        self.slices, *coils, self.readout, self.phase = data.shape[len(self.before) :]
        self.coils = coils[0] if coils else 1
        check_extent(data.name, self.slices, self.coils, self.readout, self.phase)

    def fill_slice(self, number: int, out: KSpace) -> None:
        if not self._straight(number, 0, out):
            index = (*self.before, number)
            self.data.read(index, out if len(self.data.shape) - len(index) == 3 else out[0])

    def fill_coil(self, number: int, coil: int, out: KSpace) -> bool:
        # A request over the network for each coil, or unpacking a chunk for each, would cost more than the slice.
        return self.data.file.source.near and self._straight(number, coil, out)

    def _straight(self, number: int, coil: int, out: KSpace) -> bool:
        """Past HDF5, whose lock and copies cost as much again as the reading."""
        if self.data.offset is None:
            return False
        item = (number * self.coils + coil) * self.readout * self.phase
        self.data.file.source.read_at(self.data.offset + item * out.itemsize, out.data.cast("B"))
        return True


class Pictures:
    """The reconstruction that a file holds: (slice, y, x), or (slice, frame, y, x), of which the middle frame is
    shown: the contrast agent has arrived by then. Complex numbers are shown by their magnitude."""

    def __init__(self, data: DataSet) -> None:
        self.data = data
        if data.dtype.kind not in "fc" or len(data.shape) not in (3, 4) or not all(data.shape):
            raise UnsupportedLayoutError(
                f"{data.name} is {data.dtype} of the shape {shape_text(data.shape)}; "
                "expected are float32 numbers, (slice, y, x)."
            )
        self.slices, self.size = data.shape[0], (data.shape[-2], data.shape[-1])
        self.frame = (data.shape[1] // 2,) if len(data.shape) == 4 else ()
        if self.slices > MOST_SLICES or self.size[0] * self.size[1] * 4 > LARGEST_PICTURE:
            raise TooLargeError(f"{data.name} has the shape {shape_text(data.shape)}, larger than pictures are.")

    def read(self, number: int) -> Picture:
        is_complex = self.data.dtype.kind == "c"
        values: NDArray = np.empty(self.size, np.complex64 if is_complex else np.float32)
        self.data.read((number, *self.frame), values)
        check_finite(values, number, self.data.name)
        return np.abs(values) if is_complex else values


def check_extent(name: str, slices: int, coils: int, readout: int, phase: int) -> None:
    for count, unit in ((slices, "slices"), (coils, "coils"), (readout, "readout samples"), (phase, "phase columns")):
        if not count:
            raise UnsupportedLayoutError(f"{name} has no {unit}: there is nothing to show.")
    size = coils * readout * phase * 8
    if size > LARGEST_SLICE:
        raise TooLargeError(f"One slice of {name} has {amount(size)}; at most {amount(LARGEST_SLICE)} are read.")
    if max(readout, phase) > LONGEST_AXIS:
        raise TooLargeError(
            f"{name} has {readout:,} readout samples and {phase:,} phase columns; at most {LONGEST_AXIS:,} are read."
        )
    if slices > MOST_SLICES or coils > MOST_COILS:
        raise TooLargeError(
            f"{name} has {slices:,} slices and {coils:,} coils; at most {MOST_SLICES:,} and {MOST_COILS:,} are read."
        )


def check_number(number: int, slices: int) -> None:
    if not 0 <= number < slices:
        raise SliceMissingError(f"There is no {slice_text(number)}: the volume has {slices}.")


def check_finite(values: NDArray, number: int, name: str) -> None:
    """Raises BadValuesError for NaN and infinity, without an array of its own where there are none."""
    flat = values.reshape(-1).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        square = np.dot(flat, flat)
    # Finite only if all are. It may overflow though, so then look closely.
    if not np.isfinite(square) and not np.isfinite(flat).all():
        where = slice_text(number).capitalize()
        raise BadValuesError(f"{where} of {name} has values that are not numbers, or infinite.")
