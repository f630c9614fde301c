"""The bytes of one volume: a window of the object in the bucket, or a file that was unpacked from it."""

import io
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from datasets.kspace.errors import BrokenArchiveError, TooLargeError
from datasets.kspace.spool import Spool
from datasets.kspace.unpacking import Unpacked, is_plain
from datasets.models import Archive, Volume
from datasets.storage import bucket


class Window(io.RawIOBase):
    """Some bytes of a file as a file of their own, which ends where they end."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = file
        self._offset = offset
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the first byte")
        self._position = base + offset
        return self._position

    def expect(self, offset: int, length: int) -> None:
        """As of the whole file: these bytes will be read, in their order."""
        if hasattr(self._file, "expect"):
            self._file.expect(self._offset + offset, min(length, max(0, self._size - offset)))

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._position))
        self._file.seek(self._offset + self._position)
        read = self._file.read(wanted)
        buffer[: len(read)] = read
        self._position += len(read)
        return len(read)


class Sources:
    """Opens volumes one after the other. A compressed archive can only be read forwards, so it is kept open where the
    last volume ended: volumes that come in the order in which they lie there are one pass, and not one each."""

    def __init__(self) -> None:
        self._unpacked: Unpacked | None = None
        self._file: BinaryIO | None = None
        self._archive: tuple[str, str, str] | None = None

    @contextmanager
    def opened(self, volume: Volume) -> Iterator[Path | BinaryIO]:
        """Raises KSpaceErrors for archives that cannot be read, ObjectMissing, ObjectChanged and PartDown."""
        if is_plain(volume.archive.name):
            with closing(_object_of(volume.archive)) as file:
                yield cast(BinaryIO, Window(file, volume.offset, volume.size))
        else:
            with closing(Spool(volume.size)) as spool:
                self._unpack(volume, spool)
                # A file on disk goes to the sandbox as an open descriptor, which is quicker than to be asked for bytes.
                yield spool.path

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._unpacked = self._file = self._archive = None

    def _unpack(self, volume: Volume, to: Spool) -> None:
        unpacked = self._stream_up_to(volume)
        with ExitStack() as otherwise:
            # Bytes that were read may be lost by whatever ends this.
            otherwise.callback(self.close)
            try:
                unpacked.skip_to(volume.offset)
                unpacked.copy(volume.size, to)
            except (BrokenArchiveError, TooLargeError):
                # Kept all the same: it says this at once to all volumes behind the damage.
                otherwise.pop_all()
                raise
            otherwise.pop_all()

    def _stream_up_to(self, volume: Volume) -> Unpacked:
        archive = volume.archive
        identity = (archive.key, archive.version_id, archive.etag)
        if self._unpacked is None or self._archive != identity or self._unpacked.position > volume.offset:
            self.close()
            self._file = _object_of(archive)
            self._archive = identity
            self._unpacked = Unpacked(self._file, archive.name)
        return self._unpacked


def _object_of(archive: Archive) -> BinaryIO:
    """As it was when it was registered: another version of it, or another object of this key, is refused."""
    return cast(BinaryIO, bucket().open(archive.key, version_id=archive.version_id, etag=archive.etag))
