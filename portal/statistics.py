"""What the dashboard tells: figures, plots and tables of one period, and of one dataset or all."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.admin.marks import country
from accounts.models import User
from datasets.models import Dataset, DownloadCount, DownloadDay, DownloadShare, Period
from datasets.services.statistics import Standing, standing_of_access
from portal.plots import TONES, Plot

# Rows of a table; the file has all of them.
LISTED = 15
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Row:
    """Of a table: the same counts for whatever it is about."""

    name: str
    downloads: int
    requests: int
    asked: int
    share: float
    """Of the largest, in per cent of bytes."""
    holders: int | None = None
    is_unknown: bool = False


@dataclass(frozen=True)
class Ranking:
    name: str
    title: str
    heading: str
    rows: list[Row]
    note: str
    others: int = 0
    """More that are not listed."""


class Statistics:
    def __init__(self, period: Period, dataset: Dataset | None, datasets: list[Dataset]) -> None:
        self.period, self.dataset, self.datasets = period, dataset, datasets

    @cached_property
    def count(self) -> DownloadCount:
        return DownloadCount.objects.first() or DownloadCount()

    @cached_property
    def last(self) -> date:
        """The periods end with the day that was counted last."""
        return self.count.today or timezone.now().date()

    @cached_property
    def first(self) -> date:
        """Of everything: the day of the first registration or download."""
        if self.period != Period.ALL:
            return self.period.first_day(self.last)
        return min([*self.registrations, *self.days, self.last])

    @cached_property
    def standing(self) -> Standing | None:
        return standing_of_access(self.count, self.period, self.dataset)

    @cached_property
    def whole(self) -> DownloadShare:
        kind = DownloadShare.Kind.WHOLE
        return DownloadShare.objects.of(self.period, kind, self.dataset).first() or DownloadShare()

    @cached_property
    def registrations(self) -> dict[date, list[float]]:
        people = User.objects.registered_since(None if self.period == Period.ALL else self.first)
        by_day = people.annotate(day=TruncDate("date_joined")).order_by().values("day").annotate(number=Count("*"))
        return {row["day"]: [row["number"]] for row in by_day}

    @property
    def registered(self) -> int:
        return int(sum(number for (number,) in self.registrations.values()))

    @cached_property
    def day_rows(self) -> list[DownloadDay]:
        rows = DownloadDay.objects.since(self.period.first_day(self.last)).order_by("day", "dataset")
        return list(rows.filter(dataset=self.dataset) if self.dataset else rows)

    @cached_property
    def days(self) -> set[date]:
        return {row.day for row in self.day_rows}

    # Plots ------------------------------------------------------------------------------------------------

    @cached_property
    def plots(self) -> list[Plot]:
        downloads, asked = self._stacked("downloads"), self._stacked("asked")
        site = "" if self.dataset is None else "Of the whole site, whatever dataset is chosen."
        each_day = "Distinct person and file of each day; who takes a file on two days counts on both."
        return [
            self._plot("downloads", "Downloads", self._series, downloads, note=each_day),
            self._plot("downloads", "Bytes asked for", self._series, asked, is_bytes=True),
            self._plot("registrations", "Registrations", ["Registrations"], self.registrations, note=site),
        ]

    def _plot(
        self,
        name: str,
        title: str,
        series: list[str],
        values: dict[date, list[float]],
        *,
        is_bytes: bool = False,
        note: str = "",
    ) -> Plot:
        return Plot(name, title, series, values, self.first, self.last, is_bytes=is_bytes, note=note)

    @cached_property
    def _shown(self) -> list[Dataset]:
        """Datasets with a tone of their own, in the order of the catalogue."""
        seen = {row.dataset_id for row in self.day_rows}
        found = [dataset for dataset in self.datasets if dataset.pk in seen]
        return found if len(found) <= TONES + 1 else found[:TONES]

    @cached_property
    def _series(self) -> list[str]:
        names = [dataset.name for dataset in self._shown]
        more = len({row.dataset_id for row in self.day_rows}) - len(names)
        return [*names, *([f"{more} others"] if more else [])] or ["Downloads"]

    def _stacked(self, column: str) -> dict[date, list[float]]:
        place = {dataset.pk: number for number, dataset in enumerate(self._shown)}
        values: dict[date, list[float]] = defaultdict(lambda: [0.0] * len(self._series))
        for row in self.day_rows:
            values[row.day][place.get(row.dataset_id, len(self._series) - 1)] += getattr(row, column)
        return values

    # Tables -----------------------------------------------------------------------------------------------

    @property
    def rankings(self) -> list[Ranking]:
        return [self.by_dataset(), self.by_country(), self.by_institution()]

    def by_dataset(self) -> Ranking:
        shares = DownloadShare.objects.filter(period=self.period, kind=DownloadShare.Kind.WHOLE, dataset__isnull=False)
        found = {share.dataset_id: share for share in shares}
        chosen = [self.dataset] if self.dataset else self.datasets
        most = max((share.asked for share in found.values()), default=0)
        rows = [
            self._row(dataset.name, found.get(dataset.pk, DownloadShare()), most, self.holders(dataset))
            for dataset in chosen
        ]
        return Ranking("datasets", "By dataset", "Dataset", rows, "Who holds access now, whatever the period.")

    def holders(self, dataset: Dataset) -> int:
        standing = standing_of_access(self.count, self.period, dataset)
        return standing.people if standing else 0

    def by_country(self) -> Ranking:
        note = "By the network address of each request, where a GeoIP database is configured."
        return self._ranking("countries", "By country", "Country", DownloadShare.Kind.COUNTRY, note)

    def by_institution(self) -> Ranking:
        note = "As people write it in their profile now; a change there moves what they have taken before."
        return self._ranking("institutions", "By institution", "Institution", DownloadShare.Kind.INSTITUTION, note)

    def _ranking(self, name: str, title: str, heading: str, kind: DownloadShare.Kind, note: str) -> Ranking:
        shares = DownloadShare.objects.of(self.period, kind, self.dataset)
        listed = list(shares[:LISTED])
        others = shares.count() - LISTED if len(listed) == LISTED else 0
        most = max((share.asked for share in listed), default=0)
        rows = [self._row(label_of(share), share, most) for share in listed]
        return Ranking(name, title, heading, rows, note, others)

    @staticmethod
    def _row(name: str, share: DownloadShare, most: int, holders: int | None = None) -> Row:
        part = round(100 * share.asked / most, 1) if most else 0
        is_unknown = name == NOT_RECORDED
        return Row(name, share.downloads, share.requests, share.asked, part, holders, is_unknown)


def label_of(share: DownloadShare) -> str:
    if share.kind == DownloadShare.Kind.COUNTRY:
        return country(share.label)
    return share.label or NOT_RECORDED

