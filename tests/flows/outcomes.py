"""Releases whose archives are read, and how they stand in the end: the same however often a part was away."""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.utils import timezone

from datasets.models import Archive, Ingest, Preview, Release, Volume
from datasets.services.previews.pictures import storage
from datasets.services.releases import check, ingest_due_archives
from tests import imports
from tests.factories import StaffFactory
from tests.waiting import wait_until

ARCHIVE = ("name", "status", "reason", "size", "sha256", "part_size", "part_hashes", "etag", "coils")
VOLUME = ("archive__name", "path", "offset", "size", "acquisition", "slices", "coils", "field_strength")
PREVIEW = ("volume__archive__name", "volume__path", "state", "reason", "folder", "report")
INGEST = ("archive__name", "state", "reason", "bytes_read", "volumes_read")


def outcome() -> dict[str, Any]:
    """Of the releases of tests.imports: all that a reading writes, and the pictures in the bucket."""
    folders = Preview.objects.exclude(folder="").values_list("folder", flat=True)
    return {
        "releases": list(Release.objects.filter(archives__key__startswith=imports.FOLDER).values("status").distinct()),
        "archives": list(Archive.objects.filter(key__startswith=imports.FOLDER).order_by("name").values(*ARCHIVE)),
        "volumes": list(Volume.objects.order_by("archive__name", "path").values_list(*VOLUME)),
        "previews": list(Preview.objects.order_by("volume__archive__name", "volume__path").values_list(*PREVIEW)),
        "ingests": list(Ingest.objects.order_by("archive__name").values_list(*INGEST)),
        "pictures": {folder: sorted(storage().written(folder)) for folder in sorted(set(folders))},
    }


def registered_and_due() -> Release:
    release = imports.registered()
    return check(release, by=StaffFactory())


def read_to_the_end(release: Release, seconds: float = 60) -> None:
    """In this process, as often as it takes; what was postponed is due at once."""

    def is_read() -> bool:
        Ingest.objects.waiting().update(due_at=timezone.now())
        ingest_due_archives(seconds=0)
        release.refresh_from_db()
        return release.status == Release.Status.READY

    wait_until(is_read, "The release's reading", seconds)


def forget() -> None:
    """The rows alone; what is in the bucket is read again."""
    Release.objects.filter(archives__key__startswith=imports.FOLDER).update(status=Release.Status.DRAFT)
    Archive.objects.filter(key__startswith=imports.FOLDER).delete()


def spooled() -> set[Path]:
    """Files of this process that have no name any more, as those in which members lie while they are read."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        # What lists the folder is closed by now.
        with suppress(FileNotFoundError):
            found.add(descriptor.readlink())
    return {path for path in found if path.is_relative_to(tempfile.gettempdir()) and path.name.endswith(" (deleted)")}
