"""The threads of the one pass over an archive, in the order in which bytes come to them."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import NamedTuple

from datasets.kspace.errors import (
    KSpaceError,
    NotAVolumeError,
    ReaderDiedError,
    ReaderTimeoutError,
    TooLargeError,
    UnsafeFileError,
)
from datasets.kspace.members import Ingested, Member, PartHashes
from datasets.kspace.pipes import Ended, Late, Line, Pipe, Stopped
from datasets.kspace.report import Facts, Rendering, Wish
from datasets.kspace.sandbox import Sandbox
from datasets.kspace.spool import Spool
from datasets.kspace.tar import Bounds, Entry, entries
from datasets.kspace.unpacking import READ_BYTES, Forward, Readable, is_single, unpacking

SIGNATURE = b"\x89HDF\r\n\x1a\n"
NOT_HDF5 = "not HDF5"
# Of each file that macOS packs it puts such a one beside it, ._file1.h5, for what its own file system knows of it.
DOUBLE, DOUBLES_SIGNATURE = "._", b"\x00\x05\x16\x07"
NOT_A_FILE = "properties that macOS keeps of another file"
# Of blocks of up to a megabyte each.
ROOM = 8
SPOOLED = 2
# A larger member is not written to the disk: no scan is so large.
LARGEST_VOLUME = 64 * 2**30
TICK = 0.5
# What says that a file is not whole by itself, rather than of a kind that is unknown here.
DAMAGE = (NotAVolumeError, ReaderDiedError, ReaderTimeoutError, TooLargeError, UnsafeFileError)


class _Begun(NamedTuple):
    """A member, before its bytes; `size` None where it ends where the file does."""

    path: str
    offset: int
    size: int | None
    is_volume: bool
    why_not: str = NOT_HDF5


class _Kept(NamedTuple):
    """A member, after its bytes; `sha256` is empty where nobody asked for it."""

    begun: _Begun
    size: int
    sha256: str
    spool: Spool | None


class _Chunks:
    """What was fetched, as a file."""

    def __init__(self, pipe: Pipe[bytes]) -> None:
        self._pipe = pipe

    def read(self, _size: int, /) -> bytes:
        try:
            return self._pipe.get()
        except Ended:
            return b""


class Pass:
    """Fetch, hash, unpack, keep, look: a thread each."""

    def __init__(
        self,
        stream: Readable,
        name: str,
        *,
        sandbox: Sandbox,
        wish: Wish | None,
        hashes: PartHashes,
        hash_members: bool,
        bounds: Bounds | None,
    ) -> None:
        self._hash_members = hash_members
        self._stream = stream
        self._name = name
        self._sandbox = sandbox
        self._wish = wish
        self._hashes = hashes
        self._bounds = bounds
        self._fetched = 0
        self._spools: list[Spool] = []
        self._works = (self._fetch, self._hash, self._unpack, self._keep, self._look)
        self._line = Line(len(self._works))
        self._to_hash: Pipe[bytes] = self._line.pipe(ROOM)
        self._to_unpack: Pipe[bytes] = self._line.pipe(ROOM)
        self._to_keep: Pipe[_Begun | bytes | memoryview] = self._line.pipe(2 * ROOM)
        self._kept: Pipe[_Kept] = self._line.pipe(ROOM)
        self._members: Pipe[Member] = self._line.pipe(1)
        self._slots: Pipe[None] = self._line.pipe(SPOOLED)
        # Before a byte is fetched: a name of no known kind is refused here.
        self._source: Forward = unpacking(_Chunks(self._to_unpack), name)

    def run(self, on_volume: Callable[[Member], object], on_progress: Callable[[int, int], object]) -> Ingested:
        self._line.start(*self._works)
        volumes = 0
        while True:
            try:
                member = self._members.get(TICK)
            except Late:
                on_progress(self._fetched, volumes)
                continue
            except (Ended, Stopped):
                break
            on_volume(member)
            volumes += member.is_volume
            on_progress(self._fetched, volumes)
        self._line.finish()
        on_progress(self._fetched, volumes)
        return self._hashes.ingested(volumes)

    def close(self) -> None:
        self._line.close()
        for spool in self._spools:
            spool.close()

    def _fetch(self) -> None:
        while chunk := self._stream.read(READ_BYTES):
            self._fetched += len(chunk)
            self._to_unpack.put(chunk)
            self._to_hash.put(chunk)
        self._to_unpack.end()
        self._to_hash.end()

    def _hash(self) -> None:
        for chunk in self._to_hash:
            self._hashes.update(chunk)

    def _unpack(self) -> None:
        if is_single(self._name):
            self._to_keep.put(_Begun(self._name, 0, None, is_volume=True))
            while block := self._source.take(READ_BYTES):
                self._to_keep.put(block)
            self._to_keep.put(b"")
        else:
            for entry in entries(self._source, self._bounds):
                for item in self._member_in_pieces(entry):
                    self._to_keep.put(item)
        self._to_keep.end()

    def _member_in_pieces(self, entry: Entry) -> Iterator[_Begun | bytes | memoryview]:
        """What it is, its bytes, and none for its end."""
        end = entry.offset + entry.size
        begin = b""
        while len(begin) < min(len(SIGNATURE), entry.size):
            begin += self._source.must_take(min(len(SIGNATURE), entry.size) - len(begin))
        is_double = entry.path.rpartition("/")[2].startswith(DOUBLE) and begin.startswith(DOUBLES_SIGNATURE)
        if is_double:
            yield _Begun(*entry, is_volume=False, why_not=NOT_A_FILE)
        else:
            yield _Begun(*entry, is_volume=is_single(entry.path) or begin == SIGNATURE)
        if begin:
            yield begin
        while self._source.position < end:
            yield self._source.must_take(end - self._source.position)
        yield b""

    def _keep(self) -> None:
        for begun in self._to_keep:
            if not isinstance(begun, _Begun):
                raise TypeError("bytes came before their member")
            spool = self._spool_for(begun)
            digest, size = sha256() if self._hash_members else None, 0
            while piece := self._to_keep.get():
                if isinstance(piece, _Begun):
                    raise TypeError("a member came before the end of another")
                if digest is not None:
                    digest.update(piece)
                size += len(piece)
                if spool is not None:
                    spool.write(piece)
            self._kept.put(_Kept(begun, size, digest.hexdigest() if digest else "", spool))
        self._kept.end()

    def _spool_for(self, begun: _Begun) -> Spool | None:
        if not begun.is_volume or (begun.size or 0) > LARGEST_VOLUME:
            return None
        self._slots.put(None)
        spool = Spool(begun.size)
        self._spools.append(spool)
        return spool

    def _look(self) -> None:
        """Into the members that were kept."""
        for kept in self._kept:
            self._members.put(self._member(kept))
        self._members.end()

    def _member(self, kept: _Kept) -> Member:
        begun, spool = kept.begun, kept.spool
        if spool is None:
            reason = f"This is too large for a volume: {kept.size:,} bytes." if begun.is_volume else begun.why_not
            return Member(begun.path, begun.offset, kept.size, kept.sha256, begun.is_volume, reason=reason)
        try:
            found = self._found(spool)
        finally:
            self._spools.remove(spool)
            spool.close()
        self._slots.get()
        return Member(begun.path, begun.offset, kept.size, kept.sha256, True, *found)

    def _found(self, spool: Spool) -> tuple[Facts | None, Rendering | None, str, bool]:
        try:
            if self._wish is None:
                return self._sandbox.describe(spool.path), None, "", False
            rendering = self._sandbox.render(spool.path, self._wish)
        except KSpaceError as error:
            facts = self._facts_at_least(spool)
            return facts, None, str(error), facts is None and isinstance(error, DAMAGE)
        return rendering.report.facts, rendering, "", False

    def _facts_at_least(self, spool: Spool) -> Facts | None:
        """Of a volume of which there is no picture: its numbers may be bad, and the file as it should be."""
        if self._wish is None:
            return None
        try:
            return self._sandbox.describe(spool.path)
        except KSpaceError:
            return None
