"""A coronal section of a knee, painted from the skin inwards with the brightness that a scan would give each tissue."""

from dataclasses import dataclass, field

import numpy as np

from portal.sample import knee_outlines as drawn
from portal.sample.fields import Field, Grid, Waves, smoothstep
from portal.sample.knee_section import Section, cut, path_distance
from portal.sample.shapes import Points, line_distance, spline

CARTILAGE = 2.4


@dataclass(frozen=True)
class Contrast:
    """How bright each tissue is."""

    fat: float
    marrow: float
    muscle: float
    cartilage: float
    fluid: float
    meniscus: float
    ligament: float
    cortex: float
    skin: float
    vein: float


CONTRASTS = {
    "CORPD_FBK": Contrast(0.95, 0.76, 0.37, 0.58, 0.80, 0.09, 0.11, 0.04, 0.40, 0.22),
    "CORPDFS_FBK": Contrast(0.18, 0.125, 0.33, 0.54, 0.92, 0.07, 0.08, 0.04, 0.28, 0.75),
}


@dataclass
class Canvas:
    """A picture that is painted from the back to the front."""

    section: Section
    signal: Field
    rng: np.random.Generator

    def paint(self, distance: Field, value: Field | float, softness: float = 0.0) -> None:
        """Fill where the distance is negative, the edge one pixel wide or as soft as asked."""
        half = max(self.section.grid.pixel, softness) / 2
        self.tint(smoothstep(half, -half, distance), value)

    def tint(self, alpha: Field, value: Field | float) -> None:
        difference = value - self.signal
        difference *= alpha
        self.signal += difference

    def noise(self, *scales: float) -> Field:
        return self.section.grid.noise(self.rng, *scales)

    def streaks(self, width: float, length: float, slope: float = 0.0) -> Field:
        return self.section.grid.streaks(self.rng, width, length, slope)


@dataclass(frozen=True)
class Knee:
    """One person's knee; everything follows from the seed."""

    seed: int
    contrast: Contrast
    left: bool = False
    bruise: bool = False
    size: float = field(init=False)
    bend: Waves = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 11])
        object.__setattr__(self, "bend", Waves(rng, (50, 120), 1.2))
        object.__setattr__(self, "size", 1 + 0.05 * float(rng.uniform(-1, 1)))

    def draw(self, grid: Grid, depth: float) -> Field:
        """One section's signal, `depth` mm before the middle of the joint."""
        section = cut(grid, depth, self.size, self.bend)
        rng = np.random.default_rng([self.seed, 12, round(depth * 10) + 1000])
        canvas = Canvas(section, np.zeros_like(section.x), rng)
        self.draw_fat(canvas, section)
        self.draw_muscles(canvas, section)
        self.draw_joint(canvas, section)
        self.draw_cartilage(canvas, section)
        self.draw_menisci(canvas, section)
        self.draw_bones(canvas, section)
        self.draw_cruciates(canvas, section)
        self.draw_bands(canvas, section)
        end = grid.rows * grid.pixel / 2
        canvas.signal *= smoothstep(end, end - 12, np.abs(grid.y))
        return canvas.signal[:, ::-1] if self.left else canvas.signal

    def draw_fat(self, canvas: Canvas, s: Section) -> None:
        c = self.contrast
        canvas.paint(s.skin, c.skin)
        septa = np.zeros_like(s.x)
        shallow = smoothstep(-3, 0, s.fascia)
        for slope in (0.5, -0.5):
            lines = smoothstep(0.13, 0.0, np.abs(canvas.streaks(1.7, 5.0, slope)))
            septa = np.maximum(septa, lines * smoothstep(-0.2, 1.2, canvas.noise(6.0)) * shallow)
        fat = c.fat * (1 + 0.045 * canvas.noise(2.0, 5.0)) * (1 - 0.17 * septa)
        canvas.paint(s.skin + 1.7, fat, 0.8)
        veins = smoothstep(2.75, 3.0, canvas.noise(0.9)) * smoothstep(3, 5, -s.skin) * smoothstep(-1, 1, s.fascia)
        canvas.tint(veins, c.vein)
        sheet = smoothstep(0.8, 0.2, np.abs(s.fascia + 0.4 * canvas.noise(5.0))) * smoothstep(16, 30, np.abs(s.x))
        canvas.tint(sheet * np.clip(0.55 + 0.25 * canvas.noise(4.0), 0, 0.9), 0.3 * c.fat)
        deep = smoothstep(0, -2, s.fascia)
        canvas.signal *= 1 - deep * (0.10 + 0.05 * canvas.noise(1.2, 4.0))

    def draw_muscles(self, canvas: Canvas, s: Section) -> None:
        c = self.contrast
        bones = s.bones
        for index, outline in enumerate(s.muscles):
            lean = 0.14 if index % 2 else -0.14
            fibres = canvas.streaks(0.7, 9.0, lean)
            strands = smoothstep(1.4, 2.6, canvas.streaks(0.55, 8.0, lean)) + smoothstep(
                1.8, 2.3, canvas.streaks(1.0, 16.0, lean)
            )
            belly = np.maximum(np.maximum(outline + 0.9 * canvas.noise(4.0), s.fascia + 0.9), 1.8 - bones)
            flesh = c.muscle * (1 + 0.10 * fibres + 0.06 * canvas.noise(4.0))
            canvas.paint(belly, flesh + np.minimum(strands, 1) * 0.5 * (c.fat - flesh), 1.6)

    def draw_joint(self, canvas: Canvas, s: Section) -> None:
        """The capsule with its fat, the notch, and the fluid between the bones."""
        c, x, z = self.contrast, s.x, s.z
        synovium = (0.5 * c.fat + 0.5 * c.muscle) * (1 + 0.12 * canvas.noise(1.0, 2.5))
        between = np.maximum(np.maximum(s.femur, s.tibia) - 14, np.abs(x) - 41)
        canvas.paint(np.maximum(between, np.abs(z - 3) - 12), synovium, 3.0)
        notch = (np.hypot(x / 12, (z - 8) / 17) - 1) * 12 + np.float32(0.5 * max(s.depth - 10, 0))
        canvas.paint(notch, 0.95 * synovium, 2.5)
        gap = np.maximum(np.maximum(s.femur, s.tibia) - 5.5, np.abs(x) - 38 + 0.3 * abs(s.depth))
        canvas.paint(gap, c.fluid * (0.85 + 0.07 * canvas.noise(1.2)), 1.0)
        gutter = np.maximum(np.abs(s.femur - 1.8) - 0.9, np.maximum(np.abs(z - 9) - 9, 34 - np.abs(x)))
        canvas.paint(gutter, 0.8 * c.fluid + 0.2 * c.muscle, 1.2)

    def draw_cartilage(self, canvas: Canvas, s: Section) -> None:
        """It covers the femur below a line that rises to the front, and the two plateaus of the tibia."""
        c, x, z = self.contrast, s.x, s.z
        gristle = c.cartilage * (1 + 0.06 * canvas.noise(0.8))
        top = s.femur_bottom
        thickness = (
            CARTILAGE
            * smoothstep(top + 12, top + 3, z)
            * smoothstep(8.5 - max(s.depth - 6, 0), 12 - max(s.depth - 6, 0), np.abs(x))
        )
        for distance, layer in (
            (s.femur, thickness),
            (
                s.tibia,
                CARTILAGE * smoothstep(8, 12, np.abs(x)) * smoothstep(37.5, 33, np.abs(x)) * smoothstep(-10, -7, z),
            ),
        ):
            canvas.paint(np.maximum(distance - layer, 0.1 - layer), gristle)
            rim = smoothstep(0.45, 0.1, np.abs(distance - layer)) * smoothstep(1.2, 2.0, layer)
            canvas.tint(0.35 * rim, 0.5 * c.cartilage)
        if s.depth > 30:
            behind = np.maximum(s.patella - 2.0, 0.3 - s.patella)
            canvas.paint(behind, 0.5 * gristle + 0.5 * c.fat, 0.8)

    def draw_menisci(self, canvas: Canvas, s: Section) -> None:
        c, x, z = self.contrast, s.x, s.z
        floor = CARTILAGE + 0.2 - np.minimum(s.femur, s.tibia)
        for side, inner, outer in ((-1, 7.0, 17.2), (1, 8.0, 19.6)):
            dx, dy = side * x - 20.5, (s.depth + 2) * 0.84
            radius = np.hypot(dx, dy)
            middle = 0.5 * (s.tibia - s.femur)  # 0 half way between the bones
            wedge = np.maximum(
                np.maximum(inner - radius, radius - outer), np.abs(middle) - 0.5 * (radius - inner) - 0.3
            )
            wedge = np.maximum(wedge, np.maximum(4 - dx - 1.3 * abs(dy), np.abs(z - 1.5) - 8))
            canvas.paint(np.maximum(wedge, floor), c.meniscus * (1 + 0.25 * canvas.noise(0.9)), 0.7)

    def draw_bones(self, canvas: Canvas, s: Section) -> None:
        c, z = self.contrast, s.z
        marrow = self.marrow(canvas, s)
        shaft = smoothstep(40, 100, np.abs(z))
        for distance, thickness in ((s.femur, 0.8), (s.tibia, 0.8), (s.fibula, 0.8), (s.patella, 0.9)):
            canvas.paint(distance, c.cortex)
            canvas.paint(distance + thickness + 3.0 * shaft, marrow, 0.9)
        lower = 34 + 2.5 * np.cos(s.x / 11) - 0.004 * s.x**2
        upper = -18 + 2.0 * np.cos(s.x / 13) + 0.004 * s.x**2
        for scar, inside in ((lower, s.femur), (upper, s.tibia)):
            line = smoothstep(0.8, 0.1, np.abs(z - scar + 0.5 * canvas.noise(2.5))) * smoothstep(-1, -4, inside)
            canvas.tint(line * np.clip(0.32 + 0.16 * canvas.noise(3.0), 0, 0.6), c.cortex)

    def marrow(self, canvas: Canvas, s: Section) -> Field:
        """Fat between trabeculae, darker islands of red marrow towards the shafts, and where asked a bruise."""
        c = self.contrast
        grain = 0.045 * canvas.noise(0.5) + 0.025 * canvas.streaks(0.45, 2.2) + 0.045 * canvas.noise(1.4, 4.0, 9.0)
        islands = smoothstep(0.2, 2.2, canvas.noise(3.0)) * smoothstep(26, 60, np.abs(s.z))
        hard = 0.14 * np.exp(-np.abs(np.maximum(s.femur, s.tibia)) / 5) * smoothstep(12, 5, np.abs(s.z))
        marrow = c.marrow * (1 + grain) * (1 - 0.20 * islands) * (1 - hard)
        if self.bruise:
            reach = ((s.x - 25) / 11) ** 2 + ((s.z - 13) / 9) ** 2 + ((s.depth - 2) / 14) ** 2
            spot = np.exp(-reach) * np.clip(0.8 + 0.25 * canvas.noise(2.0), 0, 2)
            marrow = marrow + 0.5 * spot * (c.fluid - c.marrow)
        return marrow

    def draw_cruciates(self, canvas: Canvas, s: Section) -> None:
        c, x, z = self.contrast, s.x, s.z
        clear = 0.2 - np.minimum(s.femur, s.tibia)
        stripes = c.ligament + 0.5 * (c.cartilage - c.ligament) * smoothstep(0.2, 1.6, canvas.streaks(0.5, 5.0, -0.5))
        front = path_distance(x, z, s.depth, drawn.ANTERIOR_CRUCIATE, 3.0) - 3.6
        canvas.paint(np.maximum(front, clear), stripes, 1.0)
        back = path_distance(x, z, s.depth, drawn.POSTERIOR_CRUCIATE, 1.5) - 5.0
        canvas.paint(np.maximum(back, clear), c.ligament * (1 + 0.3 * canvas.noise(1.0)), 1.0)

    def draw_bands(self, canvas: Canvas, s: Section) -> None:
        """Collateral ligaments, iliotibial band, popliteus tendon, and in front the extensor's tendons."""
        c, x, z = self.contrast, s.x, s.z
        canvas.paint(path_distance(x, z, s.depth, drawn.FIBULAR_COLLATERAL) - 1.5, c.ligament, 0.6)
        canvas.paint(np.hypot(x + 39.2, (z - 7) / 1.5) - 1.8 + 0.25 * abs(s.depth + 12), c.ligament, 0.6)
        self.draw_band(canvas, drawn.MEDIAL_COLLATERAL, 0.85 - 0.09 * max(abs(s.depth - 1) - 5, 0))
        self.draw_band(canvas, drawn.ILIOTIBIAL_BAND, 0.85 - 0.07 * max(abs(s.depth - 10) - 8, 0))
        strands = c.ligament + 0.25 * smoothstep(0.5, 2.0, canvas.streaks(0.6, 12.0)) * c.muscle
        for width, middle, ends in (
            (13.5 + 0.05 * z, np.interp(z, (-45, 13), (34, 47)), (-48.0, 15.0)),
            (15.0 - 0.04 * (z - 50), np.interp(z, (50, 110), (47, 37)), (46.0, 150.0)),
        ):
            strap = (np.hypot(x / width, (s.depth - middle.astype(np.float32)) / 6) - 1) * 6
            canvas.paint(np.maximum(strap, np.maximum(ends[0] - z, z - ends[1]) * 0.5), strands, 2.5)

    def draw_band(self, canvas: Canvas, path: Points, half_width: float) -> None:
        """A thin band along the bone, tapered at its ends; only its surroundings are computed."""
        s = canvas.section
        if half_width < 0.2:
            return
        line = spline(path, 3, closed=False)
        columns = np.flatnonzero((np.abs(s.x - line[:, 0].mean()) < np.ptp(line[:, 0]) / 2 + 3).any(axis=0))
        part = np.s_[:, columns[0] : columns[-1] + 1]
        taper = np.sin(np.linspace(0.25, np.pi - 0.25, len(line))) ** 0.4
        band = line_distance(s.x[part], s.z[part], line, (half_width * taper).astype(np.float32))
        half = max(s.grid.pixel, 0.6) / 2
        alpha = smoothstep(half, -half, np.maximum(band, 0.3 - s.bones[part]))
        canvas.signal[part] += alpha * (self.contrast.ligament - canvas.signal[part])
