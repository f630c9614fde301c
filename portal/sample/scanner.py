"""The scan: from a picture of the anatomy to the k-space that several receiver coils record, and back.

Axes: picture float32 (y, x) · k-space complex64 (coil, readout, phase), readout along y and oversampled twice.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.kspace.coils import root_sum_of_squares
from datasets.kspace.fourier import centre_crop, fft2c, ifft2c
from portal.sample.fields import Field, Grid

KSpace = NDArray[np.complex64]
OVERSAMPLING = 2
FINENESS = 2  # how many drawn pixels there are across one of the scan


def combined_picture(kspace: KSpace, size: tuple[int, int]) -> Field:
    """k-space (coil, readout, phase) → the picture that all coils make together, float32 (y, x)."""
    return root_sum_of_squares(centre_crop(ifft2c(kspace), size))


@dataclass(frozen=True)
class Protocol:
    """What is set at the console. `lines` of the `phase` columns are measured, the rest stays zero."""

    size: int
    phase: int
    lines: int
    coils: int
    pixel: float
    noise: float
    field_strength: float = 2.8936
    slice_mm: float = 5.0
    scale: float = 2.0**-12

    @property
    def readout(self) -> int:
        return OVERSAMPLING * self.size

    @property
    def field_of_view(self) -> tuple[float, float]:
        """Along the readout before it is doubled, and along the phase encoding, in mm."""
        return self.size * self.pixel, self.phase * self.pixel

    def grid(self, height: float) -> Grid:
        """Pixels fine enough to draw on, `height` mm of them along the readout."""
        fine = self.pixel / FINENESS
        return Grid(2 * round(height / fine / 2), FINENESS * self.phase, fine)

    @property
    def measured(self) -> slice:
        """The measured columns: `padding_left` and `padding_right` of the fastMRI format."""
        left = self.phase // 2 - self.lines // 2
        return slice(left, left + self.lines)


class Scanner:
    """One patient in the coil. Coils are loops at (y, x, depth) mm around the middle of the patient."""

    def __init__(self, protocol: Protocol, rng: np.random.Generator, loops: Field) -> None:
        self.protocol = protocol
        self.rng = rng
        rows, columns = protocol.readout, protocol.phase
        self.y = ((np.arange(rows, dtype=np.float32) - rows // 2) * np.float32(protocol.pixel))[:, None]
        self.x = ((np.arange(columns, dtype=np.float32) - columns // 2) * np.float32(protocol.pixel))[None, :]
        self.loops = loops
        self.tuning = rng.uniform(0.9, 1.1, len(loops)) * np.exp(2j * np.pi * rng.random(len(loops)))
        self.background = background_phase(self.y, self.x, rng)

    def sensitivities(self, depth: float) -> KSpace:
        """Each loop hears best what is near it: complex64 (coil, readout, phase)."""
        reach = 0.62 * float(np.linalg.norm(self.loops, axis=1).mean())
        maps = np.empty((len(self.loops), self.y.size, self.x.size), np.complex64)
        for index, ((ly, lx, lz), tune) in enumerate(zip(self.loops, self.tuning, strict=True)):
            dy, dx = self.y - ly, self.x - lx
            distance = (dy**2 + dx**2 + (depth - lz) ** 2) / reach**2
            turn = (self.y * lx - self.x * ly) / reach**2 * 0.5
            maps[index] = (1 + distance) ** -1.15 * np.exp(1j * turn) * tune
        return maps

    def acquire(self, picture: Field, depth: float = 0.0) -> KSpace:
        """The anatomy, drawn finer than the scan can see → k-space (coil, readout, phase)."""
        p = self.protocol
        coarse = self.resolve(picture) * self.background
        sampled = fft2c(coarse * self.sensitivities(depth))
        sampled += (
            np.float32(p.noise)
            * self.rng.standard_normal((*sampled.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
        )
        sampled[..., : p.measured.start] = 0
        sampled[..., p.measured.stop :] = 0
        return digitise(sampled, p.noise) * np.float32(p.scale)

    def resolve(self, picture: Field) -> KSpace:
        """What the scan's matrix can hold of the picture: the centre of its spectrum, truncation ripples included."""
        p = self.protocol
        canvas = np.zeros((FINENESS * p.readout, FINENESS * p.phase), np.float32)
        top, left = (canvas.shape[0] - picture.shape[0]) // 2, (canvas.shape[1] - picture.shape[1]) // 2
        canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        return ifft2c(centre_crop(fft2c(canvas), (p.readout, p.phase))) / np.float32(FINENESS)


def ring(coils: int, radius: tuple[float, float], turn: float) -> Field:
    """Loops on an ellipse in the plane of an axial section."""
    angles = turn + 2 * np.pi * np.arange(coils) / coils
    return np.stack([radius[0] * np.cos(angles), radius[1] * np.sin(angles), 0 * angles], axis=1).astype(np.float32)


def sleeve(coils: int, radius: float, half_length: float, turn: float) -> Field:
    """Loops around a leg, in two staggered rows above and below the middle of a coronal section."""
    angles = turn + 2 * np.pi * np.arange(coils) / coils
    height = np.where(np.arange(coils) % 2, half_length, -half_length)
    return np.stack([height, radius * np.sin(angles), radius * np.cos(angles)], axis=1).astype(np.float32)


def background_phase(y: Field, x: Field, rng: np.random.Generator) -> KSpace:
    """The slowly varying phase that field inhomogeneity leaves."""
    a, b, c, d, e = rng.uniform(-1, 1, 5)
    v, u = y / 120, x / 120
    return np.exp(
        1j * (0.8 * a * v + 0.8 * b * u + 0.7 * c * u * v + 0.7 * d * (u**2 - v**2) + 0.5 * e * (u**3 - v))
    ).astype(np.complex64)


def digitise(signal: KSpace, noise: float) -> KSpace:
    """The converter's fixed step, far below the noise: it is why real k-space compresses at all."""
    step = np.float32(2.0 ** np.floor(np.log2(noise / 16)))
    return (np.round(signal.view(np.float32) / step) * step + np.float32(0.0)).view(np.complex64)


def emulate_single_coil(kspace: KSpace, protocol: Protocol) -> KSpace:
    """One coil from many: the fixed weights whose sum best resembles the combined picture. → (readout, phase)"""
    images = centre_crop(ifft2c(kspace), (protocol.size, protocol.size))[:, ::4, ::4].reshape(len(kspace), -1)
    combined = np.sqrt((np.abs(images) ** 2).sum(axis=0))
    strongest = images[np.abs(images).sum(axis=1).argmax()]
    reference = combined * np.exp(1j * np.angle(strongest))
    weights = np.linalg.lstsq(images.T, reference, rcond=None)[0]
    single = np.tensordot(weights / protocol.scale, kspace, axes=1).astype(np.complex64)
    return digitise(single, protocol.noise) * np.float32(protocol.scale)
