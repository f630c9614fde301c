"""The one pass over an archive: its bytes are read once, and afterwards it is known to be whole and what is in it.

    with bucket().stream(key) as stream, Sandbox() as sandbox:
        ingested = ingest(stream, "train.tar.xz", sandbox=sandbox, wish=Wish(), on_volume=keep)

Fetching, hashing, unpacking, keeping a member and looking into it are each done in a thread of its own, and hand over
to one another in pipes of bounded length. While a volume is in the sandbox, the next one is written to a file of its
own: not more than two lie on the disk. No Django and no numpy here; what is foreign is opened in the sandbox's child
alone.
"""

from collections.abc import Callable
from contextlib import closing

from datasets.kspace.members import Ingested, Member, PartHashes
from datasets.kspace.report import Wish
from datasets.kspace.sandbox import Sandbox
from datasets.kspace.stages import Pass
from datasets.kspace.tar import Bounds
from datasets.kspace.unpacking import Readable

__all__ = ["PART_SIZE", "Bounds", "Ingested", "Member", "ingest"]
PART_SIZE = 256 * 2**20


def ingest(
    stream: Readable,
    name: str,
    *,
    sandbox: Sandbox,
    wish: Wish | None = None,
    on_volume: Callable[[Member], object],
    on_progress: Callable[[int, int], object] = lambda _bytes_read, _volumes: None,
    part_size: int = PART_SIZE,
    hash_members: bool = False,
    bounds: Bounds | None = None,
) -> Ingested:
    """Read a .tar, .tar.gz, .tar.xz, .tar.zst or .h5 file forwards, once.

    `on_volume` is called for each member, in the archive's order; `on_progress` with the bytes that were read and the
    volumes that are done, twice a second or more; both in the thread that called this. Without a wish there are facts
    and no pictures. `hash_members`: also the SHA-256 of each member, which takes as long as that of the whole.

    Raises KSpaceErrors for an archive that is broken or must not be handed out; NoRoomLeft; SandboxError; and what
    `stream` and the callbacks raise, as it is. Volumes may have been handed over before."""
    hashes = PartHashes(part_size)
    with closing(
        Pass(stream, name, sandbox=sandbox, wish=wish, hashes=hashes, hash_members=hash_members, bounds=bounds)
    ) as run:
        return run.run(on_volume, on_progress)
