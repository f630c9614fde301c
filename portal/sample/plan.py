"""Which scans are simulated, and into which archives they go."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from portal.sample import head, knee
from portal.sample.nifti import load_template
from portal.sample.scanner import Protocol, Scanner, ring, sleeve
from portal.sample.volumes import Scan

KNEE_FIELD = 150.0
HEAD_FIELD = 230.0


@dataclass(frozen=True)
class Examination:
    """One person in the scanner: everything that is random follows from the seed."""

    name: str
    acquisition: str
    seed: int
    positions: tuple[float, ...]
    coils: int = 4
    field_strength: float = 2.8936

    def protocol(self, size: int) -> Protocol:
        if self.acquisition in knee.CONTRASTS:
            noise = 0.022 if "FS" in self.acquisition else 0.028
            phase, lines, field = size * 9 // 8, size * 17 // 16, KNEE_FIELD
        else:
            noise = 0.030 if self.acquisition in ("AXFLAIR", "AXT2") else 0.034
            phase, lines, field = size, size * 15 // 16, HEAD_FIELD
        noise *= 1.0 if self.field_strength > 2 else 1.5
        slice_mm = 3.0 if self.acquisition in knee.CONTRASTS else 5.0
        return Protocol(size, phase, lines, self.coils, field / size, noise, self.field_strength, slice_mm)

    def scan(self, size: int) -> Scan:
        """The whole examination on a matrix of `size` × `size` pixels.

        The pictures are turned upside down before they are scanned, since the real files hold them so.
        """
        protocol = self.protocol(size)
        rng = np.random.default_rng([self.seed, 5])
        turn = float(rng.uniform(0, 2 * np.pi))
        if self.acquisition in knee.CONTRASTS:
            person = knee.Knee(self.seed, knee.CONTRASTS[self.acquisition], left=self.seed % 2 == 1, bruise=self.seed % 3 == 0)
            scanner = Scanner(protocol, rng, sleeve(self.coils, 82, 42, turn))
            grid = protocol.grid(1.5 * KNEE_FIELD)
            pictures = (person.draw(grid, position) for position in self.positions)
        else:
            patient = head.Person(self.seed, head.CONTRASTS[self.acquisition])
            scanner = Scanner(protocol, rng, ring(self.coils, (128, 112), turn))
            grid = protocol.grid(HEAD_FIELD)
            pictures = (patient.draw(load_template(), grid, position) for position in self.positions)
        kspace = [
            scanner.acquire(picture[::-1], position / 2) for picture, position in zip(pictures, self.positions, strict=True)
        ]
        return Scan(self.name, self.acquisition, protocol, np.stack(kspace))
