"""Smooth fields on a picture grid: what both anatomies are drawn with.

Arrays are float32, axes (y, x), rows going down the picture; lengths are millimetres.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """A slice's pixels: `rows` × `columns` of `pixel` mm, the origin in the middle, y up and x to the right."""

    rows: int
    columns: int
    pixel: float

    @cached_property
    def y(self) -> Field:
        line = (self.rows / 2 - 0.5 - np.arange(self.rows, dtype=np.float32)) * np.float32(self.pixel)
        return np.repeat(line[:, None], self.columns, axis=1)

    @cached_property
    def x(self) -> Field:
        line = (np.arange(self.columns, dtype=np.float32) - self.columns / 2 + 0.5) * np.float32(self.pixel)
        return np.repeat(line[None, :], self.rows, axis=0)

    def blur(self, field: Field, sigma: float) -> Field:
        """The field convolved with a Gaussian of `sigma` mm, wrapping at the edges."""
        fy = np.fft.fftfreq(self.rows, self.pixel)[:, None]
        fx = np.fft.rfftfreq(self.columns, self.pixel)[None, :]
        kernel = np.exp(-2 * np.pi**2 * sigma**2 * (fy**2 + fx**2)).astype(np.float32)
        return np.fft.irfft2(np.fft.rfft2(field) * kernel, field.shape).astype(np.float32)

    def noise(self, rng: np.random.Generator, *scales: float) -> Field:
        """Random texture of unit variance whose grains are `scales` mm wide, added up in equal parts."""
        return self.shifted(rng, grains(self, scales))

    def streaks(self, rng: np.random.Generator, width: float, length: float, slope: float = 0.0) -> Field:
        """Random texture of unit variance drawn out along y, leaning by `slope`: fibres."""
        return self.shifted(rng, fibres(self, width, length, slope))

    def shifted(self, rng: np.random.Generator, texture: Field) -> Field:
        """The same texture elsewhere: it wraps at its edges, so that one is drawn and used many times."""
        return np.roll(texture, (int(rng.integers(self.rows)), int(rng.integers(self.columns))), (0, 1))


@lru_cache(maxsize=64)
def grains(grid: Grid, scales: tuple[float, ...]) -> Field:
    white = np.random.default_rng(17).standard_normal((grid.rows, grid.columns), dtype=np.float32)
    total = np.zeros_like(white)
    for scale in scales:
        grain = grid.blur(white, scale)
        total += grain / grain.std()
    return total / total.std()


@lru_cache(maxsize=32)
def fibres(grid: Grid, width: float, length: float, slope: float) -> Field:
    fy = np.fft.fftfreq(grid.rows, grid.pixel)[:, None]
    fx = np.fft.rfftfreq(grid.columns, grid.pixel)[None, :]
    along, across = fy + slope * fx, fx - slope * fy
    kernel = np.exp(-2 * np.pi**2 * ((length * along) ** 2 + (width * across) ** 2)).astype(np.float32)
    white = np.random.default_rng(19).standard_normal((grid.rows, grid.columns), dtype=np.float32)
    drawn = np.fft.irfft2(np.fft.rfft2(white) * kernel, white.shape).astype(np.float32)
    return drawn / drawn.std()


def smoothstep(low: float | Field, high: float | Field, value: Field) -> Field:
    """0 below `low`, 1 above `high`, smooth between; falling where `low` > `high`."""
    t = value - low
    t /= high - low
    np.clip(t, 0, 1, out=t)
    square = t * t  # in place from here: a fresh array costs more than the arithmetic
    t *= -2
    t += 3
    square *= t
    return square


class Waves:
    """A smooth random displacement of space: for each component a sum of plane waves."""

    def __init__(
        self, rng: np.random.Generator, wavelength: tuple[float, float], amplitude: float, count: int = 8
    ) -> None:
        directions = rng.standard_normal((3, count, 3)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=2, keepdims=True)
        lengths = rng.uniform(*wavelength, (3, count, 1)).astype(np.float32)
        self.vectors = directions * np.float32(2 * np.pi) / lengths
        self.phases = rng.uniform(0, 2 * np.pi, (3, count)).astype(np.float32)
        self.scale = np.float32(amplitude * np.sqrt(2 / count))

    def at(self, x: Field, y: Field, z: float | Field) -> tuple[Field, Field, Field]:
        """The displacement (dx, dy, dz) in mm at the points (x, y, z)."""
        parts = []
        for vectors, phases in zip(self.vectors, self.phases, strict=True):
            total = np.zeros_like(x)
            for (kx, ky, kz), phase in zip(vectors, phases, strict=True):
                total += np.cos(kx * x + ky * y + (kz * z + phase))
            parts.append(total * self.scale)
        return parts[0], parts[1], parts[2]
