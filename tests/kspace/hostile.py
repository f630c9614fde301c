"""A child that a file has taken over: it says what it likes.

Sandbox(command=hostile("nonsense"))
"""

import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

from datasets.kspace.frames import Channel
from datasets.kspace.process import COMMAND
from datasets.kspace.report import Facts, Kind, Layout, PictureReport, Report, Scores, SliceReport

PREFIX = struct.Struct("!II")
FACTS = Facts(Layout.MULTI_COIL, (3, 4, 64, 48), "complex64", 3, 4, 64, 48, "AXT2", encoded=(64, 48, 1))
SHOWN = PictureReport(Kind.RECONSTRUCTION, 1, "full", 32, 32, "001.png")
REPORT = Report(
    FACTS, 1, (SliceReport(1, Scores(0.1, 30, None)),), None, 4, (1, 2), 2, (SHOWN,), 10, 0.5, ("A sentence.",)
).as_json()
PICTURE: dict[str, Any] = REPORT["pictures"][0]
PNG = b"\x89PNG\r\n\x1a\nand so on"


def hostile(mode: str) -> tuple[str, ...]:
    return (*COMMAND[:-1], "tests.kspace.hostile", mode)


def answer(channel: Channel, report: Any, contents: dict[str, bytes]) -> None:
    sizes = {name: len(content) for name, content in contents.items()}
    channel.send({"type": "done", "answer": report, "sizes": sizes}, b"".join(contents.values()))


def with_picture(channel: Channel, content: bytes = PNG, **changes: Any) -> None:
    picture = PICTURE | changes
    answer(channel, REPORT | {"pictures": [picture]}, {picture["name"]: content})


def raw(header: bytes, length: int | None = None, blob: int = 0) -> Callable[[Channel], None]:
    return lambda channel: channel.sock.sendall(PREFIX.pack(len(header) if length is None else length, blob) + header)


def endless_pictures(channel: Channel) -> None:
    header = json.dumps({"type": "done", "answer": REPORT, "sizes": {"001.png": 2**32 - 1}}).encode()
    raw(header, blob=2**32 - 1)(channel)
    while True:
        channel.sock.sendall(bytes(1 << 20))


def drip(channel: Channel) -> None:
    raw(b"{", length=1000)(channel)
    while True:
        channel.sock.sendall(b" ")
        time.sleep(0.05)


def die_in_a_frame(channel: Channel) -> None:
    raw(b'{"type": "do', length=500)(channel)
    os._exit(3)


def read_for_ever(channel: Channel) -> None:
    while True:
        channel.send({"type": "read", "offset": 0, "length": 100})
        _, length = channel.receive()
        channel.take(length)


def read(offset: Any, length: Any) -> Callable[[Channel], None]:
    return lambda channel: channel.send({"type": "read", "offset": offset, "length": length})


def facts(**changes: Any) -> Callable[[Channel], None]:
    return lambda channel: answer(channel, REPORT | {"facts": REPORT["facts"] | changes}, {"001.png": PNG})


def report(**changes: Any) -> Callable[[Channel], None]:
    return lambda channel: answer(channel, REPORT | changes, {"001.png": PNG})


def picture(content: bytes = PNG, **changes: Any) -> Callable[[Channel], None]:
    return lambda channel: with_picture(channel, content, **changes)


MODES: dict[str, Callable[[Channel], None]] = {
    "honest": report(),
    "silence": lambda _: time.sleep(60),
    "drips": drip,
    "death in a frame": die_in_a_frame,
    "endless pictures": endless_pictures,
    "reading for ever": read_for_ever,
    "a sentence of many lines": lambda channel: channel.send(
        {"type": "failed", "kind": "HeaderError", "sentence": "One\n\x1b[31m two\u202e. " + "x" * 9000}
    ),
    "an error that is none": lambda channel: channel.send({"type": "failed", "kind": "SystemExit", "sentence": "Out."}),
}
NONSENSE: dict[str, Callable[[Channel], None]] = {
    "noise": lambda channel: channel.sock.sendall(os.urandom(1000)),
    "no JSON": raw(b"{]"),
    "no object": raw(b"[1]"),
    "nesting": raw(b"[" * 100_000),
    "a header without end": raw(b"{", length=2**32 - 1),
    "not a number": raw(b'{"type": "done", "answer": NaN, "sizes": {}}'),
    "no type": raw(b"{}"),
    "ready twice": raw(b'{"type": "ready"}'),
    "bytes behind an error": raw(b'{"type": "failed", "kind": "HeaderError", "sentence": "x"}', blob=9),
    "an error without a name": raw(b'{"type": "failed", "kind": ["x"], "sentence": "x"}'),
    "sizes that are none": raw(b'{"type": "done", "answer": {}, "sizes": {"a": -1}}'),
    "reading beyond the end": read(0, 10**9),
    "reading before the beginning": read(-5, 10),
    "reading at a word": read("0", 10),
    "reading a truth": read(0, True),
    "no report": lambda channel: answer(channel, [1], {}),
    "a report without facts": report(facts=None),
    "one more value": report(more=1),
    "an unknown layout": facts(layout="spiral"),
    "a fraction of slices": facts(slices=1.5),
    "a truth for a number": facts(slices=True),
    "a text for a shape": facts(shape="3333"),
    "a matrix of two": facts(encoded=[1, 2]),
    "an infinite number": raw(
        json.dumps({"type": "done", "answer": REPORT, "sizes": {}}).replace("0.5", "1e400").encode()
    ),
    "an endless number": facts(slices=10**30),
    "columns as the sand of the sea": facts(phase=2**50),
    "columns below nothing": facts(phase=-1),
    "control characters": facts(acquisition="AX\x00T2"),
    "an endless name": facts(acquisition="A" * 5000),
    "a note that is none": report(notes=[{}]),
    "a picture's name with a path": picture(name="../001.png"),
    "a picture's name that is hidden": picture(name=".png"),
    "another kind of name": picture(name="001.svg"),
    "a picture that is a page": picture(b"<html><script>alert(1)</script>"),
    "a picture of another format": picture(b"RIFF0000WEBPVP8 "),
    "a picture without width": picture(width=0),
    "a picture as wide as the sea": picture(width=10**6),
    "a picture of an unknown kind": picture(kind="portrait"),
    "a picture twice": report(pictures=[PICTURE, PICTURE]),
    "a picture less": report(pictures=[]),
    "a picture more": report(pictures=[PICTURE, PICTURE | {"name": "002.png"}]),
}


def main() -> None:
    mode, number = sys.argv[1:3]
    channel = Channel(socket.socket(fileno=int(number)))
    if mode == "no start":
        sys.exit(1)
    channel.send({"type": "ready"})
    channel.receive_with_descriptor()
    (MODES | NONSENSE)[mode](channel)
    time.sleep(60)


if __name__ == "__main__":
    main()
