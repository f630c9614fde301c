"""Previews: the pictures of one volume, or why there are none."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models.work import Work, WorkQuerySet
from datasets.kspace.report import Report
from datasets.models.catalog import Volume


class Preview(Work):
    """The work of rendering one volume, and what came of it.

    While it is rendered again, and when that fails, the pictures that there were go on being shown."""

    comes_in_heaps = True

    volume = models.OneToOneField(Volume, on_delete=models.CASCADE, related_name="preview", editable=False)
    # Named after the bytes in it, so what lies under an address never changes.
    folder = models.CharField(max_length=40, blank=True, editable=False)
    # datasets.kspace.report.Report as JSON.
    report = models.JSONField(null=True, blank=True, editable=False)
    # Those that were asked for together have the same.
    asked_at = models.DateTimeField(db_default=Now(), editable=False)

    # Work's own manager; only its rows are named here.
    objects: ClassVar[WorkQuerySet["Preview"]]

    class Meta(Work.Meta):
        abstract = False
        ordering = ["-id"]
        constraints = [
            *Work.Meta.constraints,
            models.CheckConstraint(
                condition=~Q(state="done") | (~Q(folder="") & Q(report__isnull=False)),
                name="preview_done_with_pictures",
            ),
            models.CheckConstraint(
                condition=Q(folder="", report__isnull=True) | (~Q(folder="") & Q(report__isnull=False)),
                name="preview_folder_with_report",
            ),
        ]
        indexes = [*Work.Meta.indexes, models.Index(fields=["asked_at"], name="preview_asked")]

    def __str__(self) -> str:
        return f"Preview of {self.volume}"

    def read_report(self) -> Report | None:
        """None where there is none, and where another version of the site wrote what this one cannot read: then it is
        rendered again."""
        if self.report is None:
            return None
        try:
            return Report.from_json(self.report)
        except (KeyError, TypeError, ValueError):
            return None
