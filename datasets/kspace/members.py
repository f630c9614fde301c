"""What one pass over an archive finds. Plain values; no numpy here."""

from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any, Self

from datasets.kspace.report import Facts, Rendering


@dataclass(frozen=True)
class Member:
    """A file of the archive. `offset` is its first byte's in what is packed there.

    `reason` says why there are no facts or no pictures; it is empty for a volume that could be read. What is no volume
    has been read past, and is as whole as the archive."""

    path: str
    offset: int
    size: int
    sha256: str
    """empty where nobody asked for it"""
    is_volume: bool
    """by its name or by how it begins"""
    facts: Facts | None = None
    rendering: Rendering | None = None
    reason: str = ""
    is_damaged: bool = False
    """no HDF5 although it should be, cut off, or deadly to read: more than being of a kind that is unknown here"""

    def without_pictures(self) -> Self:
        """To be kept in numbers."""
        return replace(self, rendering=None)

    def as_json(self) -> dict[str, Any]:
        return asdict(self.without_pictures())


@dataclass(frozen=True)
class Ingested:
    """`part_hashes`: SHA-256 of each `part_size` bytes of the object, so that one of them can be mended alone."""

    size: int
    sha256: str
    part_size: int
    part_hashes: tuple[str, ...]
    volumes: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class PartHashes:
    """SHA-256 of the whole and of each part."""

    def __init__(self, part_size: int) -> None:
        self.part_size = part_size
        self.size = 0
        self.parts: list[str] = []
        self._whole = sha256()
        # The first part's hash is the whole's so far: nothing is hashed twice before its end.
        self._part: Any = None

    def update(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            piece = view[: self.part_size - self.size % self.part_size]
            view = view[len(piece) :]
            self._whole.update(piece)
            if self.size >= self.part_size:
                self._part = self._part or sha256()
                self._part.update(piece)
            self.size += len(piece)
            if self.size % self.part_size == 0:
                self._end_part()

    def _end_part(self) -> None:
        self.parts.append((self._part or self._whole).hexdigest())
        self._part = None

    def ingested(self, volumes: int) -> Ingested:
        if self.size % self.part_size:
            self._end_part()
        return Ingested(self.size, self._whole.hexdigest(), self.part_size, tuple(self.parts), volumes)
