"""A small proxy before the bucket that breaks things on demand: cuts, pages in between, refusals, slowness."""

import http.client
import random
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from django.conf import settings
from django.test import override_settings

PAGE = b"<!doctype html><html><body><h1>Welcome to the guest network</h1></body></html>"
SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your rate.</Message></Error>"
DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
BLOCK = 16_384


@dataclass
class Fault:
    """What is done to one GET of an object: the answer is cut, spoilt or replaced."""

    cut_after: int | None = None
    # Ends by a reset, where it would else end as if that were all.
    reset: bool = False
    wait: float = 0
    # Bytes a second.
    rate: float = float("inf")
    flip_at: int | None = None
    status: int = 0
    body: bytes = b""
    kind: str = "text/html"


def page() -> Fault:
    """Somebody in between answers with a page of its own, and says that all is well."""
    return Fault(status=200, body=PAGE)


def slow_down() -> Fault:
    return Fault(status=503, body=SLOW_DOWN, kind="application/xml")


def denied() -> Fault:
    return Fault(status=403, body=DENIED, kind="application/xml")


def bad_weather(seed: int, share: float, requests: int) -> list[Fault]:
    """What befalls so many requests, the same each time: a share of them fails, each in one of four ways."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    ways: list[Callable[[], Fault]] = [
        slow_down,
        lambda: Fault(cut_after=chance.randrange(200_000)),
        lambda: Fault(cut_after=chance.randrange(200_000), reset=True),
        lambda: Fault(rate=500_000),
    ]
    return [chance.choice(ways)() if chance.random() < share else Fault() for _request in range(requests)]


@dataclass
class Seen:
    """One request that reached the bucket, and the status that it got."""

    path: str
    range: str | None
    status: int = 0


@dataclass
class Plan:
    """What is done to the next requests, one fault each; `always` to those for which none is left."""

    faults: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    # Bytes a second of each answer.
    rate: float = float("inf")
    seen: list[Seen] = field(default_factory=list)

    def next_fault(self) -> Fault:
        return self.faults.popleft() if self.faults else self.always or Fault()


class Passing(BaseHTTPRequestHandler):
    """What one FaultyBucket does with a request."""

    bucket: "FaultyBucket"
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        if "list-type=" in self.path:
            self.pass_through()
            return
        plan = self.bucket.plan
        seen = Seen(self.path, self.headers["Range"])
        plan.seen.append(seen)
        fault = plan.next_fault()
        if fault.status:
            seen.status = fault.status
            self.answer(fault.status, {"Content-Type": fault.kind, "Content-Length": str(len(fault.body))})
            self.wfile.write(fault.body)
            return
        with closing(http.client.HTTPConnection("127.0.0.1", self.bucket.upstream_port)) as upstream:
            upstream.request("GET", self.path, headers=dict(self.headers))
            with upstream.getresponse() as response:
                seen.status = response.status
                self.answer(response.status, dict(response.getheaders()))
                pass_on(response.read, self.wfile.write, fault, plan)
        if fault.cut_after is not None:
            self.cut(fault)

    def cut(self, fault: Fault) -> None:
        time.sleep(fault.wait)
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def pass_through(self) -> None:
        """Whatever does not fetch an object, such as a list, or whether something is there: nothing is done to it."""
        if self.headers["Expect"]:
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.bucket.upstream_port)) as upstream:
            upstream.request(self.command, self.path, body=body, headers=headers)
            with upstream.getresponse() as response:
                self.answer(response.status, dict(response.getheaders()))
                self.wfile.write(response.read())

    do_PUT = do_POST = do_HEAD = do_DELETE = pass_through  # noqa: N815 - the names that the base class calls

    def answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            # The client was killed; that is what these tests do.
            self.close_connection = True


class FaultyBucket:
    """Listens on a port of its own and passes everything on to the bucket."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.plan = Plan()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Passing", (Passing,), {"bucket": self}))
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextmanager
def before_the_bucket() -> Iterator[Plan]:
    """The bucket of the settings behind something that breaks."""
    proxy = FaultyBucket(urlsplit(settings.BUCKET_ENDPOINT_URL).port or 0)
    try:
        with override_settings(BUCKET_ENDPOINT_URL=proxy.url):
            yield proxy.plan
    finally:
        proxy.stop()


def pass_on(read: Callable[[int], bytes], write: Callable[[bytes], object], fault: Fault, plan: Plan) -> None:
    began, sent = time.monotonic(), 0
    while block := read(BLOCK):
        if fault.flip_at is not None and sent <= fault.flip_at < sent + len(block):
            place = fault.flip_at - sent
            block = block[:place] + bytes([block[place] ^ 1]) + block[place + 1 :]
        if fault.cut_after is not None:
            block = block[: max(0, fault.cut_after - sent)]
        write(block)
        sent += len(block)
        if fault.cut_after is not None and sent >= fault.cut_after:
            return
        time.sleep(max(0.0, sent / min(plan.rate, fault.rate) - (time.monotonic() - began)))
