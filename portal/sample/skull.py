"""Skull and scalp around a brain: layers in polar coordinates about the middle of the head."""

from dataclasses import dataclass

import numpy as np

from portal.sample.fields import Field, Grid, smoothstep

CENTRE = (0.0, -18.0)
ANGLES = 720
BONE = 0.035


@dataclass(frozen=True)
class Contrast:
    """How bright each tissue is, white matter about 0.9 in a T1-weighted picture."""

    white: float
    grey: float
    fluid: float
    fat: float
    marrow: float
    skin: float
    muscle: float
    blood: float
    dura: float
    iron: float
    vitreous: float


@dataclass(frozen=True)
class Shells:
    """The layers around the brain: distance from the inner table of the skull, outward positive, and thicknesses."""

    depth: Field
    skull: Field
    scalp: Field
    muscle: Field
    marrow: Field

    @property
    def inside(self) -> Field:
        return smoothstep(0.4, -0.4, self.depth)

    @classmethod
    def around(cls, brain: Field, grid: Grid, rng: np.random.Generator, z: float) -> "Shells":
        """The layers at height `z`: thicker behind, thinner at the temples, where the muscle lies."""
        theta = np.linspace(-np.pi, np.pi, ANGLES, endpoint=False).astype(np.float32)
        inner = brain_radius(brain, grid, theta) + 0.9
        side = np.abs(np.sin(theta))  # 0 at the face and the back of the head, 1 at the ears
        front = np.cos(theta)
        temple = np.exp(-(((np.abs(theta) - 1.15) / 0.42) ** 2)) * np.clip((40 - z) / 40, 0, 1)
        skull = 7.5 - 2.0 * side + 1.2 * np.clip(-front, 0, 1) - 2.6 * temple + ripple(theta, rng, 0.5)
        scalp = 5.6 + 1.2 * np.clip(-front, 0, 1) - 0.6 * np.clip(front, 0, 1) + ripple(theta, rng, 0.5)
        muscle = 9.0 * temple
        marrow = np.clip(1.0 - 0.8 * temple + ripple(theta, rng, 0.15), 0.1, 1)
        outer = smooth_angles(inner + skull + scalp + muscle, 9)
        if z < -20:
            outer = smooth_angles(np.maximum(outer, face_radius(theta)), 16)
        scalp = np.maximum(outer - inner - skull - muscle, 3.0)
        angle, radius = np.arctan2(grid.x, grid.y), np.hypot(grid.x, grid.y)
        lines = (inner, skull, scalp, muscle, marrow)
        at = [np.interp(angle, theta, line, period=2 * np.pi).astype(np.float32) for line in lines]
        return cls(radius - at[0], *at[1:])

    def draw(self, c: Contrast, grid: Grid, rng: np.random.Generator) -> Field:
        """Everything outside the brain: air, skin, fat, muscle, bone with its marrow."""
        picture = np.zeros_like(self.depth)
        half = grid.pixel / 2
        outer = self.skull + self.muscle + self.scalp
        flesh = self.skull + self.muscle

        def paint(low: Field | float, high: Field | float, value: Field | float) -> None:
            alpha = smoothstep(low - half, low + half, self.depth) * smoothstep(high + half, high - half, self.depth)
            picture[...] += alpha * (value - picture)

        paint(self.skull, outer, c.skin)
        paint(flesh, outer - 1.5, c.fat * (1 + 0.07 * grid.noise(rng, 0.8, 2.0)))
        paint(self.skull, flesh, c.muscle * (1 + 0.10 * grid.noise(rng, 0.6, 1.5)))
        paint(flesh, flesh + 0.7, 0.35 * c.fat)
        vessels = smoothstep(2.6, 3.0, grid.noise(rng, 0.55)) * smoothstep(0, 1, self.depth - self.skull)
        picture *= 1 - 0.8 * vessels
        paint(-0.2, self.skull, BONE)
        table = 1.5 + 0.25 * grid.noise(rng, 6.0)
        spongy = self.marrow * c.marrow * np.clip(0.8 + 0.2 * grid.noise(rng, 0.7, 1.6, 7.0), 0, 1.5)
        paint(table, self.skull - table, spongy)
        return picture


def brain_radius(brain: Field, grid: Grid, theta: Field) -> Field:
    """How far the brain reaches from the centre in each direction, its fissures bridged: what the skull lies on."""
    rays = np.arange(20, 112, 0.5, dtype=np.float32)
    column = np.clip(rays[:, None] * np.sin(theta) / grid.pixel + grid.columns / 2, 0, grid.columns - 1)
    row = np.clip(grid.rows / 2 - rays[:, None] * np.cos(theta) / grid.pixel, 0, grid.rows - 1)
    hit = brain[row.astype(np.int32), column.astype(np.int32)] > 0.5
    reach = np.where(hit.any(axis=0), rays[len(rays) - 1 - hit[::-1].argmax(axis=0)], np.float32(40))
    span = ANGLES // 60
    bridged = np.max([np.roll(reach, shift) for shift in range(-span, span + 1)], axis=0)
    return smooth_angles(bridged, 22)


def face_radius(theta: Field) -> Field:
    """The outline of the head at the height of the eyes: an oval, flat over the eyes, with the bridge of the nose."""
    x, y = np.sin(theta), np.cos(theta)
    oval = 1 / np.sqrt((x / 76) ** 2 + (np.clip(y, 0, 1) / 99) ** 2 + (np.clip(-y, 0, 1) / 90) ** 2)
    nose = 7 * np.exp(-((theta / 0.13) ** 2)) - 2 * np.exp(-(((np.abs(theta) - 0.30) / 0.10) ** 2))
    return (oval + nose).astype(np.float32)


def smooth_angles(line: Field, harmonics: int) -> Field:
    spectrum = np.fft.rfft(line)
    order = np.arange(len(spectrum))
    return np.fft.irfft(spectrum * np.exp(-((order / harmonics) ** 2)), len(line)).astype(np.float32)


def ripple(theta: Field, rng: np.random.Generator, amplitude: float) -> Field:
    orders = np.arange(1, 8)
    phases = rng.uniform(0, 2 * np.pi, orders.size)
    return (amplitude * np.cos(orders[:, None] * theta + phases[:, None]).mean(axis=0) * 2).astype(np.float32)
