"""One job of the child, as the parent holds it: the question, the child's questions for bytes, and the answer."""

import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from datasets.kspace import errors
from datasets.kspace.frames import LONGEST_READ, Channel, FrameError, HungUpError, LateError
from datasets.kspace.process import MEMORY, Child
from datasets.kspace.wording import one_line

# numpy and h5py are imported in a second or less; a machine that is swapping takes longer.
START_SECONDS = 60.0
# When the parent's own file failed, the child is told so and has this long to stop.
STOP_SECONDS = 5.0
LONGEST_SENTENCE = 300
PLACE = re.compile(r'File "[^"\n]*?([\w.]{1,60})", line (\d{1,6})')
# An honest reader reads what is in the file once or twice. Every question costs, however little it asks for.
READS_FACTOR, READS_MARGIN, READ_COST = 3, 64 << 20, 4096


class SandboxError(RuntimeError):
    """The sandbox itself does not work, whatever the file: the child does not start, or its code has a fault."""


class Limits(NamedTuple):
    """What one file may use: bytes beyond those of Python, numpy and h5py; seconds; bytes of pictures."""

    memory: int = MEMORY
    cpu_seconds: int = 120
    # Without the time that the parent's own file object takes: a slow bucket is not the file's fault.
    wall_seconds: float = 240
    # That time, which a file that has its reader jump about can make as long as it likes: others wait for the worker.
    source_seconds: float = 1800
    picture_bytes: int = 128 << 20
    # So many files, and a new child: what a library leaks has an end.
    jobs: int = 200


class Source(NamedTuple):
    """What is read: an open file's descriptor, which the child gets, or a file object, which it does not."""

    size: int
    descriptor: int | None = None
    file: BinaryIO | None = None


@contextmanager
def opened(source: Path | BinaryIO) -> Iterator[Source]:
    if not isinstance(source, Path):
        yield Source(source.seek(0, os.SEEK_END), file=source)
        return
    # A pipe without a writer would be waited for.
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise errors.NotAVolumeError("This is not a file but a folder, a pipe or a device.")
        yield Source(facts.st_size, descriptor=descriptor)
    finally:
        os.close(descriptor)


class Conversation:
    """`settled`: the child has said its last word about this job and can be given another."""

    def __init__(self, child: Child, source: Source, limits: Limits) -> None:
        self.child = child
        self.source = source
        self.limits = limits
        self.settled = False
        self._channel = Channel(child.socket)
        self._reads_left = READS_FACTOR * source.size + READS_MARGIN
        self._source_seconds_left = limits.source_seconds

    def hold(self, job: str, arguments: dict[str, Any]) -> tuple[Any, dict[str, bytes]]:
        """The child's answer, not yet believed, and the pictures by their names.

        What the parent's own file object raises comes out as it is, after the child was told to stop."""
        try:
            return self._hold(job, arguments)
        except LateError:
            raise self._timeout() from None
        except HungUpError:
            raise self._death(*self.child.ended()) from None

    def _hold(self, job: str, arguments: dict[str, Any]) -> tuple[Any, dict[str, bytes]]:
        self.child.jobs += 1
        self._allow(self.limits.wall_seconds if self.child.ready else START_SECONDS)
        question = {
            "job": job,
            "arguments": arguments,
            "cpu_seconds": self.limits.cpu_seconds,
            "size": self.source.size,
            "hints": hasattr(self.source.file, "expect"),
        }
        self._channel.send(question, descriptor=self.source.descriptor)
        while True:
            header, length = self._channel.receive()
            match header.get("type"):
                case "done":
                    return self._done(header, length)
                case "failed" if not length:
                    raise self._failed(header)
                case "ready" if not (length or self.child.ready):
                    self.child.ready = True
                    self._allow(self.limits.wall_seconds)
                case "read" | "expect" if not length:
                    self._attend(header)
                case _:
                    raise FrameError("a frame is of no known type")

    def _allow(self, seconds: float) -> None:
        self._channel.deadline = time.monotonic() + seconds

    def _attend(self, header: dict[str, Any]) -> None:
        """The child asks for bytes of the parent's file object, or says which it will ask for."""
        file, offset, length = self.source.file, header.get("offset"), header.get("length")
        if file is None or type(offset) is not int or type(length) is not int:
            raise FrameError("bytes are asked for without saying which")
        if not 0 <= offset <= offset + length <= self.source.size:
            raise FrameError("bytes are asked for that the file does not have")
        if header["type"] == "expect":
            self._reads_left -= READ_COST
            with self._outside():
                getattr(file, "expect", _ignore)(offset, length)
            return
        self._reads_left -= READ_COST + length
        if self._reads_left < 0 or length > LONGEST_READ:
            raise FrameError("more bytes are asked for than any reader needs")
        if self._source_seconds_left < 0:
            self._stop()
            raise errors.ReaderTimeoutError(
                f"Its bytes took longer than {self.limits.source_seconds:g} seconds to come: "
                "in so many pieces are they read, or so slow is where they lie."
            )
        with self._outside():
            content = _read(file, offset, length)
        self._channel.send({"type": "data"}, content)

    @contextmanager
    def _outside(self) -> Iterator[None]:
        """Around calls of the parent's file object: their time is not the child's, and their end may be the job's."""
        began, read = time.monotonic(), False
        try:
            yield
            read = True
        finally:
            seconds = time.monotonic() - began
            self._source_seconds_left -= seconds
            self._channel.deadline = (self._channel.deadline or began) + seconds
            if not read:
                self._stop()

    def _stop(self) -> None:
        """Tell the child that there is no more to read, and hear it out; one that does not end is replaced."""
        self._allow(STOP_SECONDS)
        with suppress(FrameError, HungUpError, LateError):
            self._channel.send({"type": "stop"})
            header, _length = self._channel.receive()
            self.settled = header == {"type": "stopped"}

    def _done(self, header: dict[str, Any], length: int) -> tuple[Any, dict[str, bytes]]:
        sizes = header.get("sizes")
        if not isinstance(sizes, dict) or any(type(size) is not int or size < 0 for size in sizes.values()):
            raise FrameError("the sizes of the pictures are no numbers")
        if length > self.limits.picture_bytes or sum(sizes.values()) != length:
            raise FrameError("the pictures are larger than they may be, or not as large as was said")
        contents = {name: self._channel.take(size) for name, size in sizes.items()}
        self.settled = header.get("last") is not True
        return header.get("answer"), contents

    def _failed(self, header: dict[str, Any]) -> Exception:
        kind, sentence = header.get("kind"), header.get("sentence")
        if not isinstance(kind, str) or not isinstance(sentence, str):
            raise FrameError("an error has no name or no sentence")
        self.settled = header.get("last") is not True
        return errors.by_name(kind, tidy(sentence))

    def _timeout(self) -> Exception:
        if self.child.ready:
            return errors.ReaderTimeoutError(f"Reading took longer than {self.limits.wall_seconds:g} seconds.")
        return SandboxError(f"The reader's process did not start within {START_SECONDS:g} seconds.")

    def _death(self, status: int, words: str) -> Exception:
        if not self.child.ready:
            return SandboxError(f"The reader's process did not start (status {status}): {last_line(words)}")
        if status == -signal.SIGXCPU:
            return errors.ReaderTimeoutError("Reading took more of the processor than any honest file needs.")
        if status < 0:
            return errors.ReaderDiedError(f"The process that read the file was ended by {_signal(-status)}.")
        if status == 1 and last_line(words).startswith("MemoryError"):
            return errors.TooLargeError("Reading the file takes more memory than any honest file needs.")
        if status == 1 and words:
            return SandboxError(f"The reader has a fault: {last_line(words)}")
        return errors.ReaderDiedError("The process that read the file came to its end.")


def tidy(text: str) -> str:
    """A sentence from the child, for a page: one line without control characters, and not endless."""
    line = one_line(text)
    return line if len(line) <= LONGEST_SENTENCE else f"{line[: LONGEST_SENTENCE - 1]}…"


def last_line(words: str) -> str:
    """Of a traceback: the error, and where it was raised."""
    places = PLACE.findall(words)
    place = " ({}, line {})".format(*places[-1]) if places else ""
    return tidy(words.rpartition("\n")[2]) + place


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    """Fewer bytes than that only at the file's end: raw file objects may give less at a time."""
    file.seek(offset)
    content = file.read(length)
    while 0 < len(content) < length:
        more = file.read(length - len(content))
        if not more:
            break
        content += more
    return content


def _ignore(_offset: int, _length: int) -> None:
    """A file object that takes no hints."""
