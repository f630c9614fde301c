"""Wires between an instance and what is outside of it, for an instance has a network of its own.

    python wire.py tcp:127.0.0.1:5432=unix:/tmp/wires/5432 ...

What connects to the left is connected to the right. Sockets of the file system lead out of a network namespace. A
script on the standard library alone, for it runs where nothing else is yet; with --loopback it first puts the
namespace's own 127.0.0.1 up.
"""

import asyncio
import fcntl
import socket
import struct
import sys
from contextlib import suppress

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
BLOCK = 1 << 18
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def put_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = struct.pack("16sh", b"lo", 0)
        _name, flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, name))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await reader.read(BLOCK):
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def reach(place: str) -> Ends:
    kind, _colon, where = place.partition(":")
    if kind == "unix":
        return await asyncio.open_unix_connection(where)
    host, _colon, port = where.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def join(near: Ends, place: str) -> None:
    try:
        far = await reach(place)
    except OSError:
        # As a port that nobody listens at.
        near[1].transport.abort()
        return
    try:
        await asyncio.gather(pump(near[0], far[1]), pump(far[0], near[1]))
    finally:
        for _reader, writer in (near, far):
            writer.close()


async def lay(wire: str) -> asyncio.Server:
    here, _equals, there = wire.partition("=")
    # asyncio itself holds none of them, and what nobody holds is collected in the midst of its work.
    joined: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(join((reader, writer), there))
        joined.add(task)
        task.add_done_callback(joined.discard)

    kind, _colon, where = here.partition(":")
    if kind == "unix":
        return await asyncio.start_unix_server(connected, where)
    host, _colon, port = where.rpartition(":")
    return await asyncio.start_server(connected, host, int(port))


async def main(wires: list[str]) -> None:
    servers = [await lay(wire) for wire in wires]
    print("laid", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--loopback"]:
        put_loopback_up()
        del sys.argv[1]
    asyncio.run(main(sys.argv[1:]))
