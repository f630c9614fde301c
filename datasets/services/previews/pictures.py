"""The pictures of previews: kept under a name of their bytes, found again, and forgotten when no row names them."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.utils import timezone

from datasets.exceptions import BucketDown
from datasets.kspace.errors import KSpaceError
from datasets.kspace.report import Rendering
from datasets.models import Dataset, Preview, Release
from datasets.storage.previews import PreviewStorage

logger = logging.getLogger(__name__)

# Digits of a folder's name: nobody finds other bytes with the same 128 bits.
FOLDER_DIGITS = 32
# Requests to the bucket at once.
AT_ONCE = 8
# Up to so many bytes, a picture is kept in the memory of the process that showed it.
SMALL_BYTES = 32_768
# Folders that are emptied in one call, before anybody asks how late it is.
FOLDERS_AT_ONCE = 200


def storage() -> PreviewStorage:
    found = storages["previews"]
    if not isinstance(found, PreviewStorage):
        raise TypeError("STORAGES['previews'] must be a PreviewStorage")
    return found


# Kept --------------------------------------------------------------------------------------------------------


def folder_of(contents: Mapping[str, bytes]) -> str:
    """A name made of all names and bytes: the same pictures always lie in the same folder."""
    whole = hashlib.sha256()
    for name, content in sorted(contents.items()):
        whole.update(f"{name} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()[:FOLDER_DIGITS]


def keep_pictures(rendering: Rendering, row: Preview) -> None:
    """Put all pictures into the bucket, and finish the row that names their folder. Twice is the same as once."""
    if not rendering.contents:
        raise KSpaceError("No picture could be made of this volume.")
    with kept_pictures(rendering) as folder:
        row.finish(row.State.DONE, folder=folder, report=rendering.report.as_json())


@contextmanager
def kept_pictures(rendering: Rendering) -> Iterator[str]:
    """Put all pictures into the bucket; within it the row is written that names their folder, which it gives."""
    folder = folder_of(rendering.contents)
    with _alone_in(folder):
        _write(folder, rendering.contents)
        yield folder


@contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """Until what is done inside is committed, nobody else writes or empties this folder: the same bytes may be made
    again in the moment in which they are forgotten."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"previews/{folder}"])
        yield


def _write(folder: str, contents: Mapping[str, bytes]) -> None:
    bucket = storage()

    def keep(name: str) -> None:
        bucket.save(f"{folder}/{name}", ContentFile(contents[name]))

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="picture") as pool:
        # Asked for their results, so that what one raises is raised here.
        list(pool.map(keep, contents))


# Found again -------------------------------------------------------------------------------------------------


class Picture(NamedTuple):
    """What must be known of one before it is shown."""

    dataset: Dataset
    is_published: bool
    """Whether its release is in the public catalogue, and not withdrawn."""
    is_current: bool
    """Whether the volume's preview has a picture of this name in this folder now."""


def find_picture(volume: int, folder: str, name: str) -> Picture | None:
    """One query; None when the volume has no row of a preview."""
    names_it = ExpressionWrapper(Q(report__pictures__contains=[{"name": name}]), output_field=BooleanField())
    release = "volume__archive__release"
    rows = Preview.objects.filter(volume=volume).select_related(f"{release}__dataset").annotate(names_it=names_it)
    told = ("name", "preview_audience", "is_listed", "agreement")
    row = rows.only("folder", f"{release}__status", *(f"{release}__dataset__{column}" for column in told)).first()
    if row is None:
        return None
    found = row.volume.archive.release
    return Picture(
        dataset=found.dataset,
        is_published=found.status == Release.Status.PUBLISHED and found.dataset.is_listed,
        is_current=row.folder == folder and bool(row.names_it),
    )


def bytes_of(folder: str, name: str) -> bytes:
    """Small ones from this process's memory, where they were asked for lately. Raises ObjectMissing and BucketDown."""
    path, thumbnails = f"{folder}/{name}", caches["thumbnails"]
    content: bytes | None = thumbnails.get(path)
    if content is None:
        with storage().open(path) as file:
            content = bytes(file.read())
        if len(content) <= SMALL_BYTES:
            thumbnails.set(path, content)
    return content


# Forgotten ---------------------------------------------------------------------------------------------------


def forget_pictures(days: int) -> int:
    """Delete pictures whose folder no row names, and that were written longer ago: what was rendered again, what a
    killed worker left, and what belonged to volumes that are gone. How many folders it emptied.

    A bucket that is away keeps nothing else from being forgotten; the next day comes."""
    try:
        return _forget_some(timezone.now() - timedelta(days=days))
    except BucketDown as error:
        logger.warning("old pictures were not deleted", extra={"error": str(error)[:200]})
        return 0


def _forget_some(before: datetime) -> int:
    found = storage().folders()
    # Read after the folders: what was named meanwhile counts as named.
    named = set(Preview.objects.exclude(folder="").values_list("folder", flat=True))
    emptied = 0
    for folder in found:
        if folder in named:
            continue
        with _alone_in(folder):
            if not _is_forgotten(folder, before):
                continue
        emptied += 1
        if emptied == FOLDERS_AT_ONCE:
            break
    return emptied


def _is_forgotten(folder: str, before: datetime) -> bool:
    """Empty the folder, unless it has something new in it: a worker writes all of a folder before its row names it."""
    written = storage().written(folder)
    if not written or max(written.values()) >= before or Preview.objects.filter(folder=folder).exists():
        return False
    storage().delete_many(list(written))
    return True
