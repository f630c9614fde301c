"""The volume that all ways reconstruct: noise of the size and in the format of a knee scan, about 1 GB."""

from pathlib import Path

import h5py
import numpy as np

from portal.sample.scanner import Protocol
from portal.sample.volumes import Scan, header

SHAPE = (35, 15, 640, 368)


def write_volume(path: Path, shape: tuple[int, int, int, int] = SHAPE) -> None:
    slices, coils, readout, phase = shape
    protocol = Protocol(readout // 2, phase, phase, coils, 0.5, 0.02)
    scan = Scan(path.name, "CORPD_FBK", protocol, np.empty((slices, 0), np.complex64))
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        kspace = file.create_dataset("kspace", shape, np.complex64)
        for number in range(slices):
            parts = rng.standard_normal((coils, readout, phase, 2), dtype=np.float32)
            kspace[number] = parts.view(np.complex64)[..., 0] * np.float32(1e-5)
        file.create_dataset("ismrmrd_header", data=header(scan))
        file.attrs["acquisition"] = scan.acquisition
        file.attrs["patient_id"] = "noise"
