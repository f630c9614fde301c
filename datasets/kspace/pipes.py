"""Threads that hand work on to each other through pipes of bounded length, and end together."""

from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition, Lock, Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The line was stopped: whoever waits at a pipe gives up."""


class Ended(Exception):
    """Nothing more comes out of this pipe."""


class Late(Exception):
    """Nothing came in time."""


class Pipe(Generic[T]):
    """From one thread to another, in order. Whoever puts waits while it is full, so that nobody runs far ahead."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._ended = False
        self._stopped = False

    def put(self, item: T) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._items) < self._room)
            if self._stopped:
                raise Stopped
            self._items.append(item)
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> T:
        """The next one. Raises Ended behind the last, and Late when there was none for so many seconds."""
        with self._changed:
            came = self._changed.wait_for(lambda: self._stopped or self._items or self._ended, timeout)
            if self._stopped:
                raise Stopped
            if not came:
                raise Late
            if not self._items:
                raise Ended
            self._changed.notify_all()
            return self._items.popleft()

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                item = self.get()
            except Ended:
                return
            yield item

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


class Line:
    """The threads and their pipes. What one raises stops all, and is raised by `finish`."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._lock = Lock()
        self._pipes: list[Pipe[Any]] = []
        self._threads: list[Thread] = []

    def pipe(self, room: int) -> Pipe[Any]:
        pipe: Pipe[Any] = Pipe(room)
        self._pipes.append(pipe)
        return pipe

    def start(self, work: Callable[[], None]) -> None:
        thread = Thread(target=self._run, args=[work], name=f"ingest-{work.__name__.strip('_')}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def finish(self) -> None:
        """Wait for all threads."""
        for thread in self._threads:
            thread.join()
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        """Whoever waits at a pipe gives up. Threads that do something else come to their next pipe first."""
        for pipe in self._pipes:
            pipe.stop()

    def close(self) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - raised again by finish, in the thread that waits for this one
            with self._lock:
                self.error = self.error or error
            self.stop()
