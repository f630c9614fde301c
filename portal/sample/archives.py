"""Tar archives of volumes, byte for byte the same in every run, and what a catalogue says of them."""

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

PART_SIZE = 256 * 2**20
EPOCH = 1577836800  # 1 January 2020, the time of every member


@dataclass(frozen=True)
class SampleVolume:
    """One HDF5 member: where it begins in the uncompressed tar stream, how long it is, what it holds."""

    path: str
    offset: int
    size: int
    acquisition: str
    readout: int
    phase: int
    slices: int
    coils: int
    field_strength: float


@dataclass(frozen=True)
class SampleArchive:
    """One file to download. `part_hashes` are the SHA-256 of its successive parts of `part_size` bytes."""

    name: str
    path: Path
    split: str
    coils: str
    size: int
    sha256: str
    part_size: int
    part_hashes: tuple[str, ...]
    volumes: tuple[SampleVolume, ...]


class HashingFile(io.RawIOBase):
    """Writes to a file and hashes what passes, as a whole and by parts."""

    def __init__(self, file: BinaryIO, part_size: int = PART_SIZE) -> None:
        self.file = file
        self.size = 0
        self.part_size = part_size
        self.whole = hashlib.sha256()
        self.parts: list[hashlib._Hash] = []

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def, override]
        view = memoryview(data).cast("B")
        self.whole.update(view)
        done = 0
        while done < len(view):
            room = self.part_size - self.size % self.part_size
            if room == self.part_size:
                self.parts.append(hashlib.sha256())
            piece = view[done : done + room]
            self.parts[-1].update(piece)
            self.size += len(piece)
            done += len(piece)
        self.file.write(view)
        return len(view)

    def tell(self) -> int:
        return self.size


@contextmanager
def compressed(file: HashingFile, name: str) -> Iterator[BinaryIO]:
    """The stream that a tar is written to: xz and gzip quickly, since noise hardly compresses."""
    if name.endswith(".tar.xz"):
        with lzma.LZMAFile(file, "w", preset=0) as stream:  # type: ignore[arg-type]
            yield stream  # type: ignore[misc]
    elif name.endswith(".tar.gz"):
        with gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as stream:
            yield stream  # type: ignore[misc]
    else:
        yield file  # type: ignore[misc]


@dataclass
class ArchiveWriter:
    """Packs volumes into one archive; `close` moves it to its place and tells what it became."""

    path: Path
    split: str
    coils: str
    volumes: list[SampleVolume] = field(default_factory=list)
