"""Private files for members of archives, while somebody reads them in any order."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets.exceptions import NoRoomLeft

# What is left free on the disk for everybody else.
MARGIN_BYTES = 256 * 2**20
# Where the size is not known before, room is looked for again after so many bytes.
LOOK_EVERY = 64 * 2**20


class Spool:
    """A file without a name: it is gone when this process is, however that ends. Raises NoRoomLeft."""

    def __init__(self, size: int | None) -> None:
        """`size` None: nobody knows how much there will be."""
        self.size = 0
        self._room_up_to = LOOK_EVERY if size is None else size
        look_for_room(self._room_up_to)
        with _full_disk_named():
            # Unbuffered: there is nothing left to write, and to fail, when it is closed.
            self._file = tempfile.TemporaryFile(prefix="volume-", buffering=0)  # noqa: SIM115 - closed by close

    @property
    def path(self) -> Path:
        """To what was written; good as long as this is open."""
        return Path(f"/dev/fd/{self._file.fileno()}")

    def write(self, data: bytes | memoryview) -> None:
        self.size += len(data)
        if self.size > self._room_up_to:
            look_for_room(LOOK_EVERY)
            self._room_up_to = self.size + LOOK_EVERY
        with _full_disk_named():
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        self._file.close()


def look_for_room(size: int) -> None:
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < size + MARGIN_BYTES:
        raise NoRoomLeft(f"There is no room for {size:,} bytes in {folder}.")


@contextmanager
def _full_disk_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoomLeft("The disk became full while a volume was unpacked.") from error
        raise
