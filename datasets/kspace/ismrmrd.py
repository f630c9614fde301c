"""ISMRMRD files: one acquisition a line, in the order in which they were measured. Cartesian, two-dimensional ones.

Of several contrasts, repetitions, cardiac phases or sets the first is read; lines that were measured more than once
are averaged. What the scanner measured for itself (noise, calibration, navigators) is left out.
"""

import numpy as np
from numpy.typing import NDArray

from datasets.kspace.arrays import KSpace, check_extent
from datasets.kspace.errors import HeaderError, NotAVolumeError, TooLargeError, UnsupportedLayoutError
from datasets.kspace.hdf5 import FLOATS, DataSet, Group, is_floats
from datasets.kspace.header import Header
from datasets.kspace.layouts import Contents, describe, picture_size
from datasets.kspace.report import Layout

MOST_LINES = 1_000_000
# Flags are counted from 1 in ISMRMRD. 19 noise, 20 calibration alone, 23 navigator, 24 phase correction, 26 and 28
# feedback, 27 dummy, 29 surface coil correction, 30 and 31 phase stabilisation.
APART = sum(1 << (flag - 1) for flag in (19, 20, 23, 24, 26, 27, 28, 29, 30, 31))
REVERSE = 1 << (22 - 1)
ONE_OF = ("contrast", "repetition", "phase", "set")
COUNTERS = np.dtype(
    [(name, "<u2") for name in ("kspace_encode_step_1", "kspace_encode_step_2", "slice", "average", *ONE_OF)]
)
SHORTS = (
    *("number_of_samples", "active_channels", "center_sample", "discard_pre", "discard_post"),
    *("encoding_space_ref", "trajectory_dimensions"),
)
HEAD = np.dtype([("flags", "<u8"), *((name, "<u2") for name in SHORTS), ("idx", COUNTERS)])
LINE = np.dtype([("data", FLOATS)])


def contents(root: Group) -> Contents:
    group = root.group("dataset")
    header = Header.parse(group.data_set("xml").text())
    if header.trajectory not in ("", "cartesian"):
        raise UnsupportedLayoutError(
            f"The trajectory is {header.trajectory}; only Cartesian ones are reconstructed here."
        )
    lines = Lines(group.data_set("data"), header)
    facts = describe(
        header,
        layout=Layout.ISMRMRD,
        shape=(lines.slices, lines.coils, lines.readout, lines.phase),
        dtype="complex64",
        slices=lines.slices,
        coils=lines.coils,
        readout=lines.readout,
        phase=lines.phase,
        acquisition=header.protocol,
        measured=lines.measured(),
    )
    return Contents(facts, picture_size(lines.readout, lines.phase, header.recon), lines, None)


class Lines:
    """The acquisitions that make up the volume: `rows` in the table, with their `heads`; k-space is put together
    from them slice by slice."""

    def __init__(self, data: DataSet, header: Header) -> None:
        self.data = data
        _check_table(data)
        heads = _heads(data)
        self.rows = _imaging(heads)
        self.heads = heads[self.rows]
        self.coils, self.samples = self._same("active_channels"), self._same("number_of_samples")
        self.numbers = np.unique(self.heads["idx"]["slice"])
        self.slices = len(self.numbers)
        step = self.heads["idx"]["kspace_encode_step_1"].astype(int)
        self.phase = header.encoded[1] if header.encoded else int(step.max()) + 1
        self.columns = step + (0 if header.centre is None else self.phase // 2 - header.centre)
        if self.columns.min() < 0 or self.columns.max() >= self.phase:
            raise HeaderError(
                f"The header allows for {self.phase} phase columns, but lines were measured "
                f"at {self.columns.min()} to {self.columns.max()}."
            )
        self.readout = max(header.encoded[0] if header.encoded else 0, self.samples)
        check_extent("The volume", self.slices, self.coils, self.readout, self.phase)

    def _same(self, name: str) -> int:
        values = np.unique(self.heads[name])
        if len(values) > 1:
            raise UnsupportedLayoutError(f"Its lines differ in {name}: {values[0]} to {values[-1]}.")
        return int(values[0])

    def measured(self) -> tuple[int, ...] | None:
        """The phase columns that have lines, if there are gaps between them."""
        columns = np.unique(self.columns)
        return None if len(columns) == columns[-1] - columns[0] + 1 else tuple(int(column) for column in columns)

    def fill_coil(self, number: int, coil: int, out: KSpace) -> bool:
        return False

    def fill_slice(self, number: int, out: KSpace) -> None:
        out[:] = 0
        times = np.zeros(self.phase, np.float32)
        # Values that are not finite are refused by who asked for the slice.
        with np.errstate(over="ignore", invalid="ignore"):
            for index in np.flatnonzero(self.heads["idx"]["slice"] == self.numbers[number]):
                column = self.columns[index]
                first, line = self._line(int(index))
                out[:, first : first + line.shape[1], column] += line
                times[column] += 1
            out /= np.maximum(times, 1)

    def _line(self, index: int) -> tuple[int, NDArray[np.complex64]]:
        """The readout's first sample, and the samples (coil, sample)."""
        head, row = self.heads[index], np.empty((), LINE)
        self.data.read((int(self.rows[index]),), row)
        values, where = row["data"].item(), f"Acquisition {self.rows[index]} (counted from 0)"
        if values is None or len(values) != 2 * self.coils * self.samples:
            raise NotAVolumeError(f"{where} has other samples than its head says.")
        line = np.ascontiguousarray(values, np.float32).view(np.complex64).reshape(self.coils, self.samples)
        if head["flags"] & REVERSE:
            line = line[:, ::-1]
        before, after = int(head["discard_pre"]), int(head["discard_post"])
        # An echo that is not in the middle of its samples is put where it belongs.
        first = self.readout // 2 - int(head["center_sample"]) if self.samples < self.readout else 0
        first, stop = first + before, first + self.samples - after
        if not 0 <= first < stop <= self.readout:
            raise HeaderError(f"{where} lies outside the readout of {self.readout} samples.")
        return first, line[:, before : self.samples - after]


def _imaging(heads: NDArray) -> NDArray[np.int64]:
    """Rows of the first image's lines."""
    rows = np.flatnonzero((heads["flags"] & APART == 0) & (heads["encoding_space_ref"] == 0))
    if not len(rows):
        raise UnsupportedLayoutError("The file has no lines of an image: there is nothing to show.")
    for name in ONE_OF:
        counter = heads["idx"][name][rows]
        rows = rows[counter == counter[0]]
    if heads["idx"]["kspace_encode_step_2"][rows].any():
        raise UnsupportedLayoutError("The scan is three-dimensional; only slices are reconstructed here.")
    return rows


def _heads(data: DataSet) -> NDArray:
    """What is needed of the acquisitions' heads."""
    found = data.field("head")
    heads = np.zeros(found.shape, HEAD)
    for name in HEAD.names or ():
        if name != "idx":
            heads[name] = _numbers(found, name)
    for name in COUNTERS.names or ():
        heads["idx"][name] = _numbers(found["idx"], name)
    return heads


def _numbers(records: NDArray, name: str) -> NDArray:
    if name not in (records.dtype.names or ()) or records.dtype[name].kind not in "iu":
        raise UnsupportedLayoutError(f"The heads of dataset/data have no {name}, or none that is a whole number.")
    return records[name]


def _check_table(data: DataSet) -> None:
    """Raises for what is not a table of acquisitions, or an endless one."""
    names = data.dtype.names
    if names is None or len(data.shape) != 1 or not {"head", "data"} <= set(names):
        raise UnsupportedLayoutError("dataset/data is not a list of acquisitions with head and data.")
    if not is_floats(data.dtype["data"]):
        raise UnsupportedLayoutError("The samples of dataset/data are not float32 numbers.")
    if "idx" not in (data.dtype["head"].names or ()):
        raise UnsupportedLayoutError("The heads of dataset/data have no idx.")
    if not data.shape[0]:
        raise UnsupportedLayoutError("dataset/data has no acquisitions: there is nothing to show.")
    if data.shape[0] > MOST_LINES:
        raise TooLargeError(f"dataset/data has {data.shape[0]:,} acquisitions; at most {MOST_LINES:,} are read.")
