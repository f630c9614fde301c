"""Which layout a file has, and how its arrays are asked for slices, coils and stored pictures."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from datasets.kspace.errors import BadValuesError, HeaderError, SliceMissingError, TooLargeError, UnsupportedLayoutError
from datasets.kspace.hdf5 import DataSet, Group, amount, shape_text
from datasets.kspace.header import Header, Matrix
from datasets.kspace.report import Facts, Layout

Picture = NDArray[np.float32]
KSpace = NDArray[np.complex64]

LARGEST_SLICE = 1 << 29
LARGEST_PICTURE = 1 << 26
MOST_SLICES, MOST_COILS = 4096, 1024
LONGEST_ACQUISITION = 100
STORED = {
    Layout.MULTI_COIL: ("reconstruction_rss",),
    Layout.SINGLE_COIL: ("reconstruction_esc", "reconstruction_rss"),
    Layout.AVERAGES: ("reconstruction_rss",),
    Layout.RADIAL: ("temptv",),
}
AXES = {
    Layout.MULTI_COIL: "(slice, coil, readout, phase)",
    Layout.SINGLE_COIL: "(slice, readout, phase)",
    Layout.AVERAGES: "(average, slice, coil, readout, phase)",
    Layout.RADIAL: "(2, spoke, sample, coil, slice)",
}


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


class Contents(NamedTuple):
    """What an open file offers. `samples` None: no k-space that can be reconstructed here; `why` says so."""

    facts: Facts
    size: tuple[int, int]
    samples: Samples | None
    pictures: "Pictures | None"
    why: str = ""


class Array:
    """k-space as one array of complex numbers; of averages, the first."""

    def __init__(self, data: DataSet, layout: Layout) -> None:
        self.data = data
        self.before = (0,) if layout is Layout.AVERAGES else ()
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


def fastmri(root: Group) -> Contents:
    """A file with `kspace`, as fastMRI lays it out."""
    data = root.data_set("kspace")
    layout = _layout(data)
    header = _header(root)
    samples = None if layout is Layout.RADIAL else Array(data, layout)
    pictures = _pictures(root, layout)
    slices = samples.slices if samples else data.shape[4]
    if pictures and layout in (Layout.AVERAGES, Layout.RADIAL):
        slices = pictures.slices
    elif pictures and pictures.slices != slices:
        raise UnsupportedLayoutError(
            f"kspace has {slices} slices, but {pictures.data.name} has {pictures.slices}; they do not belong together."
        )
    readout, phase = (samples.readout, samples.phase) if samples else (data.shape[2], None)
    facts = describe(
        header,
        layout=layout,
        shape=data.shape,
        dtype=str(data.dtype),
        slices=slices,
        coils=samples.coils if samples else data.shape[3],
        readout=readout,
        phase=phase,
        acquisition=root.text_attribute("acquisition", LONGEST_ACQUISITION).strip(),
        measured=_mask(root, phase) if phase else None,
    )
    size = pictures.size if pictures else None
    if samples and layout is not Layout.AVERAGES:
        size = picture_size(samples.readout, samples.phase, header.recon, size)
    why = "" if samples else "Its k-space was measured along spokes, which are not reconstructed here."
    return Contents(facts, size or (readout // 2, phase or readout // 2), samples, pictures, why)


def picture_size(
    readout: int, phase: int, recon: Matrix | None, stored: tuple[int, int] | None = None
) -> tuple[int, int]:
    """(height, width) that a reconstruction is cropped to: the header's matrix, without one the stored picture's,
    without either a square. A volume narrower than that becomes a square of its width, as in fastMRI."""
    shorter = min(readout, phase)
    height, width = recon[:2] if recon else stored or (shorter, shorter)
    if phase < width:
        height, width = phase, phase
    return min(height, readout), min(width, phase)


def describe(
    header: Header,
    *,
    layout: Layout,
    shape: tuple[int, ...],
    dtype: str,
    slices: int,
    coils: int,
    readout: int,
    phase: int | None,
    acquisition: str,
    measured: tuple[int, ...] | None = None,
) -> Facts:
    return Facts(
        layout=layout,
        shape=shape,
        dtype=dtype,
        slices=slices,
        coils=coils,
        readout=readout,
        phase=phase,
        acquisition=acquisition,
        measured=measured,
        acquired=None if phase is None else header.acquired(phase),
        field_strength=header.field_strength,
        slice_mm=header.slice_mm,
        repetition_ms=header.repetition_ms,
        echo_ms=header.echo_ms,
        inversion_ms=header.inversion_ms,
        flip_degrees=header.flip_degrees,
        encoded=header.encoded,
        recon=header.recon,
    )


def check_extent(name: str, slices: int, coils: int, readout: int, phase: int) -> None:
    for count, unit in ((slices, "slices"), (coils, "coils"), (readout, "readout samples"), (phase, "phase columns")):
        if not count:
            raise UnsupportedLayoutError(f"{name} has no {unit}: there is nothing to show.")
    size = coils * readout * phase * 8
    if size > LARGEST_SLICE:
        raise TooLargeError(f"One slice of {name} has {amount(size)}; at most {amount(LARGEST_SLICE)} are read.")
    if slices > MOST_SLICES or coils > MOST_COILS:
        raise TooLargeError(
            f"{name} has {slices:,} slices and {coils:,} coils; at most {MOST_SLICES:,} and {MOST_COILS:,} are read."
        )


def check_number(number: int, slices: int) -> None:
    if not 0 <= number < slices:
        raise SliceMissingError(f"The volume has the slices 0 to {slices - 1}, but not {number}.")


def check_finite(values: NDArray, number: int, name: str) -> None:
    """Raises BadValuesError for NaN and infinity, without an array of its own where there are none."""
    flat = values.reshape(-1).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        square = np.dot(flat, flat)
    # Finite only if all are. It may overflow though, so then look closely.
    if not np.isfinite(square) and not np.isfinite(flat).all():
        raise BadValuesError(f"Slice {number} of {name} has values that are not numbers, or infinite.")


def _layout(data: DataSet) -> Layout:
    axes, dtype = len(data.shape), data.dtype
    if dtype.kind == "f" and axes == 5 and data.shape[0] == 2:
        if not all(data.shape):
            raise UnsupportedLayoutError(f"kspace has the shape {shape_text(data.shape)}: there is nothing to show.")
        return Layout.RADIAL
    if dtype.kind != "c" or dtype.itemsize > 16:
        raise UnsupportedLayoutError(f"kspace holds {_numbers(dtype)}; expected are complex numbers (complex64).")
    for layout in (Layout.SINGLE_COIL, Layout.MULTI_COIL, Layout.AVERAGES):
        if axes == AXES[layout].count(",") + 1:
            if layout is Layout.AVERAGES and not data.shape[0]:
                raise UnsupportedLayoutError("kspace has no averages: there is nothing to show.")
            return layout
    raise UnsupportedLayoutError(
        f"kspace has {axes} axes, {shape_text(data.shape)}; expected are {AXES[Layout.MULTI_COIL]}, "
        f"{AXES[Layout.SINGLE_COIL]} or {AXES[Layout.AVERAGES]}."
    )


def _numbers(dtype: np.dtype) -> str:
    if dtype.kind in "biuf":
        return f"{dtype} numbers"
    return "references or texts" if dtype.kind in "OSU" else "records"


def _header(root: Group) -> Header:
    if "ismrmrd_header" not in root:
        return Header()
    try:
        text = root.data_set("ismrmrd_header").text()
    except UnsupportedLayoutError as error:
        raise HeaderError(str(error)) from error
    return Header.parse(text)


def _pictures(root: Group, layout: Layout) -> Pictures | None:
    name = next((name for name in STORED[layout] if name in root), None)
    return None if name is None else Pictures(root.data_set(name))


def _mask(root: Group, phase: int) -> tuple[int, ...] | None:
    if "mask" not in root:
        return None
    data = root.data_set("mask")
    if data.dtype.kind not in "biuf" or data.shape != (phase,):
        raise UnsupportedLayoutError(
            f"mask is {_numbers(data.dtype)} of the shape {shape_text(data.shape)}; "
            f"expected is one for each of the {phase} phase columns."
        )
    mask = np.empty(data.shape, data.dtype)
    data.read((), mask)
    return tuple(int(column) for column in np.flatnonzero(mask))
