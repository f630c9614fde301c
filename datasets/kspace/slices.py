"""The slices of a volume, from its file to pictures in numbers."""

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from datasets.kspace.arrays import check_number
from datasets.kspace.coils import Reconstructor
from datasets.kspace.display import CoilSum, Field, show_kspace
from datasets.kspace.errors import BadValuesError, UnsupportedLayoutError
from datasets.kspace.images import Encoded, encode
from datasets.kspace.masks import CENTRE_SHARE, centre_columns, equispaced_mask
from datasets.kspace.reader import VolumeFile
from datasets.kspace.report import Facts, Layout, Wish
from datasets.kspace.wording import slice_text

# The full and the undersampled pictures of a volume are held until its window and its largest value are known.
HELD_BYTES = 64 << 20
# Four pictures of each, and a report that names them all in far less than a frame's header may have.
MOST_SHOWN = 500
# fastMRI's 0.08 at 4× and 0.04 at 8× both are this divided by the acceleration; so are others here.
CENTRE_OVER_ACCELERATION = 0.32
STORED_TOLERANCE = 1e-3
THREADS = 2
# Of one coil. A float32 ends at 3e38, and the sum over all coils, of which there are 1,024 at most, must fit in it.
MOST_ENERGY = 1e35
WHY_STORED = {
    Layout.AVERAGES: "Its k-space has several averages, the first is shown; the picture is the stored reconstruction.",
    Layout.RADIAL: "Its k-space is radial; the picture is the reconstruction stored in the file.",
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
        slices = read_stored(volume, numbers, wish.format)
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
    """The numbers of the slices to read, from 0. Of a volume too large to hold, or of more slices than a page can show,
    some at even distances, the middle one among them. Raises SliceMissingError."""
    middle = count // 2
    if wanted is None:
        return [middle]
    if wanted == "all":
        too_large, too_many = count * 2 * 4 * math.prod(size) / HELD_BYTES, count / MOST_SHOWN
        step = max(1, math.ceil(too_large), math.ceil(too_many))
        return list(range(middle % step, count, step))
    if not isinstance(wanted, int):
        raise ValueError(f"Slices are None, all or a number, not {wanted!r}.")
    check_number(wanted, count)
    return [wanted]


def why_not_undersampled(facts: Facts, acceleration: int) -> str:
    """A sentence where there can be no undersampled picture; else empty."""
    phase = facts.phase or 0
    if facts.measured is not None and len(facts.measured) < phase:
        return (
            f"Only {len(facts.measured)} of its {phase} columns were measured: the picture is made of these, and there "
            "is no full one to compare an undersampled one with."
        )
    if phase <= acceleration:
        return f"Its k-space has {phase} column{'s' * (phase != 1)}, too few to leave most of them out."
    return ""


def plan_undersampling(facts: Facts, acceleration: int) -> Undersampling:
    """The columns to keep: the same for all slices and each time, whatever the name of the file is."""
    phase = facts.phase or 0
    share = CENTRE_SHARE.get(acceleration, CENTRE_OVER_ACCELERATION / acceleration)
    # Where they begin is chosen without numpy's random numbers, whose import takes as long as half a slice.
    offset = zlib.crc32(f"{facts.acquisition} {facts.shape}".encode()) % acceleration
    columns = equispaced_mask("equispaced", phase, acceleration=acceleration, centre_share=share, offset=offset)
    return Undersampling(columns, centre_columns(phase, share))


def reconstruct(volume: VolumeFile, numbers: list[int], undersampling: Undersampling | None, form: str) -> Slices:
    """Pictures computed from k-space, though one may be stored: so it is the k-space that is looked at."""
    scanned = Scanned(volume)
    columns = undersampling.columns if undersampling else None
    reconstructor = Reconstructor(scanned.readout, scanned.phase, volume.size, columns=columns, threads=THREADS)
    full = np.empty((len(numbers), *volume.size), np.float32)
    slices = Slices(numbers, full, np.empty_like(full) if undersampling else None, undersampling)
    for row, number in enumerate(numbers):
        read = scanned.reader(number)
        if slices.undersampled is None:
            full[row] = reconstructor.stream(read, scanned.coils)
        else:
            full[row], slices.undersampled[row] = reconstructor.stream_pair(read, scanned.coils)
        slices.kspace.append(scanned.show(form))
        if not full[row].any():
            slices.empty.append(number)
        elif not like_stored(full[row], volume.stored(number)):
            slices.unlike_stored.append(number)
    return slices


def read_stored(volume: VolumeFile, numbers: list[int], form: str) -> Slices:
    """The reconstruction that the file holds, where its k-space is not reconstructed here."""
    slices = Slices(numbers, np.empty((len(numbers), *volume.size), np.float32))
    scanned = Scanned(volume) if volume.facts.layout is Layout.AVERAGES else None
    for row, number in enumerate(numbers):
        picture = volume.stored(number)
        if picture is None:
            raise UnsupportedLayoutError(
                "There is no reconstruction in the file, and its k-space is of a kind that is not reconstructed here."
            )
        slices.full[row] = picture
        if not picture.any():
            slices.empty.append(number)
        if scanned:
            slices.kspace.append(scanned.read(number, form))
    return slices


class Scanned:
    """k-space on its way to the reconstruction, and to a picture of its own."""

    def __init__(self, volume: VolumeFile) -> None:
        facts = volume.facts
        if facts.readout is None or facts.phase is None:
            raise UnsupportedLayoutError("The file does not say what shape its k-space has.")
        self.readout, self.phase, self.coils = facts.readout, facts.phase, facts.coils or 1
        self._volume = volume
        self._sum = CoilSum(self.readout, self.phase, THREADS)

    def reader(self, number: int) -> Callable[[int, NDArray[np.complex64]], None]:
        """What fills a buffer with one coil of this slice; BadValuesError where the numbers are too large to square."""
        self._sum.clear()

        def read(coil: int, out: NDArray[np.complex64]) -> None:
            self._volume.read_coil(number, coil, out)
            # The reconstructor deals out coils to its threads in turn, so each has a lane.
            if not self._sum.add(coil % THREADS, out) < MOST_ENERGY:
                where = slice_text(number).capitalize()
                raise BadValuesError(f"{where} of kspace has values too large to be k-space.")

        return read

    def read(self, number: int, form: str) -> Encoded:
        """One slice that is not reconstructed."""
        read, out = self.reader(number), np.empty((self.readout, self.phase), np.complex64)
        for coil in range(self.coils):
            read(coil, out)
        return self.show(form)

    def show(self, form: str) -> Encoded:
        """The picture of what was read last."""
        return encode(show_kspace(self._sum.magnitude(self._volume.size[0])), form)


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
        yield f"All values are zero in {slice_text(*slices.empty)}."
    if slices.unlike_stored:
        where = slice_text(*slices.unlike_stored)
        yield f"The reconstruction stored in the file is another than that of its k-space in {where}."
