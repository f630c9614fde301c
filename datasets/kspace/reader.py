"""Volumes as files: what a file says of itself, and its k-space, slice by slice and coil by coil."""

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from datasets.kspace.report import Facts


class VolumeFile:
    """An open volume. Its reading methods may be called from several threads at once.

    `facts` is what the file says of itself, `size` the (height, width) of its picture, `bytes_read` what was read
    of the file so far."""

    facts: Facts
    size: tuple[int, int]

    @property
    def bytes_read(self) -> int:
        raise NotImplementedError

    def read_coil(self, number: int, coil: int, out: NDArray[np.complex64]) -> None:
        """Fills `out`, complex64 (readout, phase), with what one coil received of one slice; both count from 0."""
        raise NotImplementedError

    def read_slice(self, number: int) -> NDArray[np.complex64]:
        """k-space of one slice, complex64 (coil, readout, phase)."""
        raise NotImplementedError

    def stored(self, number: int) -> NDArray[np.float32] | None:
        """The reconstruction of one slice that the file itself holds, float32 (y, x); None where it holds none."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_volume(file: Path | BinaryIO) -> VolumeFile:
    """Opens a volume of any known layout. Raises a KSpaceError for a file that is not one."""
    raise NotImplementedError
