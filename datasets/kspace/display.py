"""From numbers to what a person looks at: windows, orientation, k-space as a picture."""

import math
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from datasets.kspace.images import Grey

# Values are scaled in double precision: float32 has no quotient of its largest and its smallest.
Field = NDArray[np.float32]

BRIGHTENED = 2.5
"""how much brighter than the pictures their difference is shown"""

# Noise is never zero in a root sum of squares: a little of it is cut off below, so that air is black.
DARK_PERCENTILE = 1.0
# Of what is not air. Fat close to a coil is far brighter than all else, and may go white.
BRIGHT_PERCENTILE = 98.0
AIR = 0.1
"""below this share of the bright end a pixel is counted as air"""
DARKEST = 0.2
"""the low end of a window is at most this share of its high end: a picture without air keeps its darkest tissue"""
# Black, the unit, white and the largest: the very centre is far above all else even in its logarithm.
KSPACE_PERCENTILES = (10.0, 50.0, 99.95, 100.0)
KSPACE_RANGE = 1e5


@dataclass(frozen=True)
class Window:
    """Which values are black and which are white. One window serves the pictures that are compared."""

    low: float
    high: float


def find_window(pictures: Field) -> Window:
    """The window in which anatomy is seen, of one picture (y, x) or of a volume's (slice, y, x), at least 0.

    Every second row and column is looked at: they tell the same, in a quarter of the time and memory. The high end is
    a percentile of what is not air, so that it does not depend on how much air there is around."""
    values = pictures[..., ::2, ::2].astype(np.float64).ravel()
    low, bright = (float(value) for value in np.percentile(values, (DARK_PERCENTILE, BRIGHT_PERCENTILE)))
    body = values[values > AIR * bright]
    high = float(np.percentile(body, BRIGHT_PERCENTILE)) if body.size else float(values.max())
    return Window(min(low, DARKEST * high), high)


def to_grey(values: NDArray[np.floating], window: Window) -> Grey:
    """Values → 8 bits of grey; all black in a window of no height."""
    height = window.high - window.low
    if height <= 0:
        return np.zeros(values.shape, np.uint8)
    scaled = (values.astype(np.float64) - window.low) * (255 / height)
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def show_picture(picture: Field, window: Window) -> Grey:
    """(y, x) → grey, upright: files hold their rows from the feet up, or from the back of the head to the front."""
    return to_grey(picture, window)[::-1]


def show_difference(full: Field, undersampled: Field, window: Window) -> Grey:
    """What undersampling changed, (y, x) → grey, upright: as bright as in the pictures' window, times BRIGHTENED."""
    return to_grey(np.abs(full - undersampled), Window(0.0, (window.high - window.low) / BRIGHTENED))[::-1]


def show_kspace(magnitude: Field) -> Grey:
    """(readout, phase), at least 0 → grey, as it is stored: columns that were not measured stay black.

    Logarithmic, in units of the median of what was measured: that is close to the noise, whatever the scanner's own
    unit is, so noise is dark and the centre white."""
    measured = magnitude[magnitude > 0]
    if not measured.size:
        return np.zeros(magnitude.shape, np.uint8)
    low, median, high, largest = (float(value) for value in np.percentile(measured, KSPACE_PERCENTILES))
    # Where most of it is next to nothing, as rounding leaves of zeros, its median says nothing about the noise.
    unit = max(median, largest / KSPACE_RANGE)
    values = np.log1p((magnitude / np.float64(unit)).astype(np.float32))
    # Logarithms keep the order, so these percentiles are those of the values.
    black, white = math.log1p(low / unit), math.log1p(high / unit)
    return to_grey(values, Window(min(black, DARKEST * white), white))


class CoilSum:
    """Root sum of squares of k-space itself, over coils as they are read by several threads.

    Each lane sums its own coils: in one sum of all, the last bits would depend on which thread came first."""

    def __init__(self, readout: int, phase: int, lanes: int) -> None:
        self._squares = [np.empty((readout, 2 * phase), np.float32) for _ in range(lanes)]
        self._sums = [np.empty_like(square) for square in self._squares]
        self._locks = [Lock() for _ in range(lanes)]

    def clear(self) -> None:
        for total in self._sums:
            total.fill(0)

    def add(self, lane: int, kspace: NDArray[np.complex64]) -> float:
        """complex64 (readout, phase) of one coil → its energy; infinite where that is more than a float32 holds."""
        parts = kspace.view(np.float32)
        square = self._squares[lane]
        with self._locks[lane], np.errstate(over="ignore", invalid="ignore"):
            np.multiply(parts, parts, out=square)
            self._sums[lane] += square
            return float(np.dot(parts.ravel(), parts.ravel()))

    def magnitude(self, height: int) -> Field:
        """float32 (readout, phase). An oversampled readout, of twice the picture's height or more, is combined by pairs
        (or threes …), so that the picture of k-space has about the shape of the reconstruction."""
        power = self._sums[0].copy()
        for total in self._sums[1:]:
            power += total
        samples = power[:, 0::2] + power[:, 1::2]
        readout, phase = samples.shape
        together = max(1, readout // max(1, height))
        rows = readout // together
        return np.sqrt(samples[: rows * together].reshape(rows, together, phase).sum(axis=1))
