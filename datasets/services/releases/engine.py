"""The one pass over an archive, as far as the standard library goes: hashes, and where its members lie.

It stands in for datasets.kspace's own, whose names and meaning it has; no file in the archive is opened."""

import hashlib
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from datasets.kspace.errors import BrokenArchiveError
from datasets.kspace.report import Facts, Rendering, Wish

PART_SIZE = 256 * 2**20
READ = 2**20
VOLUMES = (".h5", ".hdf5")


@dataclass(frozen=True)
class Member:
    """One file of the archive: its offset is that of its first byte in what the archive holds, unpacked."""

    path: str
    offset: int
    size: int
    sha256: str
    facts: Facts | None = None
    rendering: Rendering | None = None
    reason: str = ""


@dataclass(frozen=True)
class Ingested:
    size: int
    sha256: str
    part_size: int
    part_hashes: tuple[str, ...]
    volumes: int


class Hashed:
    """A file that is read forwards once, and hashed as it is, whole and in parts."""

    def __init__(self, file: BinaryIO, part_size: int) -> None:
        self._file, self._part_size = file, part_size
        self._whole, self._part = hashlib.sha256(), hashlib.sha256()
        self.size, self.part_hashes = 0, list[str]()

    def read(self, count: int = READ) -> bytes:
        data = self._file.read(count)
        self._whole.update(data)
        view = memoryview(data)
        while view:
            room = self._part_size - self.size % self._part_size
            piece, view = view[:room], view[room:]
            self._part.update(piece)
            self.size += len(piece)
            if self.size % self._part_size == 0:
                self._end_part()
        return data

    def _end_part(self) -> None:
        self.part_hashes.append(self._part.hexdigest())
        self._part = hashlib.sha256()

    def finish(self) -> str:
        """Read what is left; the hash of the whole."""
        while self.read():
            pass
        if self.size % self._part_size or not self.size:
            self._end_part()
        return self._whole.hexdigest()


def ingest(
    stream: BinaryIO,
    name: str,
    *,
    sandbox: Any,
    wish: Wish,
    on_volume: Callable[[Member], None],
    on_progress: Callable[[int, int], None],
    part_size: int = PART_SIZE,
) -> Ingested:
    """Read the archive once. Raises KSpaceErrors for one that is damaged, and what the stream raises."""
    hashed = Hashed(stream, part_size)
    volumes = 0
    if name.lower().endswith(VOLUMES):
        whole = hashed.finish()
        on_volume(Member(name, 0, hashed.size, whole))
        volumes = 1
    else:
        for member in _members(hashed, name):
            on_volume(member)
            volumes += 1
            on_progress(hashed.size, volumes)
        whole = hashed.finish()
    on_progress(hashed.size, volumes)
    return Ingested(hashed.size, whole, part_size, tuple(hashed.part_hashes), volumes)


def _members(hashed: Hashed, name: str) -> Any:
    try:
        with tarfile.open(name=name, fileobj=cast(Any, hashed), mode="r|*") as tar:
            for entry in tar:
                if entry.isfile() and entry.name.lower().endswith(VOLUMES):
                    yield Member(entry.name, entry.offset_data, entry.size, _hash(tar, entry))
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BrokenArchiveError(f"{name} cannot be unpacked: {error}.") from error


def _hash(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    content, digest = tar.extractfile(entry), hashlib.sha256()
    while content and (piece := content.read(READ)):
        digest.update(piece)
    return digest.hexdigest()
