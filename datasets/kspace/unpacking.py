"""Archives read forwards once: as they are, or out of gzip, xz and Zstandard, in bounded memory whatever the bytes say.

Archives are foreign data. A decompressor is never asked for more than a block at a time, so that a few bytes that
claim to be a terabyte cost a block of memory and no more.
"""

import lzma
import zlib
from typing import Any, Protocol

from backports import zstd

from datasets.kspace.errors import BrokenArchiveError, KSpaceError, TooLargeError, UnsupportedLayoutError

# Compressed bytes are read in blocks of this size, and unpacked piece by piece: zlib copies what it has not come to yet
# with every block that it gives.
READ_BYTES = 2**20
PIECE_BYTES = 2**17
BLOCK_BYTES = 2**20
# xz -9 takes 65 MiB to unpack. What asks for more was not made by anybody's usual command.
XZ_MEMORY = 256 * 2**20
# Of the window, as a power of 2: 128 MiB, the most that `zstd -d` takes without being told to.
ZSTANDARD_WINDOW = 27
# K-space that was filled up with zeros is packed well, but not so well. Little is believed whatever it claims.
MOST_TIMES, BELIEVED = 250, 4 * 2**30

HDF5 = (".h5", ".hdf5")
PLAIN = (".tar", *HDF5)


class Readable(Protocol):
    """Gives its next bytes, at most so many, and none at its end."""

    def read(self, size: int, /) -> bytes: ...


class Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...


class _Stream:
    """One stream, unpacked by a decompressor that takes a bound."""

    padding: int | None = None
    """Zeros that may follow a stream come in so many; None: there are none."""
    _inner: Any

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def unpack(self, data: bytes, at_most: int) -> bytes:
        return self._inner.decompress(data, at_most)


class _Gzip(_Stream):
    padding = 1

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    def unpack(self, data: bytes, at_most: int) -> bytes:
        # Unlike the others it hands back what it has not come to.
        return super().unpack(self._inner.unconsumed_tail + data, at_most)


class _Xz(_Stream):
    padding = 4

    def __init__(self) -> None:
        self._inner = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


class _Zstandard(_Stream):
    def __init__(self) -> None:
        self._inner = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTANDARD_WINDOW})


Kind = type[_Stream]
KINDS: dict[str, Kind] = {
    ".tar.gz": _Gzip,
    ".tgz": _Gzip,
    ".tar.xz": _Xz,
    ".txz": _Xz,
    ".tar.zst": _Zstandard,
    ".tzst": _Zstandard,
}


def is_plain(name: str) -> bool:
    """Whether the bytes of a member lie in the file as they are, at the member's offset."""
    return name.lower().endswith(PLAIN)


def is_single(name: str) -> bool:
    """Whether a file of this name is itself one volume, without an archive around it."""
    return name.lower().endswith(HDF5)


def kind_of(name: str) -> Kind:
    """How a file of this name is compressed; UnsupportedLayoutError for one that cannot be unpacked here."""
    lower = name.lower()
    for ending, kind in KINDS.items():
        if lower.endswith(ending):
            return kind
    known = ".tar, .tar.gz, .tar.xz, .tar.zst and .h5"
    raise UnsupportedLayoutError(f"{name} is an archive of an unknown kind: known are {known}.")


class Forward:
    """What an archive holds, from its first byte to its last; there is no way back."""

    def __init__(self, file: Readable, name: str) -> None:
        self.name = name
        self.position = 0
        """How many bytes were read of what the archive holds."""
        self._file = file
        self._read = memoryview(b"")
        self._packed = 0
        self._broken: KSpaceError | None = None

    def take(self, at_most: int) -> bytes | memoryview:
        """Some of the next bytes, at most a block; none at the end. BrokenArchiveError or TooLargeError where the
        archive is damaged, and from then on: whoever asks for what lies behind need not read up to there again."""
        if self._broken is not None:
            raise self._broken
        try:
            block = self._next(min(at_most, BLOCK_BYTES))
        except KSpaceError as error:
            self._broken = error
            raise
        self.position += len(block)
        if self.position > BELIEVED + MOST_TIMES * self._packed:
            self._broken = TooLargeError(
                f"{self.name} unpacks to more than {MOST_TIMES} times its size, as no archive of volumes does."
            )
            raise self._broken
        return block

    def skip_to(self, offset: int) -> None:
        """Read and forget up to this byte. Raises ValueError when it lies behind."""
        if offset < self.position:
            raise ValueError(f"byte {offset} was passed already")
        while self.position < offset:
            self.must_take(offset - self.position)

    def copy(self, size: int, to: Writable) -> None:
        """The next so many bytes into another file."""
        end = self.position + size
        while self.position < end:
            to.write(self.must_take(end - self.position))  # type: ignore[arg-type]

    def must_take(self, at_most: int) -> bytes | memoryview:
        """The same where there must be some."""
        block = self.take(at_most)
        if not block:
            self._broken = BrokenArchiveError(f"{self.name} ends at byte {self.position:,} of what is packed in it.")
            raise self._broken
        return block

    def _next(self, at_most: int) -> bytes | memoryview:
        raise NotImplementedError

    def _piece(self, at_most: int) -> memoryview:
        """Some of the file's next bytes; none at its end."""
        if not self._read:
            self._read = memoryview(self._file.read(READ_BYTES))
            self._packed += len(self._read)
        piece, self._read = self._read[:at_most], self._read[at_most:]
        return piece


class Stored(Forward):
    """A file that is not compressed."""

    def _next(self, at_most: int) -> memoryview:
        return self._piece(at_most)


class Unpacked(Forward):
    """A compressed file. Several gzip members, xz streams or Zstandard frames one after the other are one, as
    `gzip -dc`, `xz -dc` and `zstd -dc` take them. What else follows is refused, which gzip only warns of."""

    def __init__(self, file: Readable, name: str) -> None:
        super().__init__(file, name)
        self._kind = kind_of(name)
        self._inner = self._kind()

    def _next(self, at_most: int) -> bytes:
        data: bytes | None = b""
        while True:
            if self._inner.eof:
                data = self._begin_next_stream()
                if data is None:
                    return b""
            try:
                block = self._inner.unpack(data or b"", at_most)
            except (zlib.error, lzma.LZMAError, zstd.ZstdError) as error:
                sentence = f"{self.name} cannot be unpacked after byte {self.position:,}: {error}."
                raise BrokenArchiveError(sentence) from error
            if block:
                return block
            data = b"" if self._inner.eof else self._more()

    def _begin_next_stream(self) -> bytes | None:
        """Its first compressed bytes; None at the end. Zeros pad streams: xz in fours, and what was on a tape."""
        data, zeros = self._inner.unused_data, 0
        while True:
            data = data or bytes(self._piece(PIECE_BYTES))
            rest = data.lstrip(b"\0") if self._inner.padding else data
            zeros += len(data) - len(rest)
            if rest or not data:
                break
            data = b""
        if zeros % (self._inner.padding or 1):
            raise BrokenArchiveError(
                f"{self.name} cannot be unpacked after byte {self.position:,}: {zeros:,} zeros are no padding."
            )
        if not rest:
            return None
        self._inner = self._kind()
        return rest

    def _more(self) -> bytes:
        piece = self._piece(PIECE_BYTES)
        if not piece:
            raise BrokenArchiveError(f"{self.name} ends at byte {self.position:,} of what is packed in it.")
        return bytes(piece)


def unpacking(file: Readable, name: str) -> Forward:
    """What a file holds whose name says how it is packed; UnsupportedLayoutError for one of an unknown kind."""
    return Stored(file, name) if is_plain(name) else Unpacked(file, name)
