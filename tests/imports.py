"""Releases that are being imported: archives in the bucket, registered in a draft, or checked to their end.

Tests that ask for the fixture `reader` read archives without a child process, and take any file for k-space."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from accounts.models import User
from datasets.kspace.report import Facts, Wish
from datasets.models import Dataset, Release
from datasets.services.releases import check, ingest_due_archives, propose, register
from datasets.storage import bucket
from tests.access import offered
from tests.archives import Painter, packed
from tests.factories import ReleaseFactory, StaffFactory

FOLDER = "import/2.1/"
FILES = {f"train/file{number}.h5": f"volume {number}".encode() * 999 for number in range(3)}


class Reader(Painter):
    """Stands in for the sandbox where what is tested is not the files: it takes any file for k-space."""

    def describe(self, source: Path | BinaryIO) -> Facts:
        return self.render(source, Wish()).report.facts


def place(folder: str = FOLDER) -> str:
    return f"s3://{settings.BUCKET_NAME}/{folder}"


def upload(name: str, files: Mapping[str, bytes] = FILES, *, folder: str = FOLDER) -> bytes:
    """An archive of these files in the bucket; its bytes."""
    content = packed(name, files)
    bucket().put(f"{folder}{name}", content)
    return content


def stored(release: Release) -> Release:
    """A ready-made release whose objects are in the bucket, as if they had been read."""
    for archive in release.archives.all():
        key = f"import/{release.pk}/{archive.name}"
        bucket().put(key, archive.name.encode())
        seen = bucket().head(key)
        facts = {"key": key, "size": seen.size, "etag": seen.etag, "version_id": seen.version_id}
        release.archives.filter(pk=archive.pk).update(**facts)
    return release


def empty(folder: str = "import/") -> None:
    keys = list(bucket().keys(folder))
    if keys:
        bucket().delete(*keys)


def draft(dataset: Dataset | None = None, **facts: Any) -> Release:
    words: dict[str, Any] = {"version": "97.1", "status": "draft", "published_at": None, "notes": "New scans."}
    return ReleaseFactory(dataset=dataset or offered(), **words | facts)


def registered(*names: str, by: User | None = None, release: Release | None = None) -> Release:
    """A draft with these archives, which are put into the bucket."""
    release = release or draft()
    for name in names:
        upload(name)
    proposal = propose(release.dataset, place())
    register(release, proposal, [row.key for row in proposal.usable], by=by or StaffFactory())
    return release


def read(*names: str) -> Release:
    """A release whose archives were all read, and whose volumes have pictures."""
    return read_into(draft(), *names)


def read_into(release: Release, *names: str) -> Release:
    registered(*names, release=release)
    check(release, by=StaffFactory())
    ingest_due_archives(seconds=60)
    release.refresh_from_db()
    return release
