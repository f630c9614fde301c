"""Archives made in memory: honest ones by tarfile, others header by header."""

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable
from typing import Any

from backports import zstd

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "volumes.tar": bytes,
    "volumes.tar.gz": gzip.compress,
    "volumes.tar.xz": lzma.compress,
    "volumes.tar.zst": zstd.compress,
}
END = bytes(1024)
Files = Iterable[tuple[str, bytes]]


def tar_of(files: Files, *, form: int = tarfile.PAX_FORMAT, encoding: str = "utf-8") -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=form, encoding=encoding) as tar:
        for path, content in files:
            facts = tarfile.TarInfo(path)
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))
    return whole.getvalue()


def found_by_tarfile(content: bytes) -> list[tuple[str, int, int]]:
    """Path, offset and size of each file, as the standard library tells them."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return [(member.name, member.offset_data, member.size) for member in tar if member.isfile()]


def header(name: str, *, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """One header of 512 bytes, whatever it claims."""
    facts = tarfile.TarInfo(name)
    facts.size, facts.type, facts.linkname = size, kind, link
    return facts.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def member(name: str, content: bytes, **facts: Any) -> bytes:
    return header(name, size=len(content), **facts) + padded(content)


def pax(**records: str) -> bytes:
    """An extended header before a member."""
    content = b"".join(_record(key.replace("__", "."), value.encode()) for key, value in records.items())
    return member("pax", content, kind=tarfile.XHDTYPE)


def _record(key: str, value: bytes) -> bytes:
    rest = b" " + key.encode() + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest
