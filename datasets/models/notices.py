"""Notices: a mail to many, and whom it reached."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import AgreementVersion
from accounts.models.work import Work, WorkQuerySet
from datasets.models.catalog import Release
from datasets.models.errata import Erratum


class NoticeQuerySet(WorkQuerySet["Notice"]):
    def to_many(self) -> Self:
        """Without the tests that maintainers sent to themselves."""
        return self.filter(test_for__isnull=True)


class Notice(Work):
    """One notice of a kind about one thing. `cursor` is the person up to whom mails are queued, so that a worker that
    is killed at any moment is followed by one that goes on from there."""

    class Kind(models.TextChoices):
        AGREEMENT = "agreement", "new agreement version"
        AGREEMENT_DUE = "agreement-due", "agreement version is required soon"
        RELEASE = "release", "new release"
        WITHDRAWAL = "withdrawal", "withdrawal"
        REINSTATEMENT = "reinstatement", "withdrawal undone"
        ERRATUM = "erratum", "erratum"

    ABOUT_AGREEMENTS = (Kind.AGREEMENT, Kind.AGREEMENT_DUE)
    # Each of these says how the release stands now, so a later one overtakes those before.
    ABOUT_STANDING = (Kind.WITHDRAWAL, Kind.REINSTATEMENT)

    kind = models.CharField(max_length=20, choices=Kind, editable=False)
    version = models.ForeignKey(
        AgreementVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="notices", editable=False
    )
    release = models.ForeignKey(
        Release, null=True, blank=True, on_delete=models.PROTECT, related_name="notices", editable=False
    )
    erratum = models.ForeignKey(
        Erratum, null=True, blank=True, on_delete=models.PROTECT, related_name="notices", editable=False
    )
    text = models.TextField(blank=True, editable=False, help_text="What a maintainer wrote for it, such as the reason.")
    test_for = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        editable=False,
        help_text="A test: nobody but this maintainer gets it.",
    )
    cursor = models.PositiveBigIntegerField(default=0, editable=False, help_text="The last person who was looked at.")
    reached = models.PositiveIntegerField(default=0, editable=False, help_text="People to whom a mail was queued.")

    objects: ClassVar[NoticeQuerySet] = NoticeQuerySet.as_manager()  # type: ignore[assignment]

    class Meta(Work.Meta):
        abstract = False
        ordering = ["-id"]
        constraints = [
            *Work.Meta.constraints,
            models.UniqueConstraint(fields=["kind", "version"], name="one_notice_a_kind_and_version"),
            models.UniqueConstraint(
                fields=["release"], condition=Q(kind="release", test_for=None), name="one_notice_of_a_release"
            ),
            models.UniqueConstraint(fields=["erratum"], condition=Q(test_for=None), name="one_notice_an_erratum"),
            models.CheckConstraint(
                condition=Q(kind__in=("agreement", "agreement-due"), version__isnull=False, release=None, erratum=None)
                | Q(kind="erratum", version=None, release__isnull=False, erratum__isnull=False)
                | Q(
                    kind__in=("release", "withdrawal", "reinstatement"),
                    version=None,
                    release__isnull=False,
                    erratum=None,
                ),
                name="notice_is_about_something",
            ),
        ]

    def __str__(self) -> str:
        test = "test of " if self.test_for_id else ""
        return f"{test}{self.get_kind_display()}: {self.version or self.release}"

    def go_on(self, *, reached: int, cursor: int) -> bool:
        """So many more are reached, and the row waits for its next batch; False when another worker holds it by now.

        Whatever killed workers before did not lie in this batch, so deaths are counted anew."""
        facts = {"reached": self.reached + reached, "cursor": cursor, "deaths": 0, "reason": ""}
        return self._settle(state=self.State.WAITING, leased_until=None, due_at=Now(), **facts)

    def end_with(self, *, reached: int, cursor: int) -> bool:
        """As go_on, with the last ones."""
        facts = {"reached": self.reached + reached, "cursor": cursor, "reason": ""}
        return self._settle(state=self.State.DONE, leased_until=None, finished_at=Now(), **facts)
