"""What is told of a volume, and the pictures made of it. Plain values, which travel as JSON; no numpy here."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

LONGEST_AXIS = 1 << 16
"""samples of a readout, or phase columns: far more than any scan has, and few enough to be drawn one by one"""


class Layout(StrEnum):
    MULTI_COIL = "multi-coil"
    """kspace: (slice, coil, readout, phase)"""
    SINGLE_COIL = "single-coil"
    """kspace: (slice, readout, phase)"""
    AVERAGES = "averages"
    """kspace: (average, slice, coil, readout, phase); the stored reconstruction is the picture"""
    RADIAL = "radial"
    """k-space along spokes; the stored reconstruction is the picture"""
    ISMRMRD = "ismrmrd"
    """one acquisition a line, Cartesian"""


class Kind(StrEnum):
    KSPACE = "kspace"
    RECONSTRUCTION = "reconstruction"
    UNDERSAMPLED = "undersampled"
    DIFFERENCE = "difference"
    """what undersampling changed, brightened"""


@dataclass(frozen=True)
class Facts:
    """What a file says of itself. Unknown is None, an unknown acquisition is empty. Times in ms, lengths in mm."""

    layout: Layout
    shape: tuple[int, ...]
    """of k-space as it is stored"""
    dtype: str
    slices: int
    coils: int | None = None
    readout: int | None = None
    phase: int | None = None
    acquisition: str = ""
    field_strength: float | None = None
    """in tesla"""
    slice_mm: float | None = None
    repetition_ms: float | None = None
    echo_ms: float | None = None
    inversion_ms: float | None = None
    flip_degrees: float | None = None
    encoded: tuple[int, int, int] | None = None
    """matrix of the encoded space, (x, y, z): x is the readout, oversampled"""
    recon: tuple[int, int, int] | None = None
    """matrix of the reconstructed space, (x, y, z)"""
    measured: tuple[int, ...] | None = None
    """phase columns that were measured, where the file has a mask (test files); None: it has none"""
    acquired: tuple[int, int] | None = None
    """phase columns that the scan covered, from and to (exclusive), by the header; those around are zero-padded"""


@dataclass(frozen=True)
class Scores:
    """The undersampled picture against the full one. A score that is not defined (an empty picture) is None."""

    nmse: float | None
    psnr: float | None
    """in dB"""
    ssim: float | None


@dataclass(frozen=True)
class SliceReport:
    number: int
    """from 0"""
    scores: Scores | None = None


@dataclass(frozen=True)
class PictureReport:
    """A picture without its bytes. `size` is full, card or thumbnail; the last two are of the middle slice alone."""

    kind: Kind
    slice: int
    size: str
    width: int
    height: int
    name: str
    """file name, such as 003-reconstruction.webp or thumbnail.webp"""


@dataclass(frozen=True)
class Report:
    facts: Facts
    slice: int
    """which to show first: the middle one of those that were rendered"""
    slices: tuple[SliceReport, ...]
    volume: Scores | None
    """of all slices together; None when only one was rendered, or nothing undersampled"""
    acceleration: int
    columns: tuple[int, ...] | None
    """phase columns that the undersampled picture was made of; None: there is no undersampled picture"""
    centre: int | None
    """how many of these, in the middle, are kept for their low frequencies"""
    pictures: tuple[PictureReport, ...]
    bytes_read: int
    seconds: float
    notes: tuple[str, ...] = ()
    """sentences for a person: what is odd or was left out, such as why there is no undersampled picture"""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what as_json did not write."""
        facts = dict(value["facts"])
        for name in ("shape", "encoded", "recon", "measured", "acquired"):
            facts[name] = None if facts[name] is None else tuple(facts[name])
        return cls(
            **{
                **value,
                "facts": Facts(**{**facts, "layout": Layout(facts["layout"])}),
                "slices": tuple(SliceReport(row["number"], _scores(row["scores"])) for row in value["slices"]),
                "volume": _scores(value["volume"]),
                "columns": None if value["columns"] is None else tuple(value["columns"]),
                "pictures": tuple(PictureReport(**{**row, "kind": Kind(row["kind"])}) for row in value["pictures"]),
                "notes": tuple(value["notes"]),
            }
        )


def _scores(value: dict[str, Any] | None) -> Scores | None:
    return None if value is None else Scores(**value)


@dataclass(frozen=True)
class Wish:
    """What is to be rendered. `slices` None: the middle one; "all"; or one number, from 0."""

    slices: int | str | None = None
    acceleration: int = 4
    format: str = "webp"
    """webp or png"""


@dataclass(frozen=True)
class Rendering:
    report: Report
    contents: dict[str, bytes] = field(default_factory=dict, repr=False)
    """by the names of report.pictures"""
