"""What all coils saw together: the root sum of squares of their images.

`root_sum_of_squares` of `fourier.ifft2c` is the definition. `Reconstructor` gives the same picture several times
faster, in the memory of a few coil images:

- A centred transform shifts its input, which only turns the phase of the output, and magnitudes do not see that; and it
  shifts its output, which is a matter of where one cuts. So nothing is shifted.
- The readout is transformed first, so that rows outside the picture are dropped before the phase encoding's turn.
- One coil at a time passes through buffers that stay in the processor's cache; fresh memory costs more than the
  arithmetic. Threads share the coils, since the transform and the arithmetic let go of the interpreter's lock.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from datasets.kspace.fourier import Complex, crop_range

Real = NDArray[np.float32]
Read = Callable[[int, Complex], None]
"""Fills the array, complex64 (readout, phase), with the k-space of the coil of this number."""
ReadOfVolume = Callable[[int, int, Complex], None]
"""The same, of a slice and a coil."""


def root_sum_of_squares(images: Complex) -> Real:
    """Coil images (coil, y, x) → sqrt(Σ |image|²), float32 (y, x)."""
    return np.sqrt((images.real**2 + images.imag**2).sum(axis=0)).astype(np.float32)


class Reconstructor:
    """From a slice's k-space to its root-sum-of-squares picture, cropped to `size` (height, width).

    For slices of one shape (coil, readout, phase), one after the other: buffers are kept, so one object serves one
    caller at a time. Values must be finite, with squares that a float32 holds: magnitudes of 1e-18 to 1e18. The same
    number of threads gives the same bits; another one may differ in the last.

    `columns`, bool (phase,), are those that an undersampled scan measures. ValueError for a size that is larger than
    the matrix, for columns of another length, and for k-space of another shape or number format.
    """

    def __init__(
        self,
        readout: int,
        phase: int,
        size: tuple[int, int],
        columns: NDArray[np.bool_] | Sequence[bool] | None = None,
        threads: int = 2,
    ) -> None:
        self._matrix = readout, phase
        self._size = size
        self._left, _width = crop_range(phase, size[1])
        self._weights: Real | None = None
        if columns is not None:
            if len(columns) != phase:
                raise ValueError(f"{len(columns)} columns are chosen from among {phase}.")
            self._weights = np.repeat(np.asarray(columns, bool), 2).astype(np.float32)
        self._lanes = [_Lane(readout, phase, size[0], self._weights) for _ in range(max(1, threads))]

    def full(self, kspace: Complex) -> Real:
        """complex64 (coil, readout, phase) → float32 (y, x)."""
        self._run(partial(_Lane.add, kspace=self._checked(kspace)), len(kspace), pair=False)
        return self._picture([lane.full for lane in self._lanes])

    def pair(self, kspace: Complex) -> tuple[Real, Real]:
        """The picture of all columns, and that of the chosen ones with zeros for the others: each float32 (y, x)."""
        self._run(partial(_Lane.add, kspace=self._checked(kspace)), len(kspace), pair=True)
        return self._pictures()

    def stream(self, read: Read, coils: int) -> Real:
        """As `full`, of k-space that is read coil by coil into buffers that are used again.

        `read` is called once for each coil, by several threads at the same time; what it raises ends the slice.
        """
        self._run(partial(_Lane.read, read=read), coils, pair=False)
        return self._picture([lane.full for lane in self._lanes])

    def stream_pair(self, read: Read, coils: int) -> tuple[Real, Real]:
        """As `pair`, read as by `stream`."""
        self._run(partial(_Lane.read, read=read), coils, pair=True)
        return self._pictures()

    def volume(self, read: ReadOfVolume, slices: int, coils: int) -> Real:
        """All slices → float32 (slice, y, x). Each thread takes whole slices, so that none waits for another one."""
        pictures = np.empty((slices, *self._size), np.float32)

        def work(lane: _Lane, numbers: range) -> None:
            for number in numbers:
                _work(lane, range(coils), partial(_Lane.read, read=partial(read, number)), pair=False)
                pictures[number] = self._picture([lane.full])

        _refuse_none(coils)
        self._share(work, slices)
        return pictures

    def _checked(self, kspace: Complex) -> Complex:
        if kspace.dtype != np.complex64 or kspace.ndim != 3 or kspace.shape[1:] != self._matrix:
            raise ValueError(f"k-space is {kspace.dtype} {kspace.shape}, not complex64 (coil, *{self._matrix}).")
        return kspace

    def _run(self, step: Callable[["_Lane", int, bool], None], coils: int, *, pair: bool) -> None:
        _refuse_none(coils)
        if pair and self._weights is None:
            raise ValueError("No columns were chosen for the undersampled picture.")
        self._share(partial(_work, step=step, pair=pair), coils)

    def _share(self, work: Callable[["_Lane", range], None], count: int) -> None:
        """Numbers are dealt out beforehand: were they taken by who is free, the order of a sum would be chance."""
        turns = [range(first, count, len(self._lanes)) for first in range(len(self._lanes))]
        if len(turns) == 1:
            work(self._lanes[0], turns[0])
            return
        with ThreadPoolExecutor(len(turns)) as threads:
            list(threads.map(work, self._lanes, turns))

    def _pictures(self) -> tuple[Real, Real]:
        return self._picture([lane.full for lane in self._lanes]), self._picture([lane.part for lane in self._lanes])

    def _picture(self, sums: list[Real]) -> Real:
        """Squares of real and imaginary parts, in the transform's own order of columns → the picture."""
        total = sums[0]
        for more in sums[1:]:
            total += more
        squares = total[:, 0::2] + total[:, 1::2]
        phase, width = self._matrix[1], self._size[1]
        before = phase // 2 - self._left
        picture = np.empty(self._size, np.float32)
        np.sqrt(squares[:, phase - before :], out=picture[:, :before])
        np.sqrt(squares[:, : width - before], out=picture[:, before:])
        return picture


class _Lane:
    """One thread's buffers: k-space of a coil, in which it also becomes an image, and sums of squares."""

    def __init__(self, readout: int, phase: int, height: int, weights: Real | None) -> None:
        self.kspace = np.empty((readout, phase), np.complex64)
        self.full = np.empty((height, 2 * phase), np.float32)
        self.weights = weights
        # Only the undersampled picture needs these: there the readout's transform serves twice.
        self.image = np.empty((height if weights is not None else 0, phase), np.complex64)
        self.part = np.empty((len(self.image), 2 * phase), np.float32)
        top, _height = crop_range(readout, height)
        before = readout // 2 - top
        # Rows of the picture before the middle one are the transform's last ones.
        self.rows = (
            (slice(readout - before, None), slice(None, before)),
            (slice(None, height - before), slice(before, None)),
        )

    def clear(self) -> None:
        self.full.fill(0)
        self.part.fill(0)

    def read(self, coil: int, pair: bool, read: Read) -> None:
        read(coil, self.kspace)
        self.transform(self.kspace, pair)

    def add(self, coil: int, pair: bool, kspace: Complex) -> None:
        self.transform(kspace[coil], pair)

    def transform(self, kspace: Complex, pair: bool) -> None:
        _ifft(kspace, 0, self.kspace)
        for source, target in self.rows:
            rows = self.kspace[source]
            if pair and self.weights is not None:
                image = self.image[target]
                np.multiply(rows.view(np.float32), self.weights, out=image.view(np.float32))
                _accumulate(image, self.part[target])
            _accumulate(rows, self.full[target])


def _ifft(array: Complex, axis: int, out: Complex) -> None:
    # Only norm="ortho" keeps complex64 throughout; the other two are eight times slower.
    np.fft.ifft(array, axis=axis, norm="ortho", out=out)  # type: ignore[arg-type] # numpy declares complex128 alone


def _accumulate(rows: Complex, total: Real) -> None:
    """Transforms the rows along the phase encoding and adds the squares of their parts, (y, 2 · x): rows are lost."""
    _ifft(rows, 1, rows)
    parts = rows.view(np.float32)
    np.square(parts, out=parts)
    total += parts


def _work(lane: _Lane, coils: range, step: Callable[[_Lane, int, bool], None], pair: bool) -> None:
    lane.clear()
    for coil in coils:
        step(lane, coil, pair)


def _refuse_none(coils: int) -> None:
    if coils < 1:
        raise ValueError("A picture needs at least one coil.")
