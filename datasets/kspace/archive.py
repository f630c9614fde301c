"""Compressed archives, read forwards once: gzip and xz, with bounded output whatever the bytes say.

Archives are foreign data. A decompressor is never asked for more than a block at a time, so that a few bytes that
claim to be a terabyte cost a block of memory and no more.
"""

import lzma
import zlib
from typing import BinaryIO

from datasets.kspace.errors import BrokenArchiveError, UnsupportedLayoutError

# Compressed bytes are read in blocks of this size, and unpacked piece by piece: zlib copies what it has not come to yet
# with every block that it gives.
READ_BYTES = 2**20
PIECE_BYTES = 2**17
BLOCK_BYTES = 2**20
# xz -9 takes 65 MiB to unpack. What asks for more was not made by anybody's usual command.
XZ_MEMORY = 256 * 2**20

PLAIN = (".tar", ".h5", ".hdf5")
ZSTANDARD = (".tar.zst", ".tzst", ".zst")


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def unpack(self, data: bytes, at_most: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, at_most)


class _Xz:
    def __init__(self) -> None:
        self._inner = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def unpack(self, data: bytes, at_most: int) -> bytes:
        return self._inner.decompress(data, at_most)


KINDS: dict[str, type[_Gzip] | type[_Xz]] = {".tar.gz": _Gzip, ".tgz": _Gzip, ".tar.xz": _Xz, ".txz": _Xz}


def is_plain(name: str) -> bool:
    """Whether the bytes of a member lie in the file as they are, at the member's offset."""
    return name.lower().endswith(PLAIN)


def kind_of(name: str) -> type[_Gzip] | type[_Xz]:
    """How a file of this name is compressed; UnsupportedLayoutError for one that cannot be unpacked here."""
    lower = name.lower()
    for ending, kind in KINDS.items():
        if lower.endswith(ending):
            return kind
    if lower.endswith(ZSTANDARD):
        raise UnsupportedLayoutError(f"{name} is compressed by Zstandard, from which no previews can be made yet.")
    raise UnsupportedLayoutError(f"{name} is an archive of an unknown kind: known are .tar, .tar.gz, .tar.xz and .h5.")


class Unpacked:
    """What a compressed file holds, from its first byte to its last; there is no way back.

    Several gzip members or xz streams one after the other are one, as gunzip and xz take them."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.position = 0
        """How many unpacked bytes were read."""
        self._file = file
        self._kind = kind_of(name)
        self._inner = self._kind()
        self._read = memoryview(b"")
        self._end: BrokenArchiveError | None = None

    def skip_to(self, offset: int) -> None:
        """Read and forget up to this byte. Raises ValueError when it lies behind."""
        if offset < self.position:
            raise ValueError(f"byte {offset} was passed already")
        while self.position < offset:
            self._block(offset - self.position)

    def copy(self, size: int, to: BinaryIO) -> None:
        """The next so many bytes into another file."""
        end = self.position + size
        while self.position < end:
            to.write(self._block(end - self.position))

    def _block(self, at_most: int) -> bytes:
        """Some of the next bytes, at least one and at most a block; BrokenArchiveError where there are none, and from
        then on, so that whoever asks for what lies behind a damage need not read up to it again."""
        if self._end is not None:
            raise self._end
        try:
            block = self._unpacked(at_most)
        except BrokenArchiveError as error:
            self._end = error
            raise
        self.position += len(block)
        return block

    def _unpacked(self, at_most: int) -> bytes:
        data = b""
        while True:
            if self._inner.eof:
                data = self._begin_next_stream()
            try:
                block = self._inner.unpack(data, min(at_most, BLOCK_BYTES))
            except (zlib.error, lzma.LZMAError) as error:
                sentence = f"{self.name} cannot be unpacked after byte {self.position:,}: {error}."
                raise BrokenArchiveError(sentence) from error
            if block:
                return block
            data = b"" if self._inner.eof else self._more()

    def _begin_next_stream(self) -> bytes:
        """Its first compressed bytes. Zeros pad streams: xz in fours, and what was copied from a tape."""
        data = self._inner.unused_data.lstrip(b"\0")
        while not data:
            data = self._more().lstrip(b"\0")
        self._inner = self._kind()
        return data

    def _more(self) -> bytes:
        if not self._read:
            self._read = memoryview(self._file.read(READ_BYTES))
        if not self._read:
            raise BrokenArchiveError(f"{self.name} ends at byte {self.position:,} of what is packed in it.")
        piece, self._read = self._read[:PIECE_BYTES], self._read[PIECE_BYTES:]
        return bytes(piece)
