"""Where everything is in one coronal section of a knee: signed distances, negative inside, float32 (y, x), mm."""

from dataclasses import dataclass

import numpy as np

from portal.sample import knee_outlines as drawn
from portal.sample.fields import Field, Grid, Waves, smoothstep
from portal.sample.shapes import Outlines, Points, between, polygon_distance, refine, spline

COARSE = 1.5
FEMUR_BOTTOM = ((-24, 3, 16, 28), (8.5, 1.5, 6.5, 17.5))


@dataclass(frozen=True)
class Section:
    """The coordinates of the pixels in the leg, and the distances to its large structures."""

    grid: Grid
    depth: float
    x: Field
    z: Field
    skin: Field
    fascia: Field
    femur: Field
    tibia: Field
    fibula: Field
    patella: Field
    muscles: tuple[Field, ...]

    @property
    def bones(self) -> Field:
        return np.minimum(np.minimum(self.femur, self.tibia), np.minimum(self.fibula, self.patella))

    @property
    def femur_bottom(self) -> float:
        """How high the lowest point of the condyles is at this depth."""
        return float(np.interp(self.depth, *FEMUR_BOTTOM))


def cut(grid: Grid, depth: float, size: float, bend: Waves) -> Section:
    """The section at `depth` of a leg scaled by `size` and bent a little."""
    coarse = Grid(round(grid.rows * grid.pixel / COARSE), round(grid.columns * grid.pixel / COARSE), COARSE)
    dx, dz, _ = bend.at(coarse.x, coarse.y, depth)
    x, z = (coarse.x + dx) / size, (coarse.y + dz) / size
    x = x + 0.07 * np.clip(z - 30, 0, None)  # the thigh leans to the side
    skin = leg(x, z, depth)
    fat = 6.5 + 3.0 * smoothstep(-20, 60, x) + 3.0 * smoothstep(20, 110, z) * smoothstep(0, 40, np.abs(x))
    coarse_fields = {
        "x": x,
        "z": z,
        "skin": skin,
        "fascia": skin + fat,
        "femur": bone(x, z, depth, drawn.FEMUR, (drawn.FEMUR_BACK, drawn.FEMUR_FRONT)),
        "tibia": bone(x, z, depth, drawn.TIBIA, (drawn.TIBIA_BACK, drawn.TIBIA_FRONT)),
        "fibula": fibula(x, z, depth),
        "patella": patella(x, z, depth),
    }
    muscles = [polygon_distance(x, z, spline(between(outlines, depth), 3)) for outlines in drawn.MUSCLES]
    fields = {name: refine(values, grid) for name, values in coarse_fields.items()}
    return Section(grid, depth, **fields, muscles=tuple(refine(muscle, grid) for muscle in muscles))


def leg(x: Field, z: Field, depth: float) -> Field:
    """To the skin: an oval tube, narrow at the joint, wider at the thigh than at the calf."""
    width = 57 + 16 * smoothstep(8, 120, z) + 4.5 * smoothstep(-30, -110, z) + 2.5 * np.exp(-(((z - 18) / 22) ** 2))
    front = 64 + 8 * smoothstep(10, 100, z)
    return np.abs(x - 1.0) - width * np.clip(1 - np.abs(depth / front) ** 2.6, 0.02, 1) ** 0.5


def bone(x: Field, z: Field, depth: float, outlines: Outlines, limits: tuple[Points, Points]) -> Field:
    """To a bone: inside its outline, before its back and behind its front surface, which curve away to the sides."""
    flat = polygon_distance(x, z, spline(between(outlines, depth)))
    back, front = (np.interp(z, line[:, 0], line[:, 1]).astype(np.float32) for line in limits)
    round_off = np.minimum(x * x / 90, 14).astype(np.float32)
    condyles = 5 * np.exp(-np.square((np.abs(x) - 22) / 9)) * smoothstep(70, 30, np.abs(z))
    behind = ((back - condyles + 0.6 * round_off - depth) * 2.5).astype(np.float32)
    return soft_maximum(soft_maximum(flat, behind, 6.0), (depth - front + round_off) * 2.5, 6.0)


def soft_maximum(a: Field, b: Field, radius: float) -> Field:
    """The larger of two distances, the edge where they meet rounded."""
    near = np.clip(radius - np.abs(a - b), 0, None) / radius
    return np.maximum(a, b) + near * near * (radius / 4)


def fibula(x: Field, z: Field, depth: float) -> Field:
    along = np.clip((-14 - z) / 150, 0, 1)
    radius = 5.5 + 4.5 * np.exp(-(((z + 22) / 12) ** 2))
    distance = np.hypot(x + 37 - 4 * along, depth + 19 - 8 * along) - radius
    return np.maximum(distance, z + 13 + 0.03 * (x + 37) ** 2)


def patella(x: Field, z: Field, depth: float) -> Field:
    width = 22.5 + 0.30 * np.clip(z - 30, -22, 12)
    height = np.where(z > 30, 19.0, 22.0)
    shape = np.sqrt(
        (np.abs(x / width) ** 2.2 + np.abs((z - 30) / height) ** 2.2) ** (2 / 2.2) + ((depth - 46) / 14) ** 2
    )
    return (shape - 1) * 18


def path_distance(x: Field, z: Field, depth: float, path: Points, thickness: float = 2.0) -> Field:
    """To a line in space, (x, depth, z) of its corners, seen in a section that shows `thickness` times the depth."""
    best = np.full(x.shape, np.inf, np.float32)
    scale = np.array([1, 1 / thickness, 1], np.float32)
    for a, b in zip(path[:-1] * scale, path[1:] * scale, strict=True):
        e = b - a
        wx, wy, wz = x - a[0], np.float32(depth / thickness) - a[1], z - a[2]
        t = np.clip((wx * e[0] + wy * e[1] + wz * e[2]) / (e @ e), 0, 1)
        squared = (wx - t * e[0]) ** 2 + (wy - t * e[1]) ** 2 + (wz - t * e[2]) ** 2
        np.minimum(best, squared, out=best)
    return np.sqrt(best)
