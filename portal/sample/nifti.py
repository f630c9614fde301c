"""Reads the brain template out of the nilearn package, which is installed for its data only.

nilearn itself is never imported: its dependencies are many and none of them is needed to read three files.
"""

import gzip
import importlib.util
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portal.sample.fields import Field

HEADER_BYTES = 348
DTYPES = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 256: "i1", 512: "<u2"}
INSTALL = "Install it without its dependencies: pip install --no-deps nilearn==0.14.1"
TEMPLATE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"


class TemplateMissingError(RuntimeError):
    """The brain template cannot be read."""


def read_nifti(path: Path) -> tuple[NDArray, NDArray]:
    """A NIfTI-1 volume, axes (x, y, z), and the 3 × 4 matrix from indices to millimetres."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TemplateMissingError(f"{path} is damaged ({error}). {INSTALL}") from error
    if len(raw) < HEADER_BYTES or raw[344:347] != b"n+1":
        raise TemplateMissingError(f"{path} is not a NIfTI-1 file. {INSTALL}")
    shape = struct.unpack_from("<8h", raw, 40)
    code = struct.unpack_from("<h", raw, 70)[0]
    offset = int(struct.unpack_from("<f", raw, 108)[0])
    affine = np.frombuffer(raw, "<f4", 12, 280).reshape(3, 4)
    if code not in DTYPES:
        raise TemplateMissingError(f"{path} holds numbers of type {code}, which this reader does not know.")
    size = shape[1:4]
    if len(raw) < offset + int(np.prod(size)) * np.dtype(DTYPES[code]).itemsize:
        raise TemplateMissingError(f"{path} ends too early. {INSTALL}")
    return np.frombuffer(raw, DTYPES[code], int(np.prod(size)), offset).reshape(size, order="F"), affine


@dataclass(frozen=True)
class Template:
    """Grey matter, white matter and T1 intensity of the MNI152 average, each 0 to 1, axes (x, y, z), 1 mm."""

    grey: NDArray[np.uint8]
    white: NDArray[np.uint8]
    t1: NDArray[np.uint8]
    origin: tuple[float, float, float]

    def sample(self, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
        """Grey, white and T1 at points in millimetres, linear between voxels, 0 outside."""
        position = [axis - start for axis, start in zip((x, y, z), self.origin, strict=True)]
        index = [np.floor(p).astype(np.int32) for p in position]
        part = [(p - i).astype(np.float32) for p, i in zip(position, index, strict=True)]
        inside = np.ones(x.shape, bool)
        for axis, i in enumerate(index):
            last = self.t1.shape[axis] - 2
            inside &= (i >= 0) & (i <= last)
            np.clip(i, 0, last, out=i)
        totals = [np.zeros(x.shape, np.float32) for _ in range(3)]
        strides = np.array(self.t1.shape[::-1]).cumprod()
        flat = (index[0] * strides[1] + index[1] * strides[0] + index[2]).astype(np.int32)
        for corner in np.ndindex(2, 2, 2):
            weight = np.where(inside, np.float32(1 / 255), np.float32(0))
            for bit, fraction in zip(corner, part, strict=True):
                weight = weight * (fraction if bit else 1 - fraction)
            at = flat + np.int32(corner[0] * strides[1] + corner[1] * strides[0] + corner[2])
            for total, volume in zip(totals, (self.grey, self.white, self.t1), strict=True):
                total += weight * volume.ravel()[at]
        return totals[0], totals[1], totals[2]


def template_folder() -> Path:
    found = importlib.util.find_spec("nilearn")
    if found is None or not found.submodule_search_locations:
        raise TemplateMissingError(
            "The sample brain is made from the MNI152 template in the nilearn package, which is not installed. "
            + INSTALL
        )
    return Path(next(iter(found.submodule_search_locations))) / "datasets" / "data"


@cache
def load_template() -> Template:
    """The template, or a TemplateMissingError that says what to install."""
    folder = template_folder()
    volumes = {}
    for kind in ("gm", "wm", "t1"):
        path = folder / TEMPLATE.format(kind)
        if not path.is_file():
            raise TemplateMissingError(f"nilearn is installed but lacks {path.name}. {INSTALL}")
        values, affine = read_nifti(path)
        volumes[kind] = np.ascontiguousarray(values)
    origin = tuple(float(start) for start in affine[:, 3])
    return Template(volumes["gm"], volumes["wm"], volumes["t1"], (origin[0], origin[1], origin[2]))
