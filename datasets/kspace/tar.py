"""The members of a tar archive, read forwards: POSIX (pax), GNU and the oldest kind.

The headers are decoded by the standard library; the walk from one to the next is our own. tarfile's stops without a
word at a damaged header or where the archive was cut off, holds a pax header of any size in memory, and follows sparse
maps without an end.

Nothing is ever extracted by its name. Names that would be dangerous to whoever extracts the archive are refused, so
that no such archive is handed out.
"""

import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from datasets.kspace.errors import (
    BrokenArchiveError,
    KSpaceError,
    TooLargeError,
    UnsafeFileError,
    UnsupportedLayoutError,
)
from datasets.kspace.unpacking import Forward
from datasets.kspace.wording import shown

BLOCK = 512
ZEROS = bytes(BLOCK)
MAGIC, GNU_MAGIC = slice(257, 263), b"ustar "
# Names and the like; tar's own are a few hundred bytes.
LONGEST_EXTENSION = 1 << 20
MOST_EXTENSIONS = 8
LINKS = {tarfile.LNKTYPE: "hard link", tarfile.SYMTYPE: "symbolic link"}
DEVICES = {tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "named pipe"}
FILES = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE}
LONG = {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
PAX = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}
# Said once for all members, these would let each be read as something else.
NOT_FOR_ALL = {b"path", b"size", b"linkpath"}


class Bounds(NamedTuple):
    """What an honest archive of volumes stays within."""

    headers: int = 200_000
    path: int = 255
    """characters; the catalogue keeps no more"""
    depth: int = 32
    """folders, one in the other"""


class Entry(NamedTuple):
    """A file in the archive: `offset` is its first byte's in what is packed there."""

    path: str
    offset: int
    size: int


class _Extension(NamedTuple):
    """What headers before a member's own say of it."""

    path: str | None = None
    size: int | None = None


def entries(source: Forward, bounds: Bounds | None = None) -> Iterator[Entry]:
    """Each file, while `source` stands at its first byte; as much of it as is wanted may be taken before the next.

    Up to the end of what is packed: there the archive is known to be whole. Raises KSpaceErrors."""
    walk = _Walk(source, bounds or Bounds())
    while (entry := walk.next_file()) is not None:
        yield entry
        source.skip_to(entry.offset + entry.size)
        source.skip_to(_padded(source.position))


class _Walk:
    def __init__(self, source: Forward, bounds: Bounds) -> None:
        self._source = source
        self._bounds = bounds
        self._headers = 0
        self._paths: set[str] = set()

    def next_file(self) -> Entry | None:
        """None at the end, which is then known to be one."""
        while True:
            header, extension = self._next_header()
            if header is None:
                return None
            entry = self._entry(header, extension)
            if entry is not None:
                return entry

    def _next_header(self) -> tuple[tarfile.TarInfo | None, _Extension]:
        extension = _Extension()
        for _number in range(MOST_EXTENSIONS):
            header = self._header()
            if header is None:
                if extension != _Extension():
                    raise self._damaged("it ends after half of a header")
                return None, extension
            if header.type in LONG:
                content = self._extension(header)
                if header.type == tarfile.GNUTYPE_LONGNAME:
                    extension = extension._replace(path=extension.path or _text(content.partition(b"\0")[0]))
            elif header.type in PAX:
                extension = self._pax(self._extension(header), extension)
            elif header.type == tarfile.XGLTYPE:
                self._refuse_for_all(self._extension(header))
            else:
                return header, extension
        raise self._damaged(f"more than {MOST_EXTENSIONS} headers are of one member")

    def _header(self) -> tarfile.TarInfo | None:
        block = self._block()
        if block == ZEROS:
            self._end()
            return None
        self._headers += 1
        if self._headers > self._bounds.headers:
            raise TooLargeError(f"{self._source.name} has more than {self._bounds.headers:,} members.")
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
        except tarfile.HeaderError as error:
            if self._headers == 1:
                raise BrokenArchiveError(f"{self._source.name} is no tar archive: {error}.") from error
            raise self._damaged(str(error)) from error
        if header.size < 0:
            raise self._damaged("a size is negative")
        if block[MAGIC] == GNU_MAGIC:
            # What others take for the beginning of the name, GNU's tar takes for times.
            header.name = _text(block[:100].partition(b"\0")[0])
        return header

    def _block(self) -> bytes:
        """The next header."""
        began = self._source.position
        block = b""
        while len(block) < BLOCK:
            piece = self._source.take(BLOCK - len(block))
            if not piece:
                raise BrokenArchiveError(
                    f"{self._source.name} was cut off at byte {began:,} of what is packed in it: "
                    "the end of a tar archive is missing."
                )
            block += piece
        return block

    def _end(self) -> None:
        """Behind a block of zeros there is nothing else: some programs would read on there, and others not."""
        began = self._source.position
        while piece := self._source.take(1 << 20):
            if bytes(piece).strip(b"\0"):
                raise BrokenArchiveError(
                    f"{self._source.name} has bytes behind the end of its tar archive, at byte {began:,}: several "
                    "archives were put together, or blocks of zeros took the place of others."
                )

    def _entry(self, header: tarfile.TarInfo, extension: _Extension) -> Entry | None:
        name = header.name if extension.path is None else extension.path
        if header.type in LINKS or header.type in DEVICES:
            what = LINKS.get(header.type) or DEVICES[header.type]
            archive = self._source.name
            raise UnsafeFileError(f"{archive} has a {what}, {_shown(name)}: only files and folders may be there.")
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise self._sparse(name)
        if header.type != tarfile.DIRTYPE and header.type not in FILES:
            raise UnsupportedLayoutError(
                f"{self._source.name} has a member of an unknown kind ({header.type!r}), {_shown(name)}."
            )
        path = self._safe(name)
        size = header.size if extension.size is None else extension.size
        if header.type == tarfile.DIRTYPE or name.endswith("/"):
            if size:
                # Some programs would take them for the next header.
                raise self._damaged("a folder has bytes of its own")
            return None
        if not path:
            raise self._damaged("a file has no name")
        if path in self._paths:
            raise BrokenArchiveError(f"{self._source.name} has {_shown(path)} twice.")
        self._paths.add(path)
        return Entry(path, self._source.position, size)

    def _safe(self, name: str) -> str:
        """The path without dots and doubled slashes, as the catalogue keeps it."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        archive = self._source.name
        if name.startswith("/") or ".." in parts:
            raise UnsafeFileError(f"{archive} has a member that would be written outside its folder: {_shown(name)}.")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
            raise UnsafeFileError(f"{archive} has a member with control characters in its name: {_shown(name)}.")
        path = "/".join(parts)
        if len(path) > self._bounds.path:
            raise TooLargeError(f"{archive} has a name of more than {self._bounds.path} characters: {_shown(name)}.")
        if len(parts) > self._bounds.depth:
            raise TooLargeError(f"{archive} has folders more than {self._bounds.depth} deep: {_shown(name)}.")
        return path

    def _extension(self, header: tarfile.TarInfo) -> bytes:
        if header.size > LONGEST_EXTENSION:
            raise TooLargeError(f"{self._source.name} has a header of {header.size:,} bytes.")
        content = bytearray()
        end = self._source.position + header.size
        while self._source.position < end:
            content += self._source.must_take(end - self._source.position)
        self._source.skip_to(_padded(end))
        return bytes(content)

    def _pax(self, content: bytes, extension: _Extension) -> _Extension:
        records = self._records(content)
        if any(key.startswith(b"GNU.sparse.") for key in records):
            raise self._sparse(_text(records.get(b"GNU.sparse.name", records.get(b"path", b""))))
        size = records.get(b"size")
        if size is not None and not (size.isdigit() and len(size) < 20):
            raise self._damaged("a size is no number")
        path = records.get(b"path")
        return _Extension(
            extension.path if path is None else _text(path), extension.size if size is None else int(size)
        )

    def _refuse_for_all(self, content: bytes) -> None:
        found = NOT_FOR_ALL & self._records(content).keys()
        if found:
            raise UnsupportedLayoutError(
                f"{self._source.name} has a header that gives all members one {min(found).decode()}."
            )

    def _records(self, content: bytes) -> dict[bytes, bytes]:
        """Of a pax header: each is its own length, a blank, key=value and a line's end."""
        records: dict[bytes, bytes] = {}
        position = 0
        while position < len(content):
            blank = content.find(b" ", position, position + 10)
            digits = content[position:blank]
            if blank < 0 or not digits.isdigit():
                raise self._damaged("an extended header cannot be read")
            end = position + int(digits)
            key, equals, value = content[blank + 1 : end - 1].partition(b"=")
            if end > len(content) or content[end - 1 : end] != b"\n" or not equals:
                raise self._damaged("an extended header cannot be read")
            records[key] = value
            position = end
        return records

    def _damaged(self, what: str) -> KSpaceError:
        return BrokenArchiveError(
            f"{self._source.name} is damaged before byte {self._source.position:,} of what is packed in it: {what}."
        )

    def _sparse(self, name: str) -> KSpaceError:
        return UnsupportedLayoutError(
            f"{self._source.name} has a file with holes left out, {_shown(name)}: make it again without --sparse."
        )


def _padded(position: int) -> int:
    return -(-position // BLOCK) * BLOCK


def _text(name: bytes) -> str:
    """What is not UTF-8 is told byte by byte, as \\xe9: which letters were meant, nobody has written down."""
    return name.decode("utf-8", "backslashreplace")


def _shown(name: str) -> str:
    return shown(name.encode())
