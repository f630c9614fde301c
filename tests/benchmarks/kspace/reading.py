"""A stand-in of the reader of previews: contiguous k-space of a local file, read past h5py."""

import os
from pathlib import Path
from typing import Self

import h5py
import numpy as np
from numpy.typing import NDArray

from datasets.kspace.report import Facts, Layout


class VolumeFile:
    size = (320, 320)

    def __init__(self, path: Path) -> None:
        with h5py.File(path) as file:
            kspace = file["kspace"]
            slices, coils, readout, phase = kspace.shape
            self.offset = kspace.id.get_offset()
            self.facts = Facts(Layout.MULTI_COIL, kspace.shape, str(kspace.dtype), slices, coils, readout, phase)
        self.file = path.open("rb")

    def read_coil(self, number: int, coil: int, out: NDArray[np.complex64]) -> None:
        place = self.offset + (number * (self.facts.coils or 1) + coil) * out.nbytes
        os.preadv(self.file.fileno(), [out.reshape(-1).view(np.uint8).data], place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.file.close()


open_volume = VolumeFile
