"""Sums over download records, so that no page counts the records themselves.

Nothing here is evidence: all of it is counted from the records (datasets.services.statistics) and can be counted again.
Only CountedPerson is about somebody.
"""

from datetime import date, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from datasets.models.catalog import Dataset


class Counts(models.Model):
    """What is counted of requests."""

    requests = models.PositiveBigIntegerField(default=0)
    downloads = models.PositiveBigIntegerField(default=0, help_text="Distinct person and file.")
    asked = models.PositiveBigIntegerField("bytes asked for", default=0)
    unsized = models.PositiveBigIntegerField(default=0, help_text="Requests of which it is not recorded how many.")

    class Meta:
        abstract = True


class DownloadDayQuerySet(models.QuerySet["DownloadDay"]):
    def since(self, first: date) -> Self:
        return self.filter(day__gte=first)


class DownloadDay(Counts):
    """What was asked for of a dataset on a day of UTC. Who took a file on two days counts on each."""

    pk = models.CompositePrimaryKey("day", "dataset")
    day = models.DateField()
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+")

    objects = DownloadDayQuerySet.as_manager()

    class Meta:
        ordering = ["day", "dataset"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"downloads on {self.day}"


class Period(models.IntegerChoices):
    """How many days, of which the last is the day that was counted last."""

    WEEK = 7, "7 days"
    MONTH = 30, "30 days"
    QUARTER = 90, "90 days"
    YEAR = 365, "365 days"
    ALL = 0, "all"

    def first_day(self, last: date) -> date:
        return last - timedelta(days=self - 1) if self else date.min


class DownloadShareQuerySet(models.QuerySet["DownloadShare"]):
    def of(self, period: Period, kind: str, dataset: Dataset | None) -> Self:
        """The largest first."""
        rows = self.filter(period=period, kind=kind, dataset=dataset)
        return rows.order_by("-downloads", "label")


class DownloadShare(Counts):
    """What was asked for in one of the periods: altogether, from a country, by an institution; of one dataset, or of
    all of them, where the dataset is null. Who took a file counts once a period, however often and on how many days."""

    class Kind(models.TextChoices):
        WHOLE = "whole", "altogether"
        COUNTRY = "country", "country of the request"
        INSTITUTION = "institution", "institution of the person"

    period = models.PositiveSmallIntegerField(choices=Period)
    dataset = models.ForeignKey(Dataset, null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind)
    label = models.CharField(max_length=200, blank=True, help_text="Empty: not recorded.")

    objects = DownloadShareQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["period", "kind", "label", "dataset"], nulls_distinct=False, name="one_share_a_label"
            )
        ]
        indexes = [
            models.Index(fields=["period", "dataset", "kind", "-downloads", "label"], name="share_largest"),
            # To PostgreSQL rows without a dataset are not in order there, since none of them equals another.
            models.Index(
                fields=["period", "kind", "-downloads", "label"],
                condition=Q(dataset__isnull=True),
                name="share_largest_of_all",
            ),
            # Of what nothing is left goes; see datasets.services.statistics.sums.
            models.Index(fields=["id"], condition=Q(requests=0), name="share_empty"),
        ]

    def __str__(self) -> str:
        return f"downloads of {self.label or self.kind}"


class CountedPerson(models.Model):
    """As a member of which institution somebody's downloads are counted, so that they can be moved to another one when
    the profile says so, and to none when the person is forgotten."""

    # Without a constraint of the database: its check would wait for whoever holds the person's row, such as a deletion,
    # which waits for the count. Who has downloads is never removed.
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    institution = models.CharField(max_length=200, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"person {self.user_id}"


class DownloadCount(models.Model):
    """How far records are counted: one row, whose lock is that of all sums.

    Numbers of records are given out before their transactions commit, so a lower one may appear after a higher one.
    A mark is the highest number at some moment, and the transaction that was the next one then: when all before it have
    ended, no number up to the mark can appear any more (`settled`), and records are counted up to there (`cursor`)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    cursor = models.BigIntegerField(default=0)
    settled = models.BigIntegerField(default=0)
    settled_at = models.DateTimeField(null=True)
    mark = models.BigIntegerField(default=0)
    mark_transaction = models.BigIntegerField(null=True)
    marked_at = models.DateTimeField(null=True)
    today = models.DateField(null=True, help_text="The last day of the periods.")
    counted_until = models.DateTimeField(null=True, help_text="All that was recorded by then is counted.")
    standing = models.JSONField(default=dict, help_text="What is counted whole from time to time; see standing.py.")

    class Meta:
        # The admin's dashboard, which is made of all this.
        verbose_name = "dashboard"
        default_permissions = ("view",)
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_count_of_downloads")]

    def __str__(self) -> str:
        return "count of downloads"
