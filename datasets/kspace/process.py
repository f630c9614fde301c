"""The child process of a sandbox: started with nothing of its parent's but one socket, and ended without a trace."""

import os
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path

from datasets.kspace.errors import KSpaceError, ReaderDiedError, ReaderTimeoutError
from datasets.kspace.frames import Channel

ROOT = Path(__file__).parents[2]
# Neither the folder it starts in nor a user's own packages have a say in what is imported.
COMMAND = (sys.executable, "-P", "-s", "-m", "datasets.kspace.child")
# All that the child knows of its surroundings: no addresses of databases, no keys of buckets.
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "PYTHONUTF8": "1",
    # HDF5 looks for filters to load in no folder, and locks no file that it only reads.
    "HDF5_PLUGIN_PRELOAD": "::",
    "HDF5_USE_FILE_LOCKING": "FALSE",
    # Threads that nobody asked for take memory, and numpy's are of no use to an FFT.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Each arena of glibc maps 64 MB, which would count against the limit.
    "MALLOC_ARENA_MAX": "2",
}
INHERITED = ("LD_LIBRARY_PATH", "TZ")


class SandboxError(RuntimeError):
    """The sandbox itself does not work, whatever the file: the child does not start, or its code has a fault."""


class Child:
    """One child process. Its stdin is a pipe that nobody writes to: its end tells the child that the parent is gone."""

    def __init__(self, command: Sequence[str], *, memory: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env=ENVIRONMENT | {name: os.environ[name] for name in INHERITED if name in os.environ},
                # Ctrl-C in a terminal is for the parent alone.
                start_new_session=True,
            )
        self.channel = Channel(ours)
        self.pid = self._process.pid
        self.ready = False
        self.jobs = 0
        self._parent = os.getpid()
        # Also at the end of the interpreter, and when nobody holds the sandbox any more.
        self.end = weakref.finalize(self, _end, self._process, ours, self._parent)

    def usable(self) -> bool:
        """Whether it lives and is ours: a process forked from the parent has the object, but not the child."""
        return self._parent == os.getpid() and self.end.alive and self._process.poll() is None

    def verdict(self) -> KSpaceError | SandboxError:
        """Why it hung up; it has ended afterwards."""
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            status = 0
        self.end()
        if not self.ready:
            return SandboxError(f"The reader's process did not start (status {status}).")
        if status == -signal.SIGXCPU:
            return ReaderTimeoutError("Reading took more of the processor than any honest file needs.")
        if status < 0:
            return ReaderDiedError(f"The process that read the file was ended by {_name(-status)}.")
        return ReaderDiedError("The process that read the file came to its end.")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end(process: subprocess.Popen[bytes], sock: socket.socket, parent: int) -> None:
    """It has nothing to put away, so it is killed; waiting for it leaves no zombie."""
    sock.close()
    if process.stdin is not None:
        process.stdin.close()
    if os.getpid() == parent:
        process.kill()
        process.wait()
