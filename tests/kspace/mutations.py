"""Valid files of every layout, small so that most of their bytes are structure, and ways to break them."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import h5py

from tests.kspace import volumes

# What lengths, addresses, counts and versions become.
EDGES = (0, 1, 2, 7, 255, 256, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
Mutation = Callable[[bytearray, Random], None]


def seeds(folder: Path) -> dict[str, bytes]:
    """The files that are broken, by their names."""
    values = volumes.kspace(slices=2, coils=2, readout=16, phase=12)
    size = (8, 8)
    written = {
        "contiguous": volumes.multicoil(folder / "a.h5", values, size=size),
        "chunked": volumes.multicoil(folder / "b.h5", values, size=size, chunks=(1, 1, 16, 12)),
        "compressed": volumes.multicoil(
            folder / "c.h5", values, size=size, chunks=(1, 2, 8, 12), compression="gzip", shuffle=True, fletcher32=True
        ),
        "lzf": volumes.multicoil(folder / "d.h5", values, size=size, chunks=(1, 2, 16, 12), compression="lzf"),
        "without header": volumes.multicoil(folder / "e.h5", values, size=size, xml=None, stored=False),
        "single coil": volumes.singlecoil(folder / "f.h5", values[:, 0], size=size),
        "test split": volumes.test_split(folder / "g.h5"),
        "averages": volumes.prostate(folder / "h.h5", averages=2),
        "radial": volumes.breast(folder / "i.h5", spokes=2),
        "ISMRMRD": volumes.ismrmrd(folder / "j.h5", values, size=size),
    }
    newest = folder / "newest.h5"
    with h5py.File(written["contiguous"]) as old, h5py.File(newest, "w", libver="latest") as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
    return {name: path.read_bytes() for name, path in (written | {"newest format": newest}).items()}


def mutate(content: bytes, chance: Random) -> bytes:
    """One to four mutations, one after the other."""
    broken = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        if broken:
            chance.choice(MUTATIONS)(broken, chance)
    return bytes(broken)


def flip_bits(content: bytearray, chance: Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        content[_structure(content, chance)] ^= 1 << chance.randrange(8)


def put_bytes(content: bytearray, chance: Random) -> None:
    for _ in range(chance.choice((1, 2, 16))):
        content[_structure(content, chance)] = chance.randrange(256)


def edit_field(content: bytearray, chance: Random) -> None:
    """A length, an address, a count: set to an edge, or a little more or less than it was."""
    width = chance.choice((1, 2, 4, 8))
    start = _structure(content, chance) // width * width
    value = int.from_bytes(content[start : start + width], "little")
    value = chance.choice((*EDGES, len(content), len(content) - 1, value + 1, value - 1, value * 2, value << 8))
    content[start : start + width] = (value % (1 << 8 * width)).to_bytes(width, "little")


def swap_blocks(content: bytearray, chance: Random) -> None:
    width = chance.choice((8, 64, 512))
    one, other = (_place(content, chance) // width * width for _ in range(2))
    first, second = content[one : one + width], content[other : other + width]
    if len(first) == len(second):
        content[one : one + width], content[other : other + width] = second, first


def copy_block(content: bytearray, chance: Random) -> None:
    """Structures that contain themselves, or each other, come of this."""
    width = chance.choice((8, 40, 272, 544))
    source, target = _structure(content, chance) // 8 * 8, _structure(content, chance) // 8 * 8
    content[target : target + width] = content[source : source + width]


def insert_run(content: bytearray, chance: Random) -> None:
    place = _place(content, chance)
    content[place:place] = bytes([chance.randrange(256)]) * chance.choice((1, 8, 100, 5000))


def remove_run(content: bytearray, chance: Random) -> None:
    place = _place(content, chance)
    del content[place : place + chance.choice((1, 8, 100, 5000))]


def fill_run(content: bytearray, chance: Random) -> None:
    place, length = _structure(content, chance), chance.choice((4, 16, 256))
    run = chance.choice((b"\0", b"\xff", chance.randbytes(1))) * length
    content[place : place + length] = run[: len(content) - place]


def truncate(content: bytearray, chance: Random) -> None:
    del content[_place(content, chance) :]


def edit_text(content: bytearray, chance: Random) -> None:
    """The header's XML: another number, or a letter more or less."""
    start, end = content.find(b"<ismrmrdHeader"), content.find(b"</ismrmrdHeader>")
    if 0 <= start < end:
        place = chance.randrange(start, end)
        content[place] = chance.choice(b"0123456789<>&/\"'-. \0\xffe")


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, put_bytes, edit_field, edit_field, edit_field, swap_blocks, copy_block, insert_run, remove_run,
    fill_run, truncate, edit_text,
)  # fmt: skip


def _place(content: bytearray, chance: Random) -> int:
    return chance.randrange(len(content)) if content else 0


def _structure(content: bytearray, chance: Random) -> int:
    """A place near something that HDF5 wrote to find its way, more often than not."""
    if chance.random() < 0.3:
        return _place(content, chance)
    marks = (
        b"\x89HDF",
        b"TREE",
        b"HEAP",
        b"SNOD",
        b"GCOL",
        b"OHDR",
        b"OCHK",
        b"FRHP",
        b"BTHD",
        b"kspace",
        b"\x11\0\x10\0",
    )
    start = content.find(chance.choice(marks), _place(content, chance) // 2)
    return min(max(start, 0) + chance.randrange(600), len(content) - 1)
