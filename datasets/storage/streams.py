"""An object of the bucket read forwards once, however large it is and however often the connection breaks."""

import time
from typing import Any

from datasets.exceptions import BucketDown, BucketRefused
from datasets.storage.ranges import Answer, Fetch, ObjectFile

PIECE = 1 << 20
# The beginning comes by a request of its own, and all the rest by a second one: servers of files such as rclone hash
# what they send from the first byte on, which takes them as long as sending it.
BEGINNING = 1 << 20
# How long to wait before asking again, where not a byte came since the last time: a server that is started anew, or
# that asks for patience, has 45 seconds.
PAUSES = (0.0, 0.1, 0.4, 1.5, 3.0, 5.0, 10.0, 10.0, 15.0)


class StreamFile(ObjectFile):
    """Two requests bring it all. Where the connection breaks, the next one asks for the rest; nothing is held but the
    piece that is being read. The first request is made here. A bucket that refuses is not asked again."""

    def __init__(self, fetch: Fetch, *, etag: str = "", version_id: str = "") -> None:
        super().__init__(fetch, etag=etag, version_id=version_id)
        self._open: Answer | None = self._answer(0, BEGINNING)

    def tell(self) -> int:
        return self.bytes_fetched

    def read(self, size: int = -1, /) -> bytes:
        """At least one byte, except at the end; at most a piece, if no size is given."""
        wanted = min(size if size >= 0 else PIECE, self.size - self.bytes_fetched)
        if wanted <= 0:
            return b""
        if self._open is not None and self.bytes_fetched == self._open.stop:
            self._drop()
        for pause in PAUSES:
            piece = self._piece(wanted, pause)
            if piece:
                self.bytes_fetched += len(piece)
                return piece
        raise BucketDown("The bucket's connection breaks again and again.")

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._drop()
        super().close()

    def _piece(self, wanted: int, pause: float) -> bytes:
        """Nothing where the connection broke or could not be made."""
        try:
            if self._open is None:
                time.sleep(pause)
                self._open = self._answer(self.bytes_fetched, self.size)
            piece = self._open.read(min(wanted, self._open.stop - self.bytes_fetched))
        except BucketRefused:
            raise
        except BucketDown:
            piece = b""
        if not piece:
            self._drop()
        return piece

    def _drop(self) -> None:
        answer, self._open = getattr(self, "_open", None), None
        if answer is not None:
            answer.close()
