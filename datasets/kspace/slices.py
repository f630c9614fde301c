"""The slices of a volume, from its file to pictures in numbers."""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from datasets.kspace.coils import Reconstructor
from datasets.kspace.display import Encoded, Field, combine_coils, encode, show_kspace
from datasets.kspace.errors import BadValuesError, SliceMissingError, UnsupportedLayoutError
from datasets.kspace.masks import CENTRE_SHARE, centre_columns, undersampling_mask
from datasets.kspace.reader import VolumeFile
from datasets.kspace.report import Facts, Layout, Wish

# The full and the undersampled pictures of a volume are held until its window and its largest value are known.
HELD_BYTES = 64 << 20
# fastMRI's 0.08 at 4× and 0.04 at 8× both are this divided by the acceleration; so are others here.
CENTRE_OVER_ACCELERATION = 0.32
STORED_TOLERANCE = 1e-3
# A sentence is read by a person: of many slices it names so many.
NAMED = 10
WHY_STORED = {
    Layout.AVERAGES: "Its k-space has several averages: the picture is the reconstruction stored in the file.",
    Layout.RADIAL: "Its k-space is radial: the picture is the reconstruction stored in the file.",
}


@dataclass(frozen=True)
class Undersampling:
    """Which phase columns are kept, and how many of them, in the middle, for their low frequencies."""

    columns: NDArray[np.bool_]
    centre: int


@dataclass
class Slices:
    """The pictures of the slices that were read, float32 (slice, y, x), and k-space as files of pictures."""

    numbers: list[int]
    full: Field
    undersampled: Field | None = None
    undersampling: Undersampling | None = None
    kspace: list[Encoded] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    unlike_stored: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_slices(volume: VolumeFile, wish: Wish) -> Slices:
    """The wanted slices, each read once, with notes on what is odd or left out. Raises a KSpaceError."""
    facts = volume.facts
    numbers = choose_slices(facts.slices, volume.size, wish.slices)
    if facts.layout in WHY_STORED:
        slices = read_stored(volume, numbers)
        slices.notes.append(WHY_STORED[facts.layout])
    elif why_not := why_not_undersampled(facts, wish.acceleration):
        slices = reconstruct(volume, numbers, None, wish.format)
        slices.notes.append(why_not)
    else:
        slices = reconstruct(volume, numbers, plan_undersampling(facts, wish.acceleration), wish.format)
    if wish.slices == "all" and len(numbers) < facts.slices:
        slices.notes.append(f"Of its {facts.slices} slices, {len(numbers)} at even distances are shown.")
    slices.notes.extend(oddities(slices))
    return slices


def choose_slices(count: int, size: tuple[int, int], wanted: int | str | None) -> list[int]:
    """The numbers of the slices to read, from 0. Of a volume too large to hold, some at even distances, the middle one
    among them. Raises SliceMissingError."""
    middle = count // 2
    if wanted is None:
        return [middle]
    if wanted == "all":
        step = max(1, math.ceil(count * 2 * 4 * math.prod(size) / HELD_BYTES))
        return list(range(middle % step, count, step))
    if not isinstance(wanted, int):
        raise ValueError(f"Slices are None, all or a number, not {wanted!r}.")
    if not 0 <= wanted < count:
        raise SliceMissingError(f"There is no slice {wanted}: the volume has {count}, counted from 0.")
    return [wanted]


def why_not_undersampled(facts: Facts, acceleration: int) -> str:
    """A sentence where there can be no undersampled picture; else empty."""
    phase = facts.phase or 0
    if facts.measured is not None:
        return (
            f"Only {len(facts.measured)} of its {phase} columns were measured: the picture is made of these, and there "
            "is no full one to compare an undersampled one with."
        )
    if phase <= acceleration:
        return f"Its k-space has {phase} columns, too few to leave most of them out."
    return ""


def plan_undersampling(facts: Facts, acceleration: int) -> Undersampling:
    """The columns to keep: the same for all slices and each time, whatever the name of the file is."""
    phase = facts.phase or 0
    share = CENTRE_SHARE.get(acceleration, CENTRE_OVER_ACCELERATION / acceleration)
    seed = zlib.crc32(f"{facts.acquisition} {facts.shape}".encode())
    columns = undersampling_mask("equispaced", phase, acceleration=acceleration, centre_share=share, seed=seed)
    return Undersampling(columns, centre_columns(phase, share))


def reconstruct(volume: VolumeFile, numbers: list[int], undersampling: Undersampling | None, form: str) -> Slices:
    """Pictures computed from k-space, though one may be stored: so it is the k-space that is looked at."""
    facts, size = volume.facts, volume.size
    if facts.readout is None or facts.phase is None:
        raise UnsupportedLayoutError("The file does not say what shape its k-space has.")
    # One buffer for all slices: fresh memory costs more than the bytes that are read into it.
    kspace = np.empty((facts.coils or 1, facts.readout, facts.phase), np.complex64)
    reconstructor = Reconstructor(
        facts.readout, facts.phase, size, columns=undersampling.columns if undersampling else None
    )
    full = np.empty((len(numbers), *size), np.float32)
    slices = Slices(numbers, full, np.empty_like(full) if undersampling else None, undersampling)
    for row, number in enumerate(numbers):
        for coil, out in enumerate(kspace):
            volume.read_coil(number, coil, out)
        magnitude = combine_coils(kspace, size[0])
        refuse_bad_values(number, magnitude)
        slices.kspace.append(encode(show_kspace(magnitude), form))
        if slices.undersampled is None:
            full[row] = reconstructor.full(kspace)
        else:
            full[row], slices.undersampled[row] = reconstructor.pair(kspace)
        refuse_bad_values(number, full[row])
        if not full[row].any():
            slices.empty.append(number)
        elif not like_stored(full[row], volume.stored(number)):
            slices.unlike_stored.append(number)
    return slices


def read_stored(volume: VolumeFile, numbers: list[int]) -> Slices:
    """The reconstruction that the file holds, where its k-space is not reconstructed here."""
    slices = Slices(numbers, np.empty((0, 0, 0), np.float32))
    for row, number in enumerate(numbers):
        picture = volume.stored(number)
        if picture is None:
            raise UnsupportedLayoutError(
                "There is no reconstruction in the file, and its k-space is of a kind that is not reconstructed here."
            )
        refuse_bad_values(number, picture)
        if row == 0:
            slices.full = np.empty((len(numbers), *picture.shape), np.float32)
        slices.full[row] = picture
        if not picture.any():
            slices.empty.append(number)
    return slices


def refuse_bad_values(number: int, values: Field) -> None:
    if not np.isfinite(values).all():
        raise BadValuesError(f"Slice {number}, counted from 0, has values that are not finite numbers.")


def like_stored(picture: Field, stored: Field | None) -> bool:
    """Whether the stored reconstruction, where there is one, is the picture: up to STORED_TOLERANCE of its norm."""
    if stored is None:
        return True
    if stored.shape != picture.shape:
        return False
    difference = float(np.linalg.norm(picture - stored))
    return difference <= STORED_TOLERANCE * float(np.linalg.norm(picture))


def oddities(slices: Slices) -> Iterator[str]:
    if slices.empty:
        yield f"All samples are zero in {_named(slices.empty)}."
    if slices.unlike_stored:
        named = _named(slices.unlike_stored)
        yield f"The reconstruction stored in the file is another than that of its k-space in {named}."


def _named(numbers: list[int]) -> str:
    first = ", ".join(map(str, numbers[:NAMED]))
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"{'slice' if len(numbers) == 1 else 'slices'} {first}{more}, counted from 0"
