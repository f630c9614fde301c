"""Which layout a file has, and what it says of itself."""

from typing import NamedTuple

import numpy as np

from datasets.kspace.arrays import Array, Pictures, Samples
from datasets.kspace.errors import HeaderError, UnsupportedLayoutError
from datasets.kspace.hdf5 import DataSet, Group
from datasets.kspace.header import Header, Matrix
from datasets.kspace.report import Facts, Layout
from datasets.kspace.wording import shape_text

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


class Contents(NamedTuple):
    """What an open file offers. `samples` None: no k-space that can be reconstructed here; `why` says so."""

    facts: Facts
    size: tuple[int, int]
    samples: Samples | None
    pictures: Pictures | None
    why: str = ""


def fastmri(root: Group) -> Contents:
    """A file with `kspace`, as fastMRI lays it out."""
    data = root.data_set("kspace")
    layout = _layout(data)
    header = _header(root)
    samples = None if layout is Layout.RADIAL else Array(data, averages=layout is Layout.AVERAGES)
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
    """(height, width) that a reconstruction is cropped to: the header's matrix, without one the stored picture's. A
    volume narrower than that becomes a square of its width, as in fastMRI.

    Without either nothing is cut off but what an oversampled readout has beyond the picture: a readout is taken for one
    when it is half as long again as the phase encoding, or longer."""
    if recon is None and stored is None:
        return (readout // 2 if 2 * readout >= 3 * phase else readout), phase
    height, width = recon[:2] if recon else stored or (readout, phase)
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
