"""Notices: a mail to many, and whom it reached."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import AgreementVersion
from accounts.models.work import Work, WorkQuerySet


class Notice(Work):
    """One notice of a kind about one thing. `cursor` is the person up to whom mails are queued, so that a worker that
    is killed at any moment is followed by one that goes on from there."""

    class Kind(models.TextChoices):
        AGREEMENT = "agreement", "new agreement version"
        AGREEMENT_DUE = "agreement-due", "agreement version is required soon"

    kind = models.CharField(max_length=20, choices=Kind, editable=False)
    version = models.ForeignKey(
        AgreementVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="notices", editable=False
    )
    cursor = models.PositiveBigIntegerField(default=0, editable=False, help_text="The last person who was looked at.")
    reached = models.PositiveIntegerField(default=0, editable=False, help_text="People to whom a mail was queued.")

    # Work's own manager; only its rows are named here.
    objects: ClassVar[WorkQuerySet["Notice"]]

    class Meta(Work.Meta):
        abstract = False
        ordering = ["-id"]
        constraints = [
            *Work.Meta.constraints,
            models.UniqueConstraint(fields=["kind", "version"], name="one_notice_a_kind_and_version"),
            models.CheckConstraint(
                condition=~Q(kind__in=("agreement", "agreement-due")) | Q(version__isnull=False),
                name="notice_is_about_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.version}"

    def go_on(self, *, reached: int, cursor: int) -> bool:
        """So many more are reached, and the row waits for its next batch; False when another worker holds it by now.

        Whatever killed workers before did not lie in this batch, so deaths are counted anew."""
        facts = {"reached": self.reached + reached, "cursor": cursor, "deaths": 0, "reason": ""}
        return self._settle(state=self.State.WAITING, leased_until=None, due_at=Now(), **facts)

    def end_with(self, *, reached: int, cursor: int) -> bool:
        """As go_on, with the last ones."""
        facts = {"reached": self.reached + reached, "cursor": cursor, "reason": ""}
        return self._settle(state=self.State.DONE, leased_until=None, finished_at=Now(), **facts)
