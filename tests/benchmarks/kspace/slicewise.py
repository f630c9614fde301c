"""How a person reads a volume: a slice at a time, whole, with h5py."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

SIZE = (320, 320)
Reconstruct = Callable[[NDArray[np.complex64]], NDArray[np.float32]]


def picture(reconstruct: Reconstruct, path: Path, number: int) -> NDArray[np.float32]:
    with h5py.File(path) as file:
        return reconstruct(file["kspace"][number])


def pictures(reconstruct: Reconstruct, path: Path) -> NDArray[np.float32]:
    with h5py.File(path) as file:
        return np.stack([reconstruct(file["kspace"][number]) for number in range(len(file["kspace"]))])
