"""Fixity: whether the objects of what was published are still the ones that were published."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from accounts.models.work import Work, WorkQuerySet
from datasets.models.catalog import Archive, Release


class FixityCheckQuerySet(WorkQuerySet["FixityCheck"]):
    def to_try_again(self) -> Self:
        """One of a release, the newest that failed, and none while another one is open."""
        same = FixityCheck.objects.filter(release=OuterRef("release"))
        newer = Q(pk__gt=OuterRef("pk"), state=Work.State.FAILED)
        return self.failed().filter(~Exists(same.filter(newer | Q(state__in=Work.OPEN))))


class FixityCheck(Work):
    """One look at every object of a release. `cursor` is the archive up to which the bucket was asked, so that a worker
    that is killed at any moment is followed by one that goes on from there."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="fixity_checks", editable=False)
    cursor = models.PositiveBigIntegerField(default=0, editable=False, help_text="The last archive that was looked at.")
    checked = models.PositiveIntegerField("archives looked at", default=0, editable=False)
    drifted = models.PositiveIntegerField("not as published", default=0, editable=False)

    objects: ClassVar[FixityCheckQuerySet] = FixityCheckQuerySet.as_manager()  # type: ignore[assignment]

    class Meta(Work.Meta):
        abstract = False
        ordering = ["-id"]
        verbose_name = "fixity check"
        constraints = [
            *Work.Meta.constraints,
            models.UniqueConstraint(
                fields=["release"], condition=Q(state__in=("waiting", "running")), name="one_open_check_a_release"
            ),
        ]

    def __str__(self) -> str:
        return f"Fixity of {self.release}"

    def go_on(self, *, cursor: int, checked: int, drifted: int) -> bool:
        """So many more were looked at, and the row waits for its next batch; False when another worker holds it by now.

        Whatever killed workers before did not lie in this batch, so deaths are counted anew."""
        facts = {"cursor": cursor, "checked": self.checked + checked, "drifted": self.drifted + drifted, "deaths": 0}
        return self._settle(state=self.State.WAITING, reason="", leased_until=None, due_at=Now(), **facts)


class DriftQuerySet(models.QuerySet["Drift"]):
    def lasting(self) -> Self:
        """Those that were there when the bucket was last asked."""
        return self.filter(ended_at__isnull=True)

    def untold(self) -> Self:
        return self.lasting().filter(told_in__isnull=True)


class Drift(models.Model):
    """What a check found in place of an archive's object. What was expected stands in the archive, which nobody can
    change any more. Another finding is another row; the one before ends."""

    class Finding(models.TextChoices):
        MISSING = "missing", "no object has its key"
        DENIED = "denied", "the bucket refuses to tell of it"
        CHANGED = "changed", "another object has its key"

    archive = models.ForeignKey(Archive, on_delete=models.PROTECT, related_name="drifts", editable=False)
    finding = models.CharField(max_length=10, choices=Finding, editable=False)
    size = models.PositiveBigIntegerField("size found, in bytes", null=True, editable=False)
    etag = models.CharField("ETag found", max_length=200, blank=True, editable=False)
    version_id = models.CharField("version found", max_length=1024, blank=True, editable=False)
    is_delivered = models.BooleanField(
        "links still deliver what was published",
        default=False,
        editable=False,
        help_text="A link asks for the version that was read. It may be there although another one came after it.",
    )
    first_seen_at = models.DateTimeField("first seen", db_default=Now(), editable=False)
    last_seen_at = models.DateTimeField("last seen", db_default=Now(), editable=False)
    ended_at = models.DateTimeField("not so any more since", null=True, blank=True, editable=False)
    told_in = models.ForeignKey(
        FixityCheck,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="told",
        editable=False,
        help_text="The check at whose end maintainers were mailed.",
    )

    objects = DriftQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["archive"], condition=Q(ended_at=None), name="one_lasting_drift_an_archive"
            ),
            models.CheckConstraint(
                condition=Q(finding="changed", size__isnull=False)
                | (~Q(finding="changed") & Q(size__isnull=True, etag="", version_id="")),
                name="drift_found_when_changed",
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(ended_at=None), name="drift_lasting")]

    def __str__(self) -> str:
        return f"{self.archive}: {self.get_finding_display()}"
