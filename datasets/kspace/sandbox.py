"""Foreign files are opened in a child process: mutated HDF5 files crash, abort and hang the C library.

    with Sandbox() as sandbox:
        facts = sandbox.describe(Path("volume.h5"))
        rendering = sandbox.render(bucket().open(key), Wish())

The child has limits of memory, of processor time and of the clock, and is used again while it is healthy. Its death is
an error of the file, and the next file gets a new child. Credentials never enter it: a file on disk goes in as an open
descriptor, any other file object is read here, on request. What it answers is not trusted.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Self, TypeVar

from datasets.kspace import answers
from datasets.kspace.conversation import Conversation, Limits, SandboxError, opened
from datasets.kspace.errors import ReaderDiedError
from datasets.kspace.frames import FrameError
from datasets.kspace.process import COMMAND, Child
from datasets.kspace.report import Facts, Rendering, Wish

__all__ = ["Limits", "Sandbox", "SandboxError"]
Believed = TypeVar("Believed")


class Sandbox:
    """One child at a time; threads that share a sandbox wait for each other.

    Every way raises KSpaceError for what is wrong with the file, or with the child because of it; whatever the parent's
    own file object raises, as it is; SandboxError when the child cannot work at all."""

    def __init__(
        self, limits: Limits | None = None, *, command: Sequence[str] = COMMAND, child: Child | None = None
    ) -> None:
        """`child`: one that was started before, when there was nothing else yet."""
        self.limits = limits or Limits()
        self._command = tuple(command)
        self._child = child
        self._lock = Lock()

    def start(self) -> None:
        """Start the child now, so that it imports what it needs while the parent does something else."""
        with self._lock:
            self._healthy_child()

    def close(self) -> None:
        with self._lock:
            self._drop_child()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def describe(self, source: Path | BinaryIO) -> Facts:
        return self._run("describe", {}, source, lambda answer, _contents: answers.facts(answer))

    def render(self, source: Path | BinaryIO, wish: Wish) -> Rendering:
        arguments = {"wish": asdict(wish)}
        return self._run(
            "render", arguments, source, lambda answer, contents: answers.rendering(answer, contents, wish)
        )

    def run(self, job: str, arguments: dict[str, Any], source: Path | BinaryIO) -> Any:
        """Another job of the child's table, and its answer as it is: JSON of a child that is not trusted."""
        return self._run(job, arguments, source, lambda answer, _contents: answer)

    def _run(
        self,
        job: str,
        arguments: dict[str, Any],
        source: Path | BinaryIO,
        believe: Callable[[Any, dict[str, bytes]], Believed],
    ) -> Believed:
        with self._lock, opened(source) as file:
            child = self._healthy_child()
            conversation = Conversation(child, file, self.limits)
            try:
                return believe(*conversation.hold(job, arguments))
            except FrameError as error:
                conversation.settled = False
                raise ReaderDiedError(f"The process that read the file talked nonsense: {error}.") from None
            finally:
                # Interrupted in the middle of a job, by the parent too, the child may be anywhere.
                if not conversation.settled or child.jobs >= self.limits.jobs:
                    self._drop_child()

    def _healthy_child(self) -> Child:
        if self._child is None or not self._child.usable():
            self._drop_child()
            self._child = Child(self._command, memory=self.limits.memory)
        return self._child

    def _drop_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()
