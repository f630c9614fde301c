"""How a volume was acquired, in words; and how its picture is made again, in Python."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from datasets.kspace.report import Facts, Layout
from datasets.models import Volume

# Where the picture is one that the file holds already, for its k-space is more than a mask can say.
STORED = frozenset({Layout.AVERAGES, Layout.RADIAL})


class Fact(NamedTuple):
    name: str
    value: str
    """empty when it is not recorded"""


def joined(numbers: Sequence[int] | None) -> str:
    return " × ".join(str(number) for number in numbers or ())


def in_plane(matrix: Sequence[int] | None) -> Sequence[int] | None:
    """A matrix without its depth of one slice."""
    return matrix[:2] if matrix and matrix[2:] == (1,) else matrix


def with_unit(value: float | None, unit: str, digits: int = 6) -> str:
    return "" if value is None else f"{value:.{digits}g}{unit}"


def scan_facts(volume: Volume, facts: Facts | None) -> list[Fact]:
    """What was measured: from the header in the file, or what the ingest wrote down of it."""
    slices = str((facts.slices if facts else volume.slices) or "")
    coils = facts.coils if facts else volume.coils
    strength = facts.field_strength if facts and facts.field_strength is not None else volume.field_strength
    shape = facts.shape if facts else [size for size in (volume.readout, volume.phase) if size]
    return [
        Fact("Acquisition", (facts.acquisition if facts else "") or volume.acquisition),
        Fact("Field strength", with_unit(strength, " T", 4)),
        Fact("Coils", str(coils or "")),
        Fact("Slices", f"{slices}, {with_unit(facts.slice_mm, ' mm')}" if facts and facts.slice_mm else slices),
        Fact("k-space", f"{joined(shape)}, {facts.dtype}" if facts else joined(shape)),
        Fact("Encoded matrix", joined(facts.encoded) if facts else ""),
        Fact("Reconstructed", joined(in_plane(facts.recon)) if facts else ""),
    ]


def timing_facts(facts: Facts | None) -> list[Fact]:
    return [
        Fact("Repetition time", with_unit(facts.repetition_ms, " ms") if facts else ""),
        Fact("Echo time", with_unit(facts.echo_ms, " ms") if facts else ""),
        Fact("Inversion time", with_unit(facts.inversion_ms, " ms") if facts else ""),
        Fact("Flip angle", with_unit(facts.flip_degrees, "°") if facts else ""),
    ]


class Line(NamedTuple):
    code: str
    remark: str = ""


def python_name(path: str) -> str:
    """A member's file name as a string of Python, whatever stands in it."""
    name = path.rpartition("/")[2] or path
    return json.dumps(name, ensure_ascii=not name.isprintable())


def opening(path: str, layout: Layout, number: int) -> list[Line]:
    """Few lines of Python from the file to the picture of a slice, counted from 0."""
    if layout is Layout.ISMRMRD:
        return [
            Line("import h5py, numpy as np"),
            Line(f"with h5py.File({python_name(path)}) as file:"),
            Line('    header, lines = file["dataset/xml"][0], file["dataset/data"][:]'),
            Line('coils = lines["head"]["active_channels"][0]'),
            Line('first = lines["data"][0].view(np.complex64).reshape(coils, -1)', "coil, readout"),
        ]
    if layout is Layout.AVERAGES:
        return [
            Line("import h5py"),
            Line(f"with h5py.File({python_name(path)}) as file:"),
            Line(f'    picture = file["reconstruction_rss"][{number}][::-1]', "y, x; upright"),
        ]
    if layout is Layout.RADIAL:
        return [
            Line("import h5py"),
            Line(f"with h5py.File({python_name(path)}) as file:"),
            Line(f'    frames = file["temptv"][{number}]'),
            Line("frames = frames.reshape(-1, *frames.shape[-2:])", "frame, y, x"),
            Line("picture = abs(frames[len(frames) // 2])[::-1]", "y, x; upright"),
        ]
    single = layout is Layout.SINGLE_COIL
    combined = "abs(images)" if single else "np.sqrt((abs(images) ** 2).sum(axis=0))"
    return [
        Line("import h5py, numpy as np"),
        Line(f"with h5py.File({python_name(path)}) as file:"),
        Line(f'    kspace = file["kspace"][{number}]', "readout, phase" if single else "coil, readout, phase"),
        Line('images = np.fft.fftshift(np.fft.ifft2(kspace, norm="ortho"), axes=(-2, -1))'),
        Line(f"picture = {combined}[::-1]", "y, x; upright"),
    ]
