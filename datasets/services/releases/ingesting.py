"""Reading archives that are due: one pass over the bytes, a row and pictures for every volume, then the verdict.

A worker may be killed at any moment. What it wrote of an archive is removed by whoever begins that archive again;
a worker that lost its lease writes nothing more, for each write asks first whether the row is still its own."""

import logging
from contextlib import closing
from datetime import timedelta

from django.db import transaction
from django.db.models import Max, Min, QuerySet

from accounts.services.work import work_through
from datasets.exceptions import MoveNotAllowed, ObjectChanged, ObjectMissing, PartDown
from datasets.kspace import archive as engine
from datasets.kspace.archive import Ingested
from datasets.kspace.errors import KSpaceError
from datasets.kspace.report import Wish
from datasets.kspace.sandbox import Sandbox, SandboxError
from datasets.models import Archive, Ingest, Release, Volume
from datasets.services.releases.moves import conclude, locked, move
from datasets.services.releases.reading import LONGEST_REASON, LeaseLost, Reading, Tell
from datasets.storage import ObjectFacts, bucket

logger = logging.getLogger(__name__)

WISH = Wish(slices="all", format="webp")
BACKOFF_BASE, BACKOFF_CEILING = timedelta(seconds=10), timedelta(minutes=10)
UNREAD = (Archive.Status.REGISTERED, Archive.Status.INGESTING)


class Ingester:
    """What a process keeps between archives: the child that reads foreign files, only while there is something to
    read. `tell` hears how far an archive is: the archive, bytes and volumes."""

    def __init__(self, tell: Tell | None = None) -> None:
        self._sandbox: Sandbox | None = None
        self._tell = tell

    def ingest_archive(self, row: Ingest) -> None:
        """Settle the row: done with a verified archive, failed because of it, or postponed because of ourselves."""
        try:
            archive = _begin(row)
        except MoveNotAllowed as error:
            row.finish(row.State.FAILED, reason=str(error))
            return
        if archive is None:
            # Left out meanwhile, or somebody else's by now.
            return
        reading = Reading(row, archive, self._tell)
        try:
            found, seen = self._read(archive, reading)
            _conclude(reading, found, seen)
        except LeaseLost:
            logger.warning("an archive is read by another worker", extra={"work": "ingest", "row": row.pk})
        except (KSpaceError, ObjectMissing, ObjectChanged) as error:
            _fail(row, archive, str(error) or type(error).__name__)
        except PartDown as error:
            row.postpone(reason=str(error)[:LONGEST_REASON], base=BACKOFF_BASE, ceiling=BACKOFF_CEILING)
        except SandboxError as error:
            # A fault of ours, which this archive may have met alone: tried again like after a death, then given up.
            logger.exception("the sandbox does not work", extra={"work": "ingest", "row": row.pk})
            row.crash(reason=str(error)[:LONGEST_REASON])

    def _read(self, archive: Archive, reading: Reading) -> tuple[Ingested, ObjectFacts]:
        # The object that was listed and agreed to; one that was uploaded again has no ETag here, and gets it now.
        opened = bucket().stream(archive.key, version_id=archive.version_id, etag=archive.etag)
        with closing(opened) as file:
            seen = ObjectFacts(file.size, file.etag, file.version_id)
            if not archive.etag:
                Archive.objects.filter(pk=archive.pk).update(size=seen.size, etag=seen.etag)
            if self._sandbox is None:
                self._sandbox = Sandbox()
            found = engine.ingest(
                file,
                archive.name,
                sandbox=self._sandbox,
                wish=WISH,
                on_volume=reading.on_volume,
                on_progress=reading.on_progress,
            )
        return found, seen

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None


# One a process: runs are short where archives are, and the next one goes on with the same child.
_ingester = Ingester()


def ingest_due_archives(*, seconds: float, ingester: Ingester = _ingester) -> bool:
    """Read what is due, for so long; True when the time was up before the rows were."""
    has_more = False
    try:
        has_more = work_through(Ingest.objects.all(), ingester.ingest_archive, seconds=seconds)
    finally:
        if not has_more:
            ingester.close()
        give_up()
    return has_more


def abandoned() -> QuerySet[Ingest]:
    """Rows that were failed without a verdict on their archives: too many workers died on them."""
    failed: QuerySet[Ingest] = Ingest.objects.failed()
    return failed.filter(archive__status__in=UNREAD, archive__release__status=Release.Status.CHECKING)


def give_up() -> None:
    """Let archives fail whose reading was given up, so that their releases do not wait for them for ever."""
    for row in abandoned().select_related("archive__release").order_by("pk"):
        with transaction.atomic():
            release = locked(row.archive.release)
            # Tried again meanwhile, it has not failed any more.
            if Ingest.objects.failed().filter(pk=row.pk).exists():
                _say_failed(row.archive, row.reason)
                conclude(release)


# Steps -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def _begin(row: Ingest) -> Archive | None:
    """Remove what a former try left, and say that it is being read; None when it is not this worker's to read."""
    release = Release.objects.filter(archives=row.archive_id).first()
    if release is None:
        return None
    release = locked(release)
    archive = Archive.objects.filter(pk=row.archive_id).first()
    if archive is None or not row.begin():
        return None
    if release.status == Release.Status.FAILED:
        # Somebody tries the work again rather than the release.
        move(release, Release.Status.CHECKING, reason="")
    if release.status != Release.Status.CHECKING:
        raise MoveNotAllowed(f"{release} is {release.status}: its archives are not read now.")
    Volume.objects.filter(archive=archive).delete()
    Archive.objects.filter(pk=archive.pk).update(status=Archive.Status.INGESTING, reason="")
    return archive


def _conclude(reading: Reading, found: Ingested, seen: ObjectFacts) -> None:
    row, archive = reading.row, reading.archive
    if found.size != seen.size:
        # As much as was sent was read: whoever reads on finds the rest.
        row.postpone(
            reason=f"The bucket gave {found.size:,} of {seen.size:,} bytes.", base=BACKOFF_BASE, ceiling=BACKOFF_CEILING
        )
    elif reading.broken:
        _fail(row, archive, reading.why_broken())
    else:
        _verify(reading, found, seen)


@transaction.atomic
def _verify(reading: Reading, found: Ingested, seen: ObjectFacts) -> None:
    row, archive = reading.row, reading.archive
    release = locked(Release(pk=archive.release_id))
    if not row.finish(row.State.DONE, bytes_read=found.size, volumes_read=found.volumes):
        raise LeaseLost
    Archive.objects.filter(pk=archive.pk).update(
        status=Archive.Status.VERIFIED,
        reason="",
        size=found.size,
        sha256=found.sha256,
        part_size=found.part_size,
        part_hashes=list(found.part_hashes),
        etag=seen.etag,
        version_id=seen.version_id,
        coils=archive.coils or coils_of_volumes(archive),
    )
    conclude(release)


@transaction.atomic
def _fail(row: Ingest, archive: Archive, reason: str) -> None:
    release = locked(Release(pk=archive.release_id))
    if row.finish(row.State.FAILED, reason=reason[:LONGEST_REASON]):
        _say_failed(archive, reason[:LONGEST_REASON])
        conclude(release)


def _say_failed(archive: Archive, reason: str) -> None:
    Archive.objects.filter(pk=archive.pk).update(status=Archive.Status.FAILED, reason=reason)


def coils_of_volumes(archive: Archive) -> str:
    """As its volumes say: 15, or 4 to 20; empty when none of them does."""
    found = archive.volumes.aggregate(fewest=Min("coils"), most=Max("coils"))
    if found["most"] is None:
        return ""
    return str(found["most"]) if found["fewest"] == found["most"] else f"{found['fewest']} to {found['most']}"
