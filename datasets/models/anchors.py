"""The daily anchor of the chain of signatures."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models.work import Work, WorkQuerySet


class EvidenceAnchor(Work):
    """What was written down on one day, outside the database, of how long the chain was and where it ended."""

    day = models.DateField(unique=True, editable=False)
    count = models.PositiveBigIntegerField("records", null=True, editable=False)
    head = models.CharField("hash of the last record", max_length=64, blank=True, editable=False)
    moment = models.DateTimeField(null=True, editable=False)
    key = models.CharField(max_length=200, blank=True, editable=False)
    version_id = models.CharField("version", max_length=200, blank=True, editable=False)
    etag = models.CharField("ETag", max_length=100, blank=True, editable=False)
    note = models.CharField(
        max_length=500, blank=True, editable=False, help_text="Why an operator let it begin anew after a loss."
    )

    # Work's own manager; only its rows are named here.
    objects: ClassVar[WorkQuerySet["EvidenceAnchor"]]

    class Meta(Work.Meta):
        abstract = False
        ordering = ["-day"]
        constraints = [
            *Work.Meta.constraints,
            models.CheckConstraint(
                condition=~Q(state="done") | Q(count__isnull=False, moment__isnull=False) & ~Q(key="") & ~Q(head=""),
                name="anchor_done_with_its_facts",
            ),
        ]

    def __str__(self) -> str:
        return f"anchor of {self.day}"
