"""What an axial slice at the height of the eyes shows in front of the brain: orbits, nose and the bone between.

Drawn in the template's millimetres: x to the right, y to the front.
"""

from collections.abc import Callable

import numpy as np

from portal.sample.fields import Field, Grid, smoothstep
from portal.sample.shapes import Points, line_distance, polygon_distance
from portal.sample.skull import BONE, CENTRE, Contrast

EYE = (32.0, 55.5, -34.0)
EYE_RADIUS = 12.0


def _points(*pairs: tuple[float, float]) -> Points:
    return np.array(pairs, np.float32)


BONES = _points((0, 8), (22, 8), (40, 14), (56, 30), (58, 44), (51, 54), (40, 62), (20, 66), (14, 80), (0, 84))
ORBIT = _points((15, 24), (26, 30), (40, 44), (48, 54), (46, 60), (32, 66), (20, 66), (16.5, 58), (15, 40))
AIR = _points((0, 12), (9, 13), (12, 24), (12.5, 45), (13, 62), (9, 72), (4, 76), (0, 76))
OPTIC_NERVE = _points((14, 24), (20, 34), (27, 42), (30.5, 45.5))
MEDIAL_RECTUS = _points((15.5, 27), (17.5, 40), (19, 50), (21, 57))
LATERAL_RECTUS = _points((19, 29), (31, 39), (41, 48), (44, 56))


def draw_face(picture: Field, c: Contrast, grid: Grid, rng: np.random.Generator, z: float) -> None:
    """Paints over the fat in front of the skull; left and right alike."""
    x, y = np.abs(grid.x), grid.y + np.float32(CENTRE[1])

    def paint(distance: Field, value: Field | float, soft: float = 0.6) -> None:
        picture[...] += smoothstep(soft / 2, -soft / 2, distance) * (value - picture)

    marrow = 0.5 * c.marrow * np.clip(0.7 + 0.5 * grid.noise(rng, 2.5), 0, 2)
    solid = polygon_distance(x, y, BONES)
    paint(solid, BONE)
    paint(solid + 2.2, marrow, 1.5)
    paint(np.hypot((x - 62) / 7, (y - 22) / 18) * 7 - 7, c.muscle * (1 + 0.1 * grid.noise(rng, 0.6, 1.5)), 1.0)
    orbit = polygon_distance(x, y, ORBIT)
    paint(orbit - 1.0, BONE)
    paint(orbit, c.fat * (1 + 0.05 * grid.noise(rng, 1.0)), 1.0)
    air = polygon_distance(x, y, AIR)
    lining = smoothstep(0.22, 0.05, np.abs(grid.noise(rng, 2.6)))
    paint(air, 0.02 + 0.8 * c.grey * lining, 0.8)
    paint(np.abs(air + 0.3) - 0.6, 0.8 * c.grey)
    for path, half in ((MEDIAL_RECTUS, 1.9), (LATERAL_RECTUS, 1.8)):
        widths = half * np.array([0.55, 1, 1, 0.5], np.float32)
        paint(line_distance(x, y, path, widths), c.muscle, 0.8)
    nerve = line_distance(x, y, OPTIC_NERVE)
    paint(nerve - 2.7, 0.5 * c.fluid + 0.5 * c.fat, 0.8)
    paint(nerve - 1.7, c.white, 0.8)
    draw_eye(paint, c, x, y, z)


def draw_eye(paint: Callable[[Field, float, float], None], c: Contrast, x: Field, y: Field, z: float) -> None:
    radius = float(np.sqrt(max(EYE_RADIUS**2 - (z - EYE[2]) ** 2, 0)))
    if radius < 3:
        return
    eye = np.hypot(x - EYE[0], y - EYE[1]) - radius
    paint(eye - 0.3, 0.35 * c.muscle, 0.6)
    paint(eye + 0.9, c.vitreous, 0.6)
    lens = np.hypot((x - EYE[0]) / 4.6, (y - EYE[1] - 0.62 * radius) / 2.1) * 2.1 - 2.1
    paint(lens, 0.55 * c.grey + 0.25 * c.white, 0.7)
