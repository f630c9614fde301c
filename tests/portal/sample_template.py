"""A brain template small enough for tests: a ball of white matter in a shell of grey, in the files of the real one."""

import gzip
import struct
from pathlib import Path

import numpy as np

from portal.sample.nifti import TEMPLATE

SPACING = 1.0
SHAPE = (110, 130, 100)
ORIGIN = (-55.0, -83.0, -45.0)


def write_template(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    axes = np.meshgrid(*(np.arange(n, dtype=np.float32) + o for n, o in zip(SHAPE, ORIGIN, strict=True)), indexing="ij")
    x, y, z = axes
    radius = np.sqrt((x / 46) ** 2 + ((y + 18) / 55) ** 2 + (z / 42) ** 2)
    white, grey = (radius < 0.8).astype(np.float32), ((radius >= 0.8) & (radius < 1)).astype(np.float32)
    for kind, values in (("wm", white), ("gm", grey), ("t1", 0.9 * white + 0.7 * grey)):
        write_nifti(folder / TEMPLATE.format(kind), (values * 255).astype(np.uint8))
    return folder


def write_nifti(path: Path, values: np.ndarray) -> None:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *values.shape, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, *([SPACING] * 8))
    struct.pack_into("<f", header, 108, 352)
    for row, start in enumerate(ORIGIN):
        struct.pack_into(
            "<4f", header, 280 + 16 * row, *(SPACING if row == column else 0 for column in range(3)), start
        )
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header) + values.tobytes(order="F"), 1))
