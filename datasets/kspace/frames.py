"""What the sandbox and its child say to each other: frames of JSON with bytes behind it, over a Unix socket.

The child may have been taken over by a file, so no pickle, and every length has its limit.
"""

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PREFIX = struct.Struct("!II")
LONGEST_HEADER = 1 << 20
LONGEST_READ = 16 << 20


class FrameError(Exception):
    """The other side sent what it should not."""


class HungUpError(Exception):
    """The other side is gone."""


class LateError(Exception):
    """The deadline has passed."""


class Channel:
    """One end. Sending and receiving raise HungUpError, and LateError after `deadline`, a moment of time.monotonic."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.deadline: float | None = None

    def send(self, header: dict[str, Any], blob: bytes | memoryview = b"", descriptor: int | None = None) -> None:
        text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
        start = PREFIX.pack(len(text), len(blob)) + text
        with self._named_errors():
            if descriptor is not None:
                start = start[socket.send_fds(self.sock, [start], [descriptor]) :]
            self.sock.sendall(start)
        if blob:
            with self._named_errors():
                self.sock.sendall(blob)

    def receive(self) -> tuple[dict[str, Any], int]:
        """The header of the next frame, and how many bytes are behind it; `fill` takes these."""
        header, length, _ = self._receive(self.take(PREFIX.size), [])
        return header, length

    def receive_with_descriptor(self) -> tuple[dict[str, Any], int, int | None]:
        """The same with the file descriptor that came along, if one did."""
        with self._named_errors():
            start, descriptors, _flags, _address = socket.recv_fds(self.sock, PREFIX.size, 1)
        if not start:
            raise HungUpError
        return self._receive(start + self.take(PREFIX.size - len(start)), descriptors)

    def _receive(self, start: bytes, descriptors: list[int]) -> tuple[dict[str, Any], int, int | None]:
        size, length = PREFIX.unpack(start)
        if size > LONGEST_HEADER:
            raise FrameError("a header is too long")
        try:
            header = json.loads(self.take(size), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise FrameError("a header is no JSON") from error
        if not isinstance(header, dict):
            raise FrameError("a header is no object")
        return header, length, descriptors[0] if descriptors else None

    def fill(self, buffer: memoryview) -> None:
        """Receive exactly as many bytes as the buffer has."""
        while buffer:
            with self._named_errors():
                count = self.sock.recv_into(buffer)
            if not count:
                raise HungUpError
            buffer = buffer[count:]

    def take(self, length: int) -> bytes:
        """Receive so many bytes. The caller has held the length against a limit."""
        buffer = bytearray(length)
        self.fill(memoryview(buffer))
        return bytes(buffer)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        if self.deadline is not None:
            rest = self.deadline - time.monotonic()
            if rest <= 0:
                raise LateError
            self.sock.settimeout(rest)
        try:
            yield
        except TimeoutError:
            raise LateError from None
        except ConnectionError:
            raise HungUpError from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
