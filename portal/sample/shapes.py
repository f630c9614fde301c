"""Signed distances to drawn outlines: negative inside, millimetres, float32 (y, x).

Distances to outlines are computed on a coarse grid and interpolated by cubics: they are smooth where it matters.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from portal.sample.fields import Field, Grid

Points = NDArray[np.float32]  # (point, 2): x, y
Outlines = dict[float, Points]  # by depth


def spline(points: Points, steps: int = 4, closed: bool = True) -> Points:
    """A smooth line through the points (Catmull-Rom), `steps` pieces between two of them."""
    if closed:
        p = np.concatenate([points[-1:], points, points[:2]])
    else:
        p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = (np.arange(steps, dtype=np.float32) / steps)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None, :] for i in range(4))
    line = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    line = line.reshape(-1, 2)
    return (line if closed else np.concatenate([line, points[-1:]])).astype(np.float32)


def between(outlines: Outlines, depth: float) -> Points:
    """The outline at a depth between those that were drawn, which have equally many points."""
    depths = sorted(outlines)
    stack = np.array([outlines[d] for d in depths], np.float32)
    flat = stack.reshape(len(depths), -1)
    at = [np.interp(depth, depths, column) for column in flat.T]
    return np.array(at, np.float32).reshape(-1, 2)


def polygon_distance(x: Field, y: Field, polygon: Points) -> Field:
    """Signed distance to a closed polygon."""
    nearest = np.full(x.shape, np.inf, np.float32)
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        ex, ey = bx - ax, by - ay
        wx, wy = x - ax, y - ay
        t = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey + np.float32(1e-9)), 0, 1)
        np.minimum(nearest, (wx - t * ex) ** 2 + (wy - t * ey) ** 2, out=nearest)
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (wx < wy * ex / ey)
    return np.where(inside, -1, 1) * np.sqrt(nearest)


def line_distance(x: Field, y: Field, line: Points, widths: Field | None = None) -> Field:
    """Distance to an open line, less the half width that runs along it."""
    best = np.full(x.shape, np.inf, np.float32)
    radii = np.zeros(len(line), np.float32) if widths is None else widths
    for a, b, ra, rb in zip(line[:-1], line[1:], radii[:-1], radii[1:], strict=True):
        ex, ey = b - a
        wx, wy = x - a[0], y - a[1]
        t = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey + np.float32(1e-9)), 0, 1)
        np.minimum(best, np.hypot(wx - t * ex, wy - t * ey) - (ra + t * (rb - ra)), out=best)
    return best


@lru_cache(maxsize=16)
def cubic_taps(fine: int, coarse: int) -> tuple[tuple[NDArray[np.intp], Field], ...]:
    """For each of `fine` places along a line of `coarse` samples: four neighbours and their weights."""
    place = np.clip((np.arange(fine) + 0.5) * coarse / fine - 0.5, 0, coarse - 1)
    base = np.minimum(np.floor(place), coarse - 2).astype(np.intp)
    t = place - base
    weights = (
        (-t + 2 * t**2 - t**3) / 2,
        1 - 2.5 * t**2 + 1.5 * t**3,
        (t + 4 * t**2 - 3 * t**3) / 2,
        (t**3 - t**2) / 2,
    )
    return tuple(
        (np.clip(base + step, 0, coarse - 1), weight.astype(np.float32))
        for step, weight in zip((-1, 0, 1, 2), weights, strict=True)
    )


def refine(field: Field, grid: Grid) -> Field:
    """A coarse field on a finer grid over the same area. Not a matrix product: its threads would fight the pool's."""
    wide = np.zeros((len(field), grid.columns), np.float32)
    for index, weight in cubic_taps(grid.columns, field.shape[1]):
        wide += field[:, index] * weight
    fine, rows = np.zeros((grid.rows, grid.columns), np.float32), np.empty((grid.rows, grid.columns), np.float32)
    for index, weight in cubic_taps(grid.rows, len(field)):
        np.take(wide, index, axis=0, out=rows, mode="clip")
        rows *= weight[:, None]
        fine += rows
    return fine
