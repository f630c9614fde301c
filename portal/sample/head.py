"""An axial slice of a head: the MNI152 average made into one person, with the skull and scalp that the template lacks.

The average is mirrored left to right and blurred where people differ. A smooth random displacement of space undoes the
first, sharpening the tissue fractions undoes the second. Skull, marrow, fat, muscle and skin are drawn around the brain
in polar coordinates. Millimetres; x to the right of the picture, y to the face, z to the crown.
"""

from dataclasses import dataclass, field

import numpy as np

from portal.sample.face import draw_face
from portal.sample.fields import Field, Grid, Waves, smoothstep
from portal.sample.nifti import Template
from portal.sample.shapes import refine
from portal.sample.skull import CENTRE, Contrast, Shells

CONTRASTS = {
    "AXT1": Contrast(0.92, 0.59, 0.15, 1.25, 0.75, 0.58, 0.50, 0.30, 0.40, 0.02, 0.20),
    "AXT1POST": Contrast(0.92, 0.61, 0.16, 1.25, 0.75, 0.75, 0.60, 1.35, 1.05, 0.02, 0.20),
    "AXT2": Contrast(0.36, 0.56, 1.25, 0.88, 0.50, 0.40, 0.17, 0.06, 0.22, -0.10, 1.20),
    "AXFLAIR": Contrast(0.50, 0.68, 0.08, 0.95, 0.50, 0.45, 0.24, 0.12, 0.30, -0.06, 0.10),
}
# Nuclei that hold iron: middle and radius (x, y, z) in the template, on both sides.
NUCLEI = (((19, -5, -1), (6, 9, 6)), ((10, -16, -11), (6, 4, 4)), ((5, -20, -8), (3, 3, 4)))


@dataclass(frozen=True)
class Maps:
    """One slice of the template, deformed: tissue fractions, T1 intensity, and where its points came from."""

    grey: Field
    white: Field
    t1: Field
    brain: Field
    place: tuple[Field, Field, Field]


@dataclass(frozen=True)
class Person:
    """What makes one head differ from another; everything follows from the seed."""

    seed: int
    contrast: Contrast
    coarse: Waves = field(init=False)
    fine: Waves = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 1])
        object.__setattr__(self, "coarse", Waves(rng, (90, 180), 1.9))
        object.__setattr__(self, "fine", Waves(rng, (18, 36), 0.9, 10))

    def draw(self, template: Template, grid: Grid, z: float) -> Field:
        """One slice's signal, at height `z` of the template."""
        rng = np.random.default_rng([self.seed, 2, round(z * 10) + 1000])
        maps = self.deform(template, grid, z)
        shells = Shells.around(maps.brain, grid, np.random.default_rng([self.seed, 3]), z)
        picture = shells.draw(self.contrast, grid, rng)
        if z < -20:
            draw_face(picture, self.contrast, grid, rng, z)
        inside = shells.inside
        picture += inside * (self.draw_brain(maps, grid, rng, z) - picture)
        self.draw_sinus(picture, shells, grid)
        return picture

    def deform(self, template: Template, grid: Grid, z: float) -> Maps:
        rough = Grid(round(grid.rows * grid.pixel / 3), round(grid.columns * grid.pixel / 3), 3.0)
        coarse, fine = self.coarse.at(rough.x, rough.y, z), self.fine.at(rough.x, rough.y, z)
        start = (grid.x, grid.y + CENTRE[1], np.full_like(grid.x, z))
        x, y, height = (axis + refine(slow + fast, grid) for axis, slow, fast in zip(start, coarse, fine, strict=True))
        grey, white, t1 = template.sample(x, y, height)
        if z < -29:  # the tips of the frontal lobe that still show here lie above the nose, where the face is drawn
            keep = 1 - smoothstep(8, 12, y) * smoothstep(26, 20, np.abs(x))
            grey, white, t1 = grey * keep, white * keep, t1 * keep
        return Maps(grey, white, t1, smoothstep(0.15, 0.5, np.maximum(grey + white, t1)), (x, y, height))

    def draw_brain(self, maps: Maps, grid: Grid, rng: np.random.Generator, z: float) -> Field:
        c = self.contrast
        grey, white, fluid = sharpen(maps, grid)
        signal = c.grey * grey + c.white * white + c.fluid * fluid
        # The template's own fine structure: nuclei, layers, the grain of the fibres.
        signal += 1.2 * (c.white - c.grey) * (maps.t1 - grid.blur(maps.t1, 2.5)) * (grey + white)
        signal *= 1 + (0.020 * grey + 0.014 * white) * grid.noise(rng, 0.5, 1.2)
        signal += c.iron * iron(maps) * (grey + white)
        vessels = smoothstep(2.1, 2.5, grid.noise(rng, 0.8)) * smoothstep(0.5, 0.9, fluid)
        middle = smoothstep(0.9, 0.3, np.abs(maps.place[0])) * smoothstep(22, 40, np.abs(maps.place[1] + 10))
        falx = middle * smoothstep(0.3, 0.7, fluid) * (0.7 if z > -15 else 0)
        for alpha, value in ((0.8 * vessels, c.blood), (falx, c.dura)):
            signal += alpha * (value - signal)
        if z < -20:  # below, the cavity's outline also holds bone
            bone = smoothstep(0.22, 0.06, grid.blur(maps.brain, 3.5))
            signal += bone * (0.10 * c.fat * np.clip(0.6 + 0.5 * grid.noise(rng, 2.0), 0, 2) - signal)
        return signal

    def draw_sinus(self, picture: Field, shells: Shells, grid: Grid) -> None:
        """The superior sagittal sinus, a small triangle inside the back of the skull."""
        blunt = np.abs(grid.x) - 0.75 * (shells.depth + 5.5)
        sinus = np.maximum(np.maximum(blunt, shells.depth + 0.2), np.where(grid.y < 0, -5.5 - shells.depth, 9))
        picture += smoothstep(0.5, -0.5, sinus) * (self.contrast.blood - picture)


def sharpen(maps: Maps, grid: Grid) -> tuple[Field, Field, Field]:
    """Tissue fractions of one person from those of an average: grey, white, fluid, which add up to one.

    The average fills narrow sulci with grey matter; its T1 intensity still dips there, and gives them back.
    """
    grey, white, t1 = maps.grey, maps.white, maps.t1
    valley = np.clip((grid.blur(t1, 2.0) - t1) / 0.10, 0, 1) * smoothstep(0.25, 0.6, grey) * smoothstep(0.6, 0.3, white)
    dark = np.clip((0.56 - t1) / 0.2, 0, 1) * maps.brain
    fluid = np.clip(1 - grey - white, 0, 1) * 1.15 + 0.55 * valley + 0.8 * dark
    parts = [np.clip(part, 0, 1.3) ** 2.5 for part in (grey, white, fluid)]
    total = parts[0] + parts[1] + parts[2] + np.float32(1e-6)
    return parts[0] / total, parts[1] / total, parts[2] / total


def iron(maps: Maps) -> Field:
    """How much of the iron-rich nuclei is at each point, 0 to 1."""
    x, y, z = maps.place
    total = np.zeros_like(x)
    for middle, radius in NUCLEI:
        away = sum(((axis - m) / r) ** 2 for axis, m, r in zip((np.abs(x), y, z), middle, radius, strict=True))
        total += smoothstep(1.3, 0.6, np.asarray(away, np.float32))
    return np.clip(total, 0, 1)
