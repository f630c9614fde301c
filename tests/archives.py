"""Archives in the bucket, as previews find them, and a stand-in for the sandbox that takes any file for k-space."""

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from datasets.kspace.errors import NotAVolumeError
from datasets.kspace.report import Rendering, Wish
from datasets.models import Archive, Volume
from datasets.storage import bucket
from tests.factories import ArchiveFactory, report_of

PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".xz": lzma.compress}
PICTURES = ("001-reconstruction.webp", "thumbnail.webp")


def tar_of(files: Mapping[str, bytes]) -> tuple[bytes, dict[str, int]]:
    """A tar file, and at which byte each of its members begins."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for path, content in files.items():
            facts = tarfile.TarInfo(path)
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))
    with tarfile.open(fileobj=io.BytesIO(whole.getvalue())) as tar:
        return whole.getvalue(), {member.name: member.offset_data for member in tar}


def packed(name: str, files: Mapping[str, bytes]) -> bytes:
    """An archive of these files, as its name says."""
    return PACKERS.get(Path(name).suffix, bytes)(tar_of(files)[0])


def stored(name: str, files: Mapping[str, bytes], *, damage: Callable[[bytes], bytes] = bytes, **facts: Any) -> Archive:
    """An archive of these files in the bucket and, with its volumes, in the catalogue."""
    content, offsets = damage(packed(name, files)), tar_of(files)[1]
    archive = ArchiveFactory(name=name, size=len(content), **facts)
    bucket().put(archive.key, content)
    Archive.objects.filter(pk=archive.pk).update(etag=bucket().head(archive.key).etag)
    archive.refresh_from_db()
    Volume.objects.bulk_create(
        Volume(archive=archive, path=path, offset=offsets[path], size=len(content)) for path, content in files.items()
    )
    return archive


class Painter:
    """Stands in for the sandbox where what is tested is not the pictures: each is the file's own bytes.

    A file that begins with "bad" is none of k-space."""

    started = 0
    closed = 0

    def __init__(self) -> None:
        type(self).started += 1

    def render(self, source: Path | BinaryIO, wish: Wish) -> Rendering:
        content = source.read_bytes() if isinstance(source, Path) else source.read()
        if content.startswith(b"bad"):
            raise NotAVolumeError("This is no HDF5 file.")
        return Rendering(report_of(*PICTURES), dict.fromkeys(PICTURES, b"RIFF    WEBP" + content))

    def close(self) -> None:
        type(self).closed += 1
