"""A foreign HDF5 file: its keys, attributes and data sets, each looked at before it is read.

Refused are links to other places, storage outside the file, filters beyond the usual ones, and shapes for which the
file has not the bytes. What h5py raises all the same is translated in `asking`, and nowhere else.
"""

import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

# HDF5 looks for filters in folders of the machine when it meets one that it does not know; this forbids that. It
# reads the variable when it is loaded, so nothing else here imports h5py.
os.environ["HDF5_PLUGIN_PRELOAD"] = "::"

import h5py
import numpy as np
from numpy.typing import NDArray

from datasets.kspace.errors import (
    KSpaceError,
    NotAVolumeError,
    TooLargeError,
    UnsafeFileError,
    UnsupportedLayoutError,
)
from datasets.kspace.sources import TRUNCATED, Door, Source
from datasets.kspace.wording import amount, decoded, shape_text, shown

MOST_KEYS = 1000
LARGEST_TEXT = 1 << 20
LARGEST_CHUNK = 1 << 28
# Chunks that reach over several slices are unpacked once, as far as this goes.
CHUNK_CACHE, CHUNK_SLOTS = 1 << 25, 10_007
# Deflate makes at most 1,032 bytes of one, so more than that was never written.
MOST_INFLATION = 1032
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
FLOATS = h5py.vlen_dtype(np.dtype("<f4"))
# What h5py is known to raise over files that are broken. An AttributeError, say, would be a mistake of ours.
RAISED_BY_H5PY = (OSError, LookupError, RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError, SystemError)


class File:
    """An open HDF5 file. Errors of the source itself come out as they are."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.door = Door(source)
        with self.asking("its beginning"):
            self.handle = h5py.File(self.door, "r", rdcc_nbytes=CHUNK_CACHE, rdcc_nslots=CHUNK_SLOTS)
        # A file that is still open when the interpreter ends is closed after it by HDF5, which calls into it: a crash.
        self.close = weakref.finalize(self, self.handle.close)

    def root(self) -> "Group":
        return Group(self, self.handle.id, "the file")

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Around every call of h5py, and nothing else."""
        self.door.kept.error = None
        try:
            yield
        except RAISED_BY_H5PY as error:
            self.raise_own()
            raise _translated(error, what) from error
        self.raise_own()

    def raise_own(self) -> None:
        error, self.door.kept.error = self.door.kept.error, None
        if error is not None:
            raise error


class Group:
    """A group's keys: hard links within the file, and no others."""

    def __init__(self, file: File, handle: h5py.h5g.GroupID, name: str) -> None:
        self.file = file
        self.handle = handle
        self.name = name
        self.keys = self._keys()

    def _keys(self) -> dict[str, bytes]:
        """By their names without blanks around them, which some converters leave there."""
        with self.file.asking(f"the list of keys of {self.name}"):
            count = self.handle.get_num_objs()
        if count > MOST_KEYS:
            raise TooLargeError(f"{self.name.capitalize()} has {count:,} keys; at most {MOST_KEYS:,} are looked at.")
        with self.file.asking(f"the list of keys of {self.name}"):
            links = {key: self.handle.links.get_info(key).type for key in self.handle}
        for key, kind in links.items():
            if kind != h5py.h5l.TYPE_HARD:
                raise UnsafeFileError(f"The key {shown(key)} is a link to another place, which is not followed.")
        return {key.decode("utf-8", "replace").strip(): key for key in sorted(links, reverse=True)}

    def __contains__(self, name: str) -> bool:
        return name in self.keys

    def listed(self) -> str:
        """The keys as a sentence's part: "the keys a, b, c"."""
        names = [shown(key) for key in sorted(self.keys.values())]
        if not names:
            return "no keys"
        return f"the key{'s' * (len(names) > 1)} {', '.join(names[:12])}{' …' * (len(names) > 12)}"

    def group(self, name: str) -> "Group":
        return Group(self.file, self._open(name, h5py.h5g.GroupID, "a group"), name)

    def data_set(self, name: str) -> "DataSet":
        return DataSet(self.file, self._open(name, h5py.h5d.DatasetID, "a data set"), name)

    def _open(self, name: str, kind: type, wanted: str) -> h5py.h5g.GroupID | h5py.h5d.DatasetID:
        if name not in self:
            raise UnsupportedLayoutError(f"{self.name.capitalize()} has no {name}; it has {self.listed()}.")
        with self.file.asking(name):
            handle = h5py.h5o.open(self.handle, self.keys[name])
        if not isinstance(handle, kind):
            raise UnsupportedLayoutError(f"The key {name} is not {wanted}, as it is in a volume.")
        return handle

    def text_attribute(self, name: str, longest: int) -> str:
        """Empty where there is none."""
        with self.file.asking(f"the attribute {name}"):
            if not h5py.h5a.exists(self.handle, name.encode()):
                return ""
            attribute = h5py.h5a.open(self.handle, name.encode())
            dtype, shape = attribute.dtype, attribute.shape
        if h5py.check_string_dtype(dtype) is None or shape is None or prod(shape) != 1 or dtype.itemsize > LARGEST_TEXT:
            raise UnsupportedLayoutError(f"The attribute {name} is not a text.")
        value = np.empty(shape, dtype)
        with self.file.asking(f"the attribute {name}"):
            attribute.read(value)
        text = decoded(value.item(), f"The attribute {name}")
        if len(text) > longest or not text.isprintable():
            raise UnsupportedLayoutError(f"The attribute {name} is not a text of at most {longest} letters.")
        return text


class DataSet:
    """A data set whose bytes are in the file. `shape` and `dtype` as numpy has them.

    `offset`: where its bytes lie one after the other, if they are complex64 numbers of this kind of machine that can
    be read past HDF5; otherwise None."""

    def __init__(self, file: File, handle: h5py.h5d.DatasetID, name: str) -> None:
        self.file = file
        self.name = name
        with file.asking(name):
            self.handle = handle
            plan = handle.get_create_plist()
            layout = plan.get_layout()
            outside = layout == h5py.h5d.VIRTUAL or plan.get_external_count() > 0
        if outside:
            raise UnsafeFileError(f"The numbers of {name} are in other files, which are not opened.")
        with file.asking(f"the shape of {name}"):
            shape, self.dtype = handle.shape, handle.dtype
            self.item_size = handle.get_type().get_size()
            is_plain = handle.get_type().equal(h5py.h5t.py_create(np.dtype("<c8")))
        if shape is None:
            raise UnsupportedLayoutError(f"{name} holds no array.")
        self.shape = tuple(int(length) for length in shape)
        self.offset: int | None = None
        if layout == h5py.h5d.CHUNKED:
            self._check_chunks(plan)
        elif layout == h5py.h5d.CONTIGUOUS and prod(self.shape):
            offset = self._check_extent()
            self.offset = offset if is_plain else None

    def _check_extent(self) -> int:
        with self.file.asking(f"the place of {self.name}"):
            offset = self.handle.get_offset()
        declared = prod(self.shape) * self.item_size
        if offset is None or declared > self.file.source.size:
            held = 0 if offset is None else self.file.source.size
            raise TooLargeError(
                f"{self.name} declares the shape {shape_text(self.shape)}, {amount(declared)}, "
                f"but the file holds {amount(held)} of it at most. It is damaged, or not complete."
            )
        if offset + declared > self.file.source.size:
            raise NotAVolumeError(TRUNCATED)
        return offset

    def _check_chunks(self, plan: h5py.h5p.PropDCID) -> None:
        with self.file.asking(f"the chunks of {self.name}"):
            chunk = prod(plan.get_chunk()) * self.item_size
            filters = [plan.get_filter(number) for number in range(plan.get_nfilters())]
        for code, _, _, name in filters:
            if code not in FILTERS:
                raise UnsupportedLayoutError(
                    f"{self.name} is compressed with {shown(name) or 'a filter'} (number {code}); "
                    "gzip, lzf, shuffle and fletcher32 are read."
                )
        if chunk > LARGEST_CHUNK:
            raise TooLargeError(f"{self.name} has chunks of {amount(chunk)}; at most {amount(LARGEST_CHUNK)} are read.")
        with self.file.asking(f"the chunks of {self.name}"):
            held = self.handle.get_storage_size()
        declared = prod(self.shape) * self.item_size
        if held > self.file.source.size or declared > held * MOST_INFLATION:
            raise TooLargeError(
                f"{self.name} declares the shape {shape_text(self.shape)}, {amount(declared)}, "
                f"but the file holds {amount(held)} of it. It is damaged, or not complete."
            )

    def read(self, index: Sequence[int], out: NDArray) -> None:
        """Fills `out` with what lies at `index` of the first axes, converted to its kind of numbers."""
        rest = self.shape[len(index) :]
        with self.file.asking(self.name):
            if not self.shape:
                self.handle.read(h5py.h5s.ALL, h5py.h5s.ALL, out)
                return
            place = self.handle.get_space()
            place.select_hyperslab((*index, *(0 for _ in rest)), (*(1 for _ in index), *rest))
            self.handle.read(h5py.h5s.create_simple(out.shape), place, out)

    def field(self, name: str) -> NDArray:
        """One field of a list of records, (record,), from the bytes as they are stored. Asked for it, HDF5 would read
        what the other fields refer to as well, and h5py would keep all of that in memory."""
        with self.file.asking(self.name):
            record = self.handle.get_type()
            number = record.get_member_index(name.encode())
            first, kind = record.get_member_offset(number), record.get_member_type(number).dtype
            plan = self.handle.get_create_plist()
            is_odd = plan.get_nfilters() > 0 or plan.get_layout() == h5py.h5d.COMPACT
        if kind.hasobject or is_odd:
            raise UnsupportedLayoutError(f"{name} of {self.name} is compressed, or holds references or texts.")
        rows = np.zeros((self.shape[0], self.item_size), np.uint8)
        for start, place, size in self._extents():
            part = np.empty((size // self.item_size, self.item_size), np.uint8)
            self.file.source.read_at(place, part.data.cast("B"))
            rows[start : start + len(part)] = part[: len(rows) - start]
        return np.ascontiguousarray(rows[:, first : first + kind.itemsize]).view(kind)[:, 0]

    def _extents(self) -> list[tuple[int, int, int]]:
        """Where the records lie: the first one's number, the place in the file, and the bytes."""
        with self.file.asking(self.name):
            if self.handle.get_create_plist().get_layout() != h5py.h5d.CHUNKED:
                return [(0, self.handle.get_offset(), self.shape[0] * self.item_size)]
            chunks: list[h5py.h5d.StoreInfo] = []
            self.handle.chunk_iter(chunks.append)
        size, held = self.file.source.size, sum(chunk.size for chunk in chunks)
        if held > size or any(
            chunk.chunk_offset[0] >= self.shape[0]
            or chunk.byte_offset + chunk.size > size
            or chunk.size < self.item_size
            for chunk in chunks
        ):
            raise NotAVolumeError(f"The file is damaged: {self.name} cannot be read.")
        return [(chunk.chunk_offset[0], chunk.byte_offset, chunk.size) for chunk in chunks]

    def text(self) -> bytes | str:
        """A single text. Raises UnsupportedLayoutError for anything else."""
        is_text = h5py.check_string_dtype(self.dtype) is not None
        if not is_text or prod(self.shape) != 1 or self.item_size > LARGEST_TEXT:
            raise UnsupportedLayoutError(f"{self.name} is not a text.")
        value = np.empty(self.shape, self.dtype)
        self.read((), value)
        return value.item()


def is_floats(dtype: np.dtype) -> bool:
    """float32 numbers, in each element another count of them."""
    return h5py.check_vlen_dtype(dtype) == np.float32


def _translated(error: Exception, what: str) -> KSpaceError:
    if isinstance(error, MemoryError):
        return TooLargeError(f"Reading {what} takes more memory than is given to it.")
    if "truncated file" in str(error):
        return NotAVolumeError(TRUNCATED)
    return NotAVolumeError(f"The file is damaged: {what} cannot be read.")
