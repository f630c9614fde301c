"""What the dashboard tells: figures, plots and tables of one period, and of one dataset or all."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date
from functools import cached_property
from typing import NamedTuple

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.admin.marks import country
from accounts.models import User
from datasets.models import AccessGrant, Dataset, DownloadCount, DownloadDay, DownloadShare, Period
from datasets.models.statistics import DownloadShareQuerySet
from datasets.services.statistics import Standing, standing_of_access
from portal.plots import TONES, Plot

# Rows of a table; the file has all of them.
LISTED = 15
NOT_RECORDED = "not recorded"


class Held(NamedTuple):
    """How many are registered, and how many of them hold access; None where that is not asked for."""

    registered: int | None
    holders: int | None


@dataclass(frozen=True)
class Row:
    name: str
    share: DownloadShare
    held: Held
    part: float
    """Its bytes in per cent of the largest row's."""
    is_unknown: bool


@dataclass(frozen=True)
class Ranking:
    name: str
    title: str
    heading: str
    rows: list[Row]
    note: str
    has_more: bool = False
    """Than are listed."""


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
        """Days before the standing was taken from there, where all were counted; those since then from the people."""
        first = self.period.first_day(self.last)
        kept = self.standing.registered_by_day if self.standing else {}
        since = self.standing.taken_at.astimezone(UTC).date() if self.standing else first
        found = {day: [float(number)] for day, number in sorted(kept.items()) if first <= day < since}
        people = User.objects.registered_since(max(first, since))
        by_day = people.annotate(day=TruncDate("date_joined")).order_by().values("day").annotate(number=Count("*"))
        found |= {row["day"]: [float(row["number"])] for row in by_day}
        return {day: numbers for day, numbers in found.items() if day <= self.last}

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
            self._plot("downloads", "Bytes asked for", self._series, asked, is_bytes=True, note=self._unsized),
            self._plot("registrations", "Registrations", ["Registrations"], self.registrations, note=site),
        ]

    @property
    def _unsized(self) -> str:
        """Records of before this was recorded."""
        unsized, requests = self.whole.unsized, self.whole.requests
        return f"Of {unsized:,} of the {requests:,} requests it is not recorded how many." if unsized else ""

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
        found = self.shares_of_datasets()
        rows = [(row.name, found.get(row.pk, DownloadShare()), Held(None, self.holders(row))) for row in self.chosen]
        return Ranking("datasets", "By dataset", "Dataset", _rows(rows), "Who holds access now, whatever the period.")

    @property
    def chosen(self) -> list[Dataset]:
        return [self.dataset] if self.dataset else self.datasets

    def shares_of_datasets(self) -> dict[int, DownloadShare]:
        shares = DownloadShare.objects.filter(period=self.period, kind=DownloadShare.Kind.WHOLE, dataset__isnull=False)
        return {share.dataset_id: share for share in shares if share.dataset_id is not None}

    def holders(self, dataset: Dataset) -> int:
        standing = standing_of_access(self.count, self.period, dataset)
        return standing.people if standing else 0

    def by_country(self) -> Ranking:
        rows = [(_named(country(code)), share, held) for code, share, held in self.countries()]
        note = (
            "Downloads by the network address of each request, where a GeoIP database is configured; people by the "
            "country in their profile."
        )
        return Ranking("countries", "By country", "Country", _rows(rows[:LISTED]), note, len(rows) > LISTED)

    def countries(self) -> list[tuple[str, DownloadShare, Held]]:
        """All, for there are not many in the world."""
        shares = {share.label: share for share in self.shares(DownloadShare.Kind.COUNTRY)}
        registered = self.standing.registered if self.standing else {}
        holders = self.standing.holders if self.standing else {}
        rows = [
            (code, shares.get(code, DownloadShare()), Held(registered.get(code, 0), holders.get(code, 0)))
            for code in {*shares, *registered, *holders}
        ]
        return sorted(rows, key=lambda row: (-row[1].downloads, -(row[2].holders or 0), row[0]))

    def by_institution(self) -> Ranking:
        shares = self.shares(DownloadShare.Kind.INSTITUTION)
        found = list(shares[: LISTED + 1])
        listed = found[:LISTED]
        held = held_at(self.dataset, [share.label for share in listed if share.label])
        rows = [(_named(share.label), share, held.get(share.label, Held(None, None))) for share in listed]
        note = "As people write it in their profile now; a change there moves what they have taken before."
        return Ranking("institutions", "By institution", "Institution", _rows(rows), note, len(found) > LISTED)

    def shares(self, kind: DownloadShare.Kind) -> DownloadShareQuerySet:
        return DownloadShare.objects.of(self.period, kind, self.dataset)


def held_at(dataset: Dataset | None, institutions: list[str] | None = None) -> dict[str, Held]:
    """Who is registered, and who of them holds access: of these institutions, or of all."""
    people, grants = User.objects.active(), AccessGrant.objects.current().filter(user__is_active=True)
    if institutions is not None:
        people, grants = people.filter(institution__in=institutions), grants.filter(user__institution__in=institutions)
    if dataset is not None:
        grants = grants.filter(dataset=dataset)
    registered = dict(people.order_by().values_list("institution").annotate(number=Count("*")))
    by_institution = grants.order_by().values_list("user__institution")
    holders = dict(by_institution.annotate(number=Count("user", distinct=True)))
    return {name: Held(number, holders.get(name, 0)) for name, number in registered.items()}


def _named(name: str) -> str:
    return name or NOT_RECORDED


def _rows(found: Sequence[tuple[str, DownloadShare, Held]]) -> list[Row]:
    most = max((share.asked for _name, share, _held in found), default=0)
    return [
        Row(name, share, held, round(100 * share.asked / most, 1) if most else 0, name == NOT_RECORDED)
        for name, share, held in found
    ]
