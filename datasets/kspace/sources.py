"""Where the bytes of a volume come from: a local file, or any binary file object, such as one that reads by range."""

import io
import os
import stat
from pathlib import Path
from threading import Lock, local
from types import TracebackType
from typing import BinaryIO

from datasets.kspace.errors import FileChangedError, NotAVolumeError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
OTHER_FORMATS = {
    b"\xfd7zXZ": "an .xz archive; extract it first",
    b"\x1f\x8b": "a .gz archive; extract it first",
    b"PK\x03\x04": "a .zip archive; extract it first",
    b"\x93NUMPY": "a NumPy array; write its numbers into an HDF5 file first",
    b"CDF": "a netCDF 3 file",
    b"%PDF": "a PDF document",
}
TRUNCATED = "The file is truncated: its end is missing. Copy or download it again."


class Source:
    """Bytes at offsets, from several threads at once, counted. `near`: reading them in small pieces costs nothing."""

    near = False

    def __init__(self, size: int) -> None:
        self.size = size
        self.bytes_read = 0
        self.counting = Lock()

    def read_at(self, offset: int, view: memoryview) -> None:
        """Fills all of `view` with the bytes from `offset` on."""
        raise NotImplementedError

    def counted(self, size: int) -> None:
        with self.counting:
            self.bytes_read += size

    def check_unchanged(self) -> None:
        """Raises FileChangedError where this can be known."""


class LocalSource(Source):
    """An open regular file, read at offsets without moving its position."""

    near = True

    def __init__(self, file: io.FileIO) -> None:
        # Kept, for a file object that is let go is closed.
        self.file = file
        self.descriptor = file.fileno()
        self.began = os.fstat(self.descriptor)
        super().__init__(self.began.st_size)

    def read_at(self, offset: int, view: memoryview) -> None:
        done = 0
        while done < len(view):
            got = os.preadv(self.descriptor, [view[done:]], offset + done)
            if not got:
                self.check_unchanged()
                raise NotAVolumeError(TRUNCATED)
            done += got
        self.counted(done)

    def check_unchanged(self) -> None:
        now = os.fstat(self.descriptor)
        if (now.st_size, now.st_mtime_ns) != (self.began.st_size, self.began.st_mtime_ns):
            raise FileChangedError("The file was written to while it was read.")


class ObjectSource(Source):
    """A seekable binary file object, which stays its owner's to close."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.moving = Lock()
        super().__init__(file.seek(0, os.SEEK_END))

    def read_at(self, offset: int, view: memoryview) -> None:
        with self.moving:
            self.file.seek(offset)
            done = 0
            while done < len(view):
                piece = self.file.read(len(view) - done)
                if not piece:
                    raise NotAVolumeError(TRUNCATED)
                view[done : done + len(piece)] = piece
                done += len(piece)
        self.counted(done)


class Kept(local):
    """What was raised inside of it in this thread, if anything."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        self.error = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.error = error


class Door(io.RawIOBase):
    """A source as the file object that h5py reads through. An error raised in there passes through a C library, so
    each thread's is kept here, to be raised as what it was."""

    def __init__(self, source: Source) -> None:
        self.source = source
        # h5py has a lock around each of its calls, so no other thread moves this in between.
        self.position = 0
        self.kept = Kept()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.source.size}[whence]
        self.position = base + offset
        return self.position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        with self.kept:
            if self.position + len(view) > self.source.size:
                raise NotAVolumeError(TRUNCATED)
            self.source.read_at(self.position, view)
        self.position += len(view)
        return len(view)


def local_file(path: Path) -> BinaryIO:
    """Opens a regular file; a pipe or a device, which could block or never end, is none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAVolumeError("This is a folder or a device, not a file.")
    return io.FileIO(descriptor)


def source_of(file: BinaryIO) -> Source:
    raw = file.raw if isinstance(file, io.BufferedReader) else file
    return LocalSource(raw) if isinstance(raw, io.FileIO) else ObjectSource(file)


def check_signature(source: Source) -> None:
    """Says what a file is that is no HDF5 file. Raises NotAVolumeError."""
    if not source.size:
        raise NotAVolumeError("The file is empty.")
    start = bytearray(min(source.size, 1024))
    source.read_at(0, memoryview(start))
    if start.startswith(SIGNATURE) or _signature_later(source):
        return
    raise NotAVolumeError(f"This is not an HDF5 file: it is {_kind(bytes(start))}.")


def _signature_later(source: Source) -> bool:
    """HDF5 may follow a block of its owner's, of 512 bytes or any doubling of that."""
    offset, found = 512, bytearray(len(SIGNATURE))
    while offset + len(SIGNATURE) <= min(source.size, 1 << 20):
        source.read_at(offset, memoryview(found))
        if found == SIGNATURE:
            return True
        offset *= 2
    return False


def _kind(start: bytes) -> str:
    for magic, name in OTHER_FORMATS.items():
        if start.startswith(magic):
            return name
    if start[257:262] == b"ustar":
        return "a .tar archive; extract it first"
    if b"\0" in start or SIGNATURE.startswith(start[:4]):
        return "other binary data, or damaged at its start"
    if b"<html" in start.lower() or b"<!doctype html" in start.lower():
        return "a web page, such as one that asks to sign in. Download it again"
    if start.lstrip().startswith((b"<?xml", b"<Error")):
        return "an XML text, such as a bucket's refusal. Download it again"
    try:
        start.decode()
    except UnicodeDecodeError as error:
        # The window's end may cut a character in two.
        return "text" if error.start > len(start) - 4 else "other binary data"
    return "text"
