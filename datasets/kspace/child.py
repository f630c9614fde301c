"""The process that opens foreign files: `python -m datasets.kspace.child SOCKET MEMORY`, started by a sandbox.

It takes one job after another from its socket, until that is closed. Before the first one it gives up what it does
not need; a file that crashes it takes nothing else along.
"""

import contextlib
import ctypes
import fcntl
import io
import math
import os
import resource
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from datasets.kspace import pictures, reader
from datasets.kspace.errors import FileChangedError, KSpaceError, TooLargeError
from datasets.kspace.frames import LONGEST_READ, Channel, HungUpError
from datasets.kspace.report import Wish

Foreign = Path | BinaryIO
Answer = tuple[Any, dict[str, bytes]]
DESCRIPTORS = 32
BLOCK = 16 << 10
BLOCKS = 256
STATM = Path("/proc/self/statm")
TOO_LARGE = "Reading the file takes more memory than any honest file needs."
NEW_NAMESPACE_OF_USERS, NEW_NETWORK = 0x10000000, 0x40000000


def render(file: Foreign, wish: dict[str, Any]) -> Answer:
    rendering = pictures.render(file, Wish(**wish))
    return rendering.report.as_json(), rendering.contents


def describe(file: Foreign) -> Answer:
    with reader.open_volume(file) as volume:
        return asdict(volume.facts), {}


def read_slice(file: Foreign, number: int) -> Answer:
    """Only what it costs to read: the shape and the sum of magnitudes of one slice."""
    with reader.open_volume(file) as volume:
        kspace = volume.read_slice(number)
        return {"shape": kspace.shape, "sum": float(np.abs(kspace).sum(dtype=np.float64))}, {}


JOBS: dict[str, Callable[..., Answer]] = {"render": render, "describe": describe, "slice": read_slice}


class ParentStoppedError(OSError):
    """The parent's file object raised an error, which the parent keeps to itself."""


class ParentFile(io.RawIOBase):
    """A file object of the parent's, read over the socket. Small reads, HDF5's own, come from blocks that are kept."""

    def __init__(self, channel: Channel, size: int, *, hints: bool) -> None:
        self.stopped = False
        self._channel = channel
        self._size = size
        self._hints = hints
        self._position = 0
        self._lock = Lock()
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view = view[: max(0, min(len(view), self._size - self._position))]
        if len(view) > LONGEST_READ:
            self.expect(self._position, len(view))
        for start in range(0, len(view), LONGEST_READ):
            self._copy(self._position + start, view[start : start + LONGEST_READ])
        self._position += len(view)
        return len(view)

    def expect(self, offset: int, length: int) -> None:
        """These bytes will be read, in their order: the parent may fetch them at once."""
        length = min(length, self._size - offset)
        if self._hints and offset >= 0 and length > 0:
            self._channel.send({"type": "expect", "offset": offset, "length": length})

    def _copy(self, offset: int, view: memoryview) -> None:
        if len(view) >= BLOCK:
            self._fetch(offset, view)
            return
        while view:
            number, skipped = divmod(offset, BLOCK)
            part = memoryview(self._block(number))[skipped : skipped + len(view)]
            view[: len(part)] = part
            offset, view = offset + len(part), view[len(part) :]

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) >= BLOCKS:
                self._blocks.clear()
            start = number * BLOCK
            block = bytearray(min(BLOCK, self._size - start))
            self._fetch(start, memoryview(block))
            self._blocks[number] = bytes(block)
        return self._blocks[number]

    def _fetch(self, offset: int, view: memoryview) -> None:
        with self._lock:
            if not self.stopped:
                self._channel.send({"type": "read", "offset": offset, "length": len(view)})
                header, length = self._channel.receive()
                self._channel.fill(view[:length])
                self.stopped = header["type"] == "stop"
                if not self.stopped and length < len(view):
                    raise FileChangedError("The file has become shorter while it was read.")
        if self.stopped:
            raise ParentStoppedError("The parent can read no more of it.")


def serve(channel: Channel, healthy: Callable[[], bool]) -> bool:
    """Do one job; whether another may follow. What is no error of the file ends this process, and its last words on
    stderr say what it was."""
    job, _length, descriptor = channel.receive_with_descriptor()
    limit_processor(job["cpu_seconds"])
    # By the descriptor's name HDF5 opens it with its own driver, which is the fastest.
    file = Path(f"/dev/fd/{descriptor}") if descriptor is not None else _parent_file(channel, job)
    contents: dict[str, bytes] = {}
    last = False
    try:
        answer, contents = JOBS[job["job"]](file, **job["arguments"])
        reply = {"type": "done", "answer": answer, "sizes": {name: len(each) for name, each in contents.items()}}
    except KSpaceError as error:
        reply = {"type": "failed", "kind": type(error).__name__, "sentence": str(error)}
    except MemoryError:
        reply, last = {"type": "failed", "kind": TooLargeError.__name__, "sentence": TOO_LARGE}, True
    except ParentStoppedError:
        reply = {}
    finally:
        if descriptor is not None:
            os.close(descriptor)
    if isinstance(file, ParentFile) and file.stopped:
        # Whatever the reader made of it, the parent knows better what happened.
        channel.send({"type": "stopped"})
        return True
    last = last or not healthy()
    channel.send(reply | {"last": last}, b"".join(contents.values()))
    return not last


def _parent_file(channel: Channel, job: dict[str, Any]) -> BinaryIO:
    return cast(BinaryIO, ParentFile(channel, job["size"], hints=job["hints"]))


def end_with_the_parent() -> None:
    """SIGIO comes when the parent's end of stdin is closed, and ends this process even in the middle of the C library.

    Not PR_SET_PDEATHSIG: that looks at the thread that started this process, and threads end before their process."""
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC)


def shut_in(memory: int) -> None:
    """From here on no file can be written, little memory be taken and, where the kernel lets us, no network be reached
    and no other process of the same user be looked into, the parent least of all."""
    libc = ctypes.CDLL(None)
    if sys.platform == "linux":
        # One after the other: inside some containers the first of them alone is allowed, or none.
        for namespace in (NEW_NAMESPACE_OF_USERS, NEW_NETWORK):
            libc.unshare(namespace)
    limits = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: DESCRIPTORS}
    if STATM.exists():
        limits[resource.RLIMIT_AS] = mapped().total + memory
    for kind, most in limits.items():
        most = _allowed(kind, most)
        resource.setrlimit(kind, (most, most))


def limit_processor(seconds: int) -> None:
    """From now on; the kernel ends the process by SIGXCPU when they are used up."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_allowed(resource.RLIMIT_CPU, math.ceil(used) + seconds), hard))


def _allowed(kind: int, most: int) -> int:
    """Not more than whoever started the parent allows."""
    _, hard = resource.getrlimit(kind)
    return most if hard == resource.RLIM_INFINITY else min(most, hard)


class Mapped(NamedTuple):
    """Bytes of memory."""

    total: int
    resident: int


def mapped() -> Mapped:
    """Only Linux tells; elsewhere memory has no limit here."""
    pages = STATM.read_text().split() if STATM.exists() else ("0", "0")
    return Mapped(*(int(each) * resource.getpagesize() for each in pages[:2]))


def main() -> None:
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    memory = int(sys.argv[2])
    end_with_the_parent()
    # Nobody reads it before the end: warnings that fill the pipe are lost, and nobody waits.
    os.set_blocking(2, False)
    shut_in(memory)
    most = mapped().resident + memory // 2
    channel.send({"type": "ready"})
    # What the C library leaks must not be missing to the next file.
    with contextlib.suppress(HungUpError):
        while serve(channel, healthy=lambda: mapped().resident < most):
            pass


if __name__ == "__main__":
    main()
