"""The child process of a sandbox: started with nothing of its parent's but one socket, and ended without a trace.

Little is imported here, so that a command can start its child before it imports what it needs itself.
"""

import os
import socket
import subprocess
import sys
import weakref
from collections.abc import Sequence

# Not by pathlib, which takes as long to import as all else here.
ROOT = __file__.removesuffix("/datasets/kspace/process.py")
MEMORY = 512 << 20
LONGEST_WORDS = 1 << 16
# Neither the folder it starts in nor a user's own packages have a say in what is imported.
COMMAND = (sys.executable, "-P", "-s", "-m", "datasets.kspace.child")
# All that the child knows of its surroundings: no addresses of databases, no keys of buckets.
ENVIRONMENT = {
    "PYTHONPATH": ROOT,
    "PYTHONUTF8": "1",
    # HDF5 looks for filters to load in no folder, and locks no file that it only reads.
    "HDF5_PLUGIN_PRELOAD": "::",
    "HDF5_USE_FILE_LOCKING": "FALSE",
    # Threads that nobody asked for take memory, and numpy's are of no use to an FFT.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Each arena of glibc maps 64 MB, which would count against the limit.
    "MALLOC_ARENA_MAX": "2",
    # Pictures come and go; by its own rules glibc would give each one's memory back, and fresh pages cost more than the
    # arithmetic that is done in them.
    "MALLOC_MMAP_THRESHOLD_": str(256 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}
INHERITED = ("LD_LIBRARY_PATH", "TZ")


class Child:
    """One child process. Its stdin is a pipe that nobody writes to: its end tells the child that the parent is gone."""

    def __init__(self, command: Sequence[str] = COMMAND, *, memory: int = MEMORY) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                # For its last words. What does not fit into the pipe is dropped: see the child.
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env=ENVIRONMENT | {name: os.environ[name] for name in INHERITED if name in os.environ},
                # Ctrl-C in a terminal is for the parent alone.
                start_new_session=True,
            )
        self.socket = ours
        self.pid = self._process.pid
        self.ready = False
        self.jobs = 0
        self._parent = os.getpid()
        # Also at the end of the interpreter, and when nobody holds the sandbox any more.
        self.end = weakref.finalize(self, _end, self._process, ours, self._parent)

    def usable(self) -> bool:
        """Whether it lives and is ours: a process forked from the parent has the object, but not the child."""
        return self._parent == os.getpid() and self.end.alive and self._process.poll() is None

    def ended(self) -> tuple[int, str]:
        """After it has hung up: its exit status, of a signal the negative number, and what it wrote to stderr."""
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            # It closed its socket and stayed.
            self._process.kill()
            status = self._process.wait()
        words = _last_words(self._process)
        self.end()
        return status, words.decode(errors="replace").strip()


def _last_words(process: subprocess.Popen[bytes]) -> bytes:
    if process.stderr is None:
        return b""
    # Whatever else it started may hold the other end: that is not waited for.
    os.set_blocking(process.stderr.fileno(), False)
    try:
        return os.read(process.stderr.fileno(), LONGEST_WORDS)
    except BlockingIOError:
        return b""


def _end(process: subprocess.Popen[bytes], sock: socket.socket, parent: int) -> None:
    """It has nothing to put away, so it is killed; waiting for it leaves no zombie."""
    for end in (sock, process.stdin, process.stderr):
        if end is not None:
            end.close()
    if os.getpid() == parent:
        process.kill()
        process.wait()
