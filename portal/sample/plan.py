"""Which people are scanned, and into which archives their scans go."""

from dataclasses import dataclass

import numpy as np

from portal.sample import head, knee, texts
from portal.sample.nifti import load_template
from portal.sample.scanner import Protocol, Scanner, ring, sleeve
from portal.sample.volumes import Scan

KNEE_FIELD = 150.0
HEAD_FIELD = 230.0
MATRIX = 256


@dataclass(frozen=True)
class Examination:
    """One person in the scanner: everything that is random follows from the seed."""

    name: str
    acquisition: str
    seed: int
    positions: tuple[float, ...]
    coils: int = 4
    field_strength: float = 2.89

    @property
    def of_knee(self) -> bool:
        return self.acquisition in knee.CONTRASTS

    def protocol(self, matrix: int) -> Protocol:
        """Knees are seen on a wider field along the phase encoding, since a leg is wider than its picture."""
        weak = self.field_strength < 2
        if self.of_knee:
            noise = (0.016 if "FS" in self.acquisition else 0.026) * (1.4 if weak else 1)
            shape, field, slice_mm = (matrix * 9 // 8, matrix * 17 // 16), KNEE_FIELD, 3.0
        else:
            noise = (0.026 if self.acquisition in ("AXFLAIR", "AXT2") else 0.030) * (1.4 if weak else 1)
            shape, field, slice_mm = (matrix, matrix * 15 // 16), HEAD_FIELD, 5.0
        return Protocol(matrix, *shape, self.coils, field / matrix, noise, self.field_strength, slice_mm)

    def scan(self, matrix: int = MATRIX) -> Scan:
        """The whole examination on a matrix of that many pixels each way."""
        rng = np.random.default_rng([self.seed, 5])
        protocol = self.protocol(matrix)
        parts = self.scan_knee(protocol, rng) if self.of_knee else self.scan_head(protocol, rng)
        return Scan(self.name, self.acquisition, protocol, np.stack(parts))

    # Pictures are turned upside down before they are scanned: the real files hold their rows so.

    def scan_knee(self, protocol: Protocol, rng: np.random.Generator) -> list[np.ndarray]:
        contrast = knee.CONTRASTS[self.acquisition]
        person = knee.Knee(self.seed, contrast, left=self.seed % 2 == 1, bruise=self.seed % 3 == 0)
        scanner = Scanner(protocol, rng, sleeve(self.coils, 92, 42, float(rng.uniform(0, 2 * np.pi))))
        grid = protocol.grid(1.2 * KNEE_FIELD)
        return [scanner.acquire(person.draw(grid, depth)[::-1], depth) for depth in self.positions]

    def scan_head(self, protocol: Protocol, rng: np.random.Generator) -> list[np.ndarray]:
        person = head.Person(self.seed, head.CONTRASTS[self.acquisition])
        scanner = Scanner(protocol, rng, ring(self.coils, (130, 114), float(rng.uniform(0, 2 * np.pi))))
        grid = protocol.grid(HEAD_FIELD)
        template = load_template()
        return [scanner.acquire(person.draw(template, grid, z)[::-1], (z - 15) / 2) for z in self.positions]


@dataclass(frozen=True)
class ArchivePlan:
    """One archive: its name, and what becomes of the scans in it."""

    name: str
    split: str
    folder: str
    kind: str = "multi-coil"


@dataclass(frozen=True)
class Batch:
    """Scans that are made once and go into one archive or more."""

    examinations: tuple[Examination, ...]
    archives: tuple[ArchivePlan, ...]


@dataclass(frozen=True)
class DatasetPlan:
    slug: str
    name: str
    version: str
    summary: str
    description: str
    anatomy: str
    citation: str
    notes: str
    batches: tuple[Batch, ...]


def knees(first: int, *acquisitions: str, depths: tuple[float, ...]) -> tuple[Examination, ...]:
    return tuple(
        Examination(
            f"file{1000000 + number}.h5", acquisition, number, depths, field_strength=1.49 if number % 4 == 3 else 2.89
        )
        for number, acquisition in enumerate(acquisitions, first)
    )


def brains(first: int, *acquisitions: tuple[str, int], heights: tuple[float, ...]) -> tuple[Examination, ...]:
    return tuple(
        Examination(
            f"file_brain_{acquisition}_{200 + number % 4}_{6002000 + number}.h5",
            acquisition,
            number,
            heights,
            coils,
            1.49 if number % 4 == 3 else 2.89,
        )
        for number, (acquisition, coils) in enumerate(acquisitions, first)
    )


KNEE = DatasetPlan(
    slug="knee",
    name="Knee",
    version="2.0",
    summary=texts.KNEE_SUMMARY,
    description=texts.KNEE_DESCRIPTION,
    anatomy="Knee, coronal",
    citation=texts.FORMAT_CITATION,
    notes=texts.KNEE_NOTES,
    batches=(
        Batch(
            knees(1, "CORPD_FBK", depths=(-4, 5)),
            (ArchivePlan("knee_sample.tar", "sample", "knee_sample"),),
        ),
        Batch(
            knees(2, "CORPD_FBK", "CORPDFS_FBK", depths=(-13, -5, 3, 11)),
            (ArchivePlan("knee_multicoil_train.tar.xz", "train", "multicoil_train"),),
        ),
        Batch(
            knees(4, "CORPD_FBK", "CORPDFS_FBK", depths=(-12, -3, 6, 40)),
            (
                ArchivePlan("knee_multicoil_val.tar.xz", "validation", "multicoil_val"),
                ArchivePlan("knee_singlecoil_val.tar.gz", "validation", "singlecoil_val", "single-coil"),
            ),
        ),
        Batch(
            knees(6, "CORPDFS_FBK", "CORPD_FBK", depths=(-9, 0, 9)),
            (ArchivePlan("knee_multicoil_test.tar.gz", "test", "multicoil_test", "test"),),
        ),
    ),
)

BRAIN = DatasetPlan(
    slug="brain",
    name="Brain",
    version="2.0",
    summary=texts.BRAIN_SUMMARY,
    description=texts.BRAIN_DESCRIPTION,
    anatomy="Brain, axial",
    citation=f"{texts.FORMAT_CITATION}\n{texts.TEMPLATE_CITATION}",
    notes=texts.BRAIN_NOTES,
    batches=(
        Batch(
            brains(1, ("AXT1", 4), heights=(4, 22)),
            (ArchivePlan("brain_sample.tar", "sample", "brain_sample"),),
        ),
        Batch(
            brains(2, ("AXT2", 4), ("AXFLAIR", 4), ("AXT1", 4), heights=(-33, -10, 8, 30)),
            (ArchivePlan("brain_multicoil_train.tar.xz", "train", "multicoil_train"),),
        ),
        Batch(
            brains(5, ("AXT1POST", 8), ("AXT2", 4), heights=(-14, 6, 26)),
            (ArchivePlan("brain_multicoil_val.tar.gz", "validation", "multicoil_val"),),
        ),
        Batch(
            brains(7, ("AXT2", 4), ("AXFLAIR", 4), heights=(-33, 0, 20)),
            (ArchivePlan("brain_multicoil_test.tar.gz", "test", "multicoil_test", "test"),),
        ),
    ),
)

PLANS = (KNEE, BRAIN)
