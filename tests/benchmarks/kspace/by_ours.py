"""This project's way: coil by coil from the file into buffers that are used again, two threads."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.kspace.coils import Reconstructor
from datasets.kspace.reader import VolumeFile, open_volume


def picture(path: Path, number: int) -> NDArray[np.float32]:
    with open_volume(path) as volume:
        return reconstructor(volume).stream(partial(volume.read_coil, number), volume.facts.coils or 1)


def pictures(path: Path) -> NDArray[np.float32]:
    with open_volume(path) as volume:
        return reconstructor(volume).volume(volume.read_coil, volume.facts.slices, volume.facts.coils or 1)


def reconstructor(volume: VolumeFile) -> Reconstructor:
    return Reconstructor(volume.facts.readout or 1, volume.facts.phase or 1, volume.size)
