"""Volumes as files: what a file says of itself, and its k-space, slice by slice and coil by coil.

A foreign file can crash HDF5's library: open those in the child process of `datasets.kspace.sandbox`.
"""

from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from datasets.kspace import ismrmrd, layouts
from datasets.kspace.arrays import KSpace, Picture, Samples, check_finite, check_number
from datasets.kspace.errors import UnsupportedLayoutError
from datasets.kspace.hdf5 import File
from datasets.kspace.sources import Source, check_signature, local_file, source_of


class VolumeFile:
    """An open volume. Its reading methods may be called from several threads at once.

    `facts` is what the file says of itself, `size` the (height, width) of its picture."""

    def __init__(self, source: Source, contents: layouts.Contents, stack: ExitStack) -> None:
        self.facts = contents.facts
        self.size = contents.size
        self._source = source
        self._contents = contents
        self._stack = stack
        self._holding = Lock()
        self._held: tuple[int, KSpace] | None = None

    @property
    def bytes_read(self) -> int:
        """Bytes read of the file so far, HDF5's own structures among them."""
        return self._source.bytes_read

    def read_coil(self, number: int, coil: int, out: KSpace) -> None:
        """Fills `out`, complex64 (readout, phase), with what one coil received of one slice; both count from 0.

        Raises SliceMissingError, BadValuesError for values that are not finite, and other KSpaceErrors for a file
        that is damaged. Where coils cannot be read one by one cheaply, the slice is read once and held."""
        samples = self._samples(number)
        if not 0 <= coil < samples.coils:
            raise IndexError(f"coil {coil} of {samples.coils}")
        if out.dtype != np.complex64 or out.shape != (samples.readout, samples.phase) or not out.flags.c_contiguous:
            raise TypeError(f"out is {out.dtype} {out.shape}; contiguous complex64 (readout, phase) is filled")
        if samples.fill_coil(number, coil, out):
            self._check(out, number)
        else:
            out[:] = self._hold(number)[coil]

    def read_slice(self, number: int) -> KSpace:
        """k-space of one slice, complex64 (coil, readout, phase). Raises as read_coil does."""
        samples = self._samples(number)
        values = np.empty((samples.coils, samples.readout, samples.phase), np.complex64)
        samples.fill_slice(number, values)
        self._check(values, number)
        return values

    def stored(self, number: int) -> Picture | None:
        """The reconstruction of one slice that the file itself holds, float32 (y, x); None where it holds none."""
        check_number(number, self.facts.slices)
        if self._contents.pictures is None:
            return None
        picture = self._contents.pictures.read(number)
        self._source.check_unchanged()
        return picture

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _samples(self, number: int) -> Samples:
        samples = self._contents.samples
        if samples is None:
            raise UnsupportedLayoutError(self._contents.why)
        check_number(number, samples.slices)
        return samples

    def _check(self, values: KSpace, number: int) -> None:
        self._source.check_unchanged()
        check_finite(values, number, "kspace")

    def _hold(self, number: int) -> KSpace:
        with self._holding:
            if self._held is None or self._held[0] != number:
                # Let go first, so that there are never two.
                self._held = None
                self._held = (number, self.read_slice(number))
            return self._held[1]


def open_volume(file: Path | BinaryIO) -> VolumeFile:
    """Opens a volume of any known layout; a file object given stays open when the volume is closed.

    Raises a KSpaceError for a file that is not one, OSError for a path that cannot be opened; what a file object
    raises comes out as it is."""
    with ExitStack() as stack:
        opened = stack.enter_context(local_file(file)) if isinstance(file, Path) else file
        source = source_of(opened)
        check_signature(source)
        hdf5 = File(source)
        stack.callback(hdf5.close)
        return VolumeFile(source, _contents(hdf5), stack.pop_all())


def _contents(file: File) -> layouts.Contents:
    root = file.root()
    if "kspace" in root:
        return layouts.fastmri(root)
    if "dataset" in root:
        return ismrmrd.contents(root)
    raise UnsupportedLayoutError(f"The file has no kspace, and no dataset as in ISMRMRD; it has {root.listed()}.")
