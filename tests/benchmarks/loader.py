"""A small HTTP/1.1 client that asks as fast as it is answered: raw sockets, one epoll loop, connections kept.

It stands in for nginx, which keeps its connections to gunicorn. It runs in a process of its own and reports its own
processor time, so that one can see that it is not what limits.
"""

import itertools
import multiprocessing
import re
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import psutil

CONNECTIONS = 16
LAST_CHUNK = b"0\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Load:
    """What was measured: answers, seconds, and the processor seconds of the client and of all that answered it."""

    answers: int
    seconds: float
    client_seconds: float
    server_seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.answers / self.seconds

    @property
    def client_share(self) -> float:
        return self.client_seconds / self.seconds

    @property
    def cost(self) -> float:
        """Processor microseconds an answer, of server, database and cache together."""
        return self.server_seconds / self.answers * 1e6


class Asking:
    """One connection: the request under way and what came back of its answer."""

    def __init__(self, port: int, selector: selectors.EpollSelector) -> None:
        self.port = port
        self.selector = selector
        self.request = b""
        self.closures = 0
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(self.socket, selectors.EVENT_READ, self)
        self.buffer = b""
        self.length = -1
        self.chunked = False

    def send(self, request: bytes) -> None:
        self.request = request
        try:
            self.socket.sendall(request)
        except ConnectionError:
            self.ask_again()

    def ask_again(self) -> None:
        """gunicorn closes a connection that it kept too long unasked; nginx, too, then asks on another one."""
        self.closures += 1
        if self.buffer or self.closures > 20:
            raise ConnectionError("the server closes connections")
        self.selector.unregister(self.socket)
        self.socket.close()
        self.connect()
        self.socket.sendall(self.request)

    def take(self, status: bytes) -> bool:
        """Read what came; true when the answer is whole. Anything but the expected status ends the measurement."""
        data = self.received()
        if not data:
            self.ask_again()
            return False
        self.buffer += data
        if self.length < 0:
            head, ended, _ = self.buffer.partition(b"\r\n\r\n")
            if not ended:
                return False
            if not head.startswith(b"HTTP/1.1 " + status):
                raise ConnectionError(self.buffer.decode(errors="replace"))
            found = LENGTH.search(head)
            # Without a length gunicorn sends chunks, of which the last one is empty.
            self.chunked = found is None
            self.length = len(head) + 4 + (int(found[1]) if found else len(LAST_CHUNK))
        if len(self.buffer) < self.length or (self.chunked and not self.buffer.endswith(LAST_CHUNK)):
            return False
        self.buffer, self.length = b"", -1
        return True

    def received(self) -> bytes:
        try:
            return self.socket.recv(262_144)
        except ConnectionError:
            return b""


def ask(port: int, requests: Sequence[bytes], *, status: int, seconds: float) -> Load:
    """Ask a server on this machine for so long, with these requests in turn."""
    used = processor_seconds()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_ask, args=(there, port, requests, str(status).encode(), seconds)
    )
    process.start()
    there.close()
    try:
        load: Load = here.recv()
        since = {pid: seconds - used.get(pid, 0.0) for pid, seconds in processor_seconds().items()}
        return replace(load, server_seconds=sum(since.values()))
    except EOFError:
        raise SystemExit("The client ended early; what is above says why.") from None
    finally:
        process.join()


def processor_seconds() -> dict[int, float]:
    """Of everything that this process has started and that runs: gunicorn, PostgreSQL, Valkey."""
    seconds = {}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds[process.pid] = times.user + times.system
    return seconds


def _ask(answer_to: Connection, port: int, requests: Sequence[bytes], status: bytes, seconds: float) -> None:
    selector = selectors.EpollSelector()
    turn = itertools.cycle(requests)
    answers = 0
    for _ in range(CONNECTIONS):
        Asking(port, selector).send(next(turn))
    began, used = time.perf_counter(), time.process_time()
    end = began + seconds
    # Longer where a page is slow: at least until each connection may have had an answer.
    while time.perf_counter() < end or answers < CONNECTIONS:
        for key, _ in selector.select(1):
            if key.data.take(status):
                answers += 1
                key.data.send(next(turn))
    elapsed = time.perf_counter() - began
    answer_to.send(Load(answers, elapsed, time.process_time() - used))
