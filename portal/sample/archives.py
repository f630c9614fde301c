"""Tar archives of volumes, byte for byte the same in every run, and what a catalogue says of them."""

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

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


def pack(path: Path, members: Iterable[tuple[str, bytes]]) -> list[int]:
    """Writes the members, in a folder as the real archives have them; where each begins in the uncompressed stream.

    A file that was being written when the program ended has another name, so that it is never taken for whole.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    offsets = []
    with (
        unfinished.open("wb") as file,
        compressor(file, path.name) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in members:
            tar.addfile(entry(name, len(content)), io.BytesIO(content))
            offsets.append(tar.offset - round_up(len(content)))
    unfinished.replace(path)
    return offsets


def entry(name: str, size: int) -> tarfile.TarInfo:
    """A member's header without anything of the machine that writes it."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, EPOCH, 0o644
    return info


def round_up(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def compressor(file: IO[bytes], name: str) -> AbstractContextManager[Any]:
    """The stream that the tar is written to: quick presets, since noise hardly compresses."""
    if name.endswith(".tar.xz"):
        return lzma.LZMAFile(file, "w", preset=0)
    if name.endswith(".tar.gz"):
        return gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0)
    return nullcontext(file)


def hash_file(path: Path, part_size: int = PART_SIZE) -> tuple[str, tuple[str, ...]]:
    """SHA-256 of the whole file, and of each of its parts."""
    whole = hashlib.sha256()
    parts: list[str] = []
    with path.open("rb") as file:
        while True:
            part, left = hashlib.sha256(), part_size
            while left and (piece := file.read(min(left, 2**20))):
                whole.update(piece)
                part.update(piece)
                left -= len(piece)
            if left == part_size:
                return whole.hexdigest(), tuple(parts)
            parts.append(part.hexdigest())
