"""An object of the bucket as a file: read by range, in few requests, and never mixed of two objects."""

import io
import os
import time
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, Protocol

from datasets.exceptions import BucketDown, ObjectChanged

# The superblock of HDF5, the groups and most attributes lie at the beginning, what was added later at the end.
HEAD = TAIL = 256 << 10
# What is read in small pieces comes in blocks, which double while they follow one another.
BLOCK, LARGEST_BLOCK = 64 << 10, 8 << 20
KEPT = 32 << 20
# More is not held at once, however much is expected. Bytes that are expected may be read in any order.
LARGEST = 64 << 20
LARGEST_AHEAD = 8 << 20
PIECE = 1 << 20
# A connection that breaks is taken up again where it broke; so often in a row without a byte, and the bucket is down.
TRIES, PAUSE = 5, 0.05


class Answer(NamedTuple):
    """What the bucket answered to one range: bytes from `start` to before `stop` of an object of `size` bytes.

    `read(n)` gives at most n more of them, b"" at the end or where the connection broke; BucketDown when it says so."""

    read: Callable[[int], bytes]
    close: Callable[[], None]
    start: int
    stop: int
    size: int
    etag: str
    version_id: str


class Fetch(Protocol):
    """Ask for bytes of one object. Raises BucketDown, ObjectMissing and ObjectChanged."""

    def __call__(self, start: int, stop: int, *, etag: str, version_id: str) -> Answer: ...


class Window:
    """Bytes of the object from `start` to before `stop`. They arrive in their order, as far as somebody reads."""

    def __init__(self, answer: Answer, stop: int) -> None:
        self.answer = answer
        self.start = answer.start
        self.stop = stop
        self.buffer = memoryview(bytearray(stop - answer.start))
        self.position = answer.start

    def __contains__(self, offset: int) -> bool:
        return self.start <= offset < self.stop


class ObjectFile(io.RawIOBase, BinaryIO):
    """An object for one thread. `requests` and `bytes_fetched` count what was asked of the bucket.

    The first request brings size, ETag and version. Every later one names these, and every answer is compared with
    them: ObjectChanged when they differ."""

    def __init__(self, fetch: Fetch, *, etag: str = "", version_id: str = "") -> None:
        self.requests = 0
        self.bytes_fetched = 0
        self.size = -1
        self.etag = etag
        self.version_id = version_id
        self._ask = fetch

    def readable(self) -> bool:
        return True

    def _answer(self, start: int, stop: int) -> Answer:
        self.requests += 1
        answer = self._ask(start, stop, etag=self.etag, version_id=self.version_id)
        if self.size < 0:
            self.size = answer.size
            self.etag = self.etag or answer.etag
            self.version_id = self.version_id or answer.version_id
        if (answer.size, answer.etag) != (self.size, self.etag):
            answer.close()
            raise ObjectChanged("The object in the bucket is another one than when its reading began.")
        if answer.start != start:
            answer.close()
            raise BucketDown("The bucket answered with other bytes than it was asked for.")
        return answer


class RangeFile(ObjectFile):
    """Seekable. The first request, made here, brings the beginning."""

    def __init__(self, fetch: Fetch, *, etag: str = "", version_id: str = "") -> None:
        super().__init__(fetch, etag=etag, version_id=version_id)
        self._position = 0
        self._large: Window | None = None
        self._expected = range(0)
        # Where the last large read ended, and how much was read up to there without a gap.
        self._run_stop, self._run = -1, 0
        self._blocks: list[Window] = []
        self._block_stop, self._block_size = -1, BLOCK
        self._keep(0, HEAD)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence] + offset
        if position < 0:
            raise ValueError("A position is not negative.")
        self._position = position
        return position

    def expect(self, offset: int, length: int) -> None:
        """These bytes will be read: the first read of them asks for all that follow it at once."""
        self._expected = range(max(0, offset), min(offset + length, self.size))

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view = view[: max(0, min(len(view), self.size - self._position))]
        count = 0
        while count < len(view):
            count += self._read_some(self._position + count, view[count:])
        self._position += count
        if count >= BLOCK:
            start = self._position - count
            self._run = count + (self._run if start == self._run_stop else 0)
            self._run_stop = self._position
        return count

    def close(self) -> None:
        if not self.closed:
            self._drop_large()
            self._blocks.clear()
        super().close()

    def _read_some(self, offset: int, view: memoryview) -> int:
        window = self._window(offset, len(view))
        stop = min(offset + len(view), window.stop)
        self._fill(window, stop)
        part = window.buffer[offset - window.start : stop - window.start]
        view[: len(part)] = part
        return len(part)

    def _window(self, offset: int, length: int) -> Window:
        for window in self._blocks:
            if offset in window:
                return window
        if self._large is not None and offset in self._large:
            return self._large
        if offset not in self._expected and length < BLOCK:
            return self._keep_around(offset)
        if offset in self._expected:
            start, stop = self._expected_part(offset)
        else:
            ahead = min(self._run // 2, LARGEST_AHEAD) if offset == self._run_stop else 0
            start, stop = offset, offset + length + ahead
        self._drop_large()
        self._large = self._open_window(start, stop)
        return self._large

    def _expected_part(self, offset: int) -> tuple[int, int]:
        """From its beginning, for threads may read what was expected in another order."""
        start = offset - (offset - self._expected.start) % LARGEST
        stop = min(start + LARGEST, self._expected.stop)
        # What is there already, such as the first slice's beginning, is not asked for again.
        return max([start, *(window.stop for window in self._blocks if start in window)]), stop

    def _drop_large(self) -> None:
        if self._large is not None:
            self._large.answer.close()
            self._large = None

    def _keep_around(self, offset: int) -> Window:
        if offset >= self.size - TAIL:
            return self._keep(max(0, self.size - TAIL), self.size)
        follows = offset == self._block_stop
        self._block_size = min(2 * self._block_size, LARGEST_BLOCK) if follows else BLOCK
        start = offset if follows else offset - offset % BLOCK
        self._block_stop = min(start + self._block_size, self.size)
        return self._keep(start, self._block_stop)

    def _keep(self, start: int, stop: int) -> Window:
        window = self._open_window(start, stop)
        self._fill(window, window.stop)
        self._blocks.append(window)
        while sum(len(each.buffer) for each in self._blocks) > KEPT:
            del self._blocks[0]
        return window

    def _open_window(self, start: int, stop: int) -> Window:
        if self.size >= 0:
            stop = min(stop, self.size)
        answer = self._answer(start, stop)
        return Window(answer, min(stop, self.size))

    def _fill(self, window: Window, stop: int) -> None:
        while window.position < stop:
            self._take_piece(window)
            if window.position == window.stop:
                window.answer.close()

    def _take_piece(self, window: Window) -> None:
        """At least one byte, over a new connection where the old one broke."""
        for number in range(TRIES):
            piece = self._piece(window)
            if piece:
                start = window.position - window.start
                window.buffer[start : start + len(piece)] = piece
                window.position += len(piece)
                self.bytes_fetched += len(piece)
                return
            window.answer.close()
            if number:
                time.sleep(PAUSE * 2**number)
            window.answer = self._answer(window.position, window.stop)
        raise BucketDown("The bucket's connection breaks again and again.")

    def _piece(self, window: Window) -> bytes:
        try:
            return window.answer.read(min(window.stop - window.position, PIECE))
        except BucketDown:
            return b""
