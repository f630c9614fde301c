"""How far the reading of a release's archives is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, IntegerField, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from datasets.models import Archive, Preview, Release

# Archives that a page tells one by one.
TOLD = 500


@dataclass(frozen=True)
class Progress:
    """Of all archives; sizes in bytes."""

    verified: int
    failed: int
    being_read: int
    waiting: int
    size: int
    bytes_read: int
    began_at: datetime | None
    seconds_read: float
    bytes_at_pace: int
    archives: Sequence[Archive]
    """The first of them, with `bytes_read`, `volumes_read`, `why`, `previews` and `bad_previews`."""

    @property
    def total(self) -> int:
        return self.verified + self.failed + self.being_read + self.waiting

    @property
    def is_over(self) -> bool:
        return not self.being_read and not self.waiting

    @property
    def left_out(self) -> int:
        """Archives that are not among those told."""
        return self.total - len(self.archives)

    @property
    def percent(self) -> int:
        return min(100, 100 * self.bytes_read // self.size) if self.size else 0

    @property
    def pace(self) -> float | None:
        """Bytes a second of what is being read, all of it together; None while nobody can say."""
        if not self.seconds_read or not self.bytes_at_pace:
            return None
        return self.bytes_at_pace / self.seconds_read * max(1, self.being_read)

    @property
    def remaining(self) -> timedelta | None:
        if self.is_over or self.pace is None:
            return None
        return timedelta(seconds=max(0, self.size - self.bytes_read) / self.pace)


def progress_of(release: Release) -> Progress:
    """Three queries, whatever the number of archives."""
    states = Archive.Status
    rows = list(
        release.archives.order_by("pk").values_list(
            "status", "size", "ingest__bytes_read", "ingest__started_at", "ingest__finished_at"
        )
    )
    counts = {status: sum(row[0] == status for row in rows) for status in states.values}
    begun = [row[3] for row in rows if row[3] is not None]
    now = timezone.now()
    # An archive that failed is read as far as it ever will be.
    open_or_good = [row for row in rows if row[0] != states.FAILED]
    timed = [((row[4] or now) - row[3], row[2]) for row in open_or_good if row[3] is not None and row[2]]
    return Progress(
        verified=counts[states.VERIFIED],
        failed=counts[states.FAILED],
        being_read=counts[states.INGESTING],
        waiting=counts[states.REGISTERED],
        size=sum(row[1] or 0 for row in open_or_good),
        bytes_read=sum((row[1] or 0) if row[0] == states.VERIFIED else (row[2] or 0) for row in open_or_good),
        began_at=min(begun) if begun else None,
        seconds_read=sum(took.total_seconds() for took, _bytes in timed),
        bytes_at_pace=sum(number for _took, number in timed),
        archives=_archives(release),
    )


def _archives(release: Release) -> list[Archive]:
    previews = Preview.objects.filter(volume__archive=OuterRef("pk")).order_by().values("volume__archive")

    def number(condition: Q) -> Coalesce:
        counted = previews.annotate(number=Count("pk", filter=condition)).values("number")
        return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))

    failed = Q(state=Preview.State.FAILED)
    return list(
        release.archives.order_by("pk")
        .defer("part_hashes")
        .annotate(
            bytes_read=F("ingest__bytes_read"),
            volumes_read=F("ingest__volumes_read"),
            why=F("ingest__reason"),
            previews=number(~Q(folder="")),
            bad_previews=number(failed),
        )[:TOLD]
    )
