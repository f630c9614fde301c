"""Galleries: volumes by their pictures, a page at a time, in a fixed number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Func, JSONField, Q, QuerySet, Value, Window
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import RowNumber
from django.http import QueryDict
from django.urls import reverse

from datasets.models import Preview, Release, Volume
from datasets.views.acquisition import STORED
from datasets.views.combs import Comb

VOLUMES_A_PAGE = 24
CHOSEN = 12


class PictureOfSize(Func):
    """What a report says of its picture of this size. The rest of a report is long, and stays in the database."""

    function = "jsonb_path_query_first"
    template = "%(function)s(%(expressions)s::jsonpath)"
    output_field = JSONField()

    def __init__(self, report: str, size: str) -> None:
        where = f'@.kind == "reconstruction" && @.size == "{size}"'
        super().__init__(report, Value(f"$.pictures[*] ? ({where})"))


# Of one page's rows, which are found first: the database would open every report before it sorts.
CARD_FACTS = {
    "state": F("preview__state"),
    "folder": F("preview__folder"),
    "thumbnail": PictureOfSize("preview__report", "thumbnail"),
    "card": PictureOfSize("preview__report", "card"),
    "columns": KeyTransform("columns", "preview__report"),
    "measured": KeyTransform("measured", KeyTransform("facts", "preview__report")),
    "layout": KeyTransform("layout", KeyTransform("facts", "preview__report")),
}
COLUMNS = ("pk", "path", "acquisition", "slices", "coils", "readout", "phase", "field_strength", "archive__name")


@dataclass(frozen=True)
class Card:
    """One volume in a gallery: its middle slice, or the pattern in which it was sampled."""

    release: Release
    row: dict[str, Any]
    may_see: bool

    @property
    def address(self) -> str:
        release, row = self.release, self.row
        return reverse("volume", args=[release.dataset.slug, release.version, row["archive__name"], row["path"]])

    @property
    def name(self) -> str:
        path: str = self.row["path"]
        return path.rpartition("/")[2] or path

    @property
    def thumbnail(self) -> dict[str, Any] | None:
        return self.row["thumbnail"] if self.may_see else None

    def _image(self, picture: dict[str, Any] | None) -> str:
        if picture is None or not self.may_see:
            return ""
        return reverse("preview_image", args=[self.row["pk"], self.row["folder"], picture["name"]])

    @property
    def small(self) -> str:
        return self._image(self.row["thumbnail"])

    @property
    def large(self) -> str:
        """For screens with finer pixels; empty where there is none."""
        return self._image(self.row["card"])

    @property
    def comb(self) -> Comb | None:
        if self.row["layout"] in STORED:
            return None
        return Comb.of(self.row["measured"] or self.row["columns"], self.row["phase"])

    @property
    def lacks(self) -> str:
        """Why there is no picture, in few words; empty where there is one, if not for this visitor."""
        if self.row["thumbnail"]:
            return ""
        return {None: "no picture", "failed": "no picture: failed"}.get(self.row["state"], "waiting")

    @property
    def hardware(self) -> str:
        coils, strength = self.row["coils"], self.row["field_strength"]
        words = [f"{coils} coil{'' if coils == 1 else 's'}" if coils else "", f"{strength:.2g} T" if strength else ""]
        return " · ".join(filter(None, words))

    @property
    def matrix(self) -> str:
        sizes = (self.row["slices"], self.row["readout"], self.row["phase"])
        return " × ".join(str(size) for size in sizes) if all(sizes) else ""


class Filter(NamedTuple):
    name: str
    """empty where the acquisition is not recorded"""
    volumes: int
    address: str
    is_current: bool


class Totals(NamedTuple):
    """How many volumes have pictures, wait for their first ones, and have none because their file failed."""

    pictures: int
    waiting: int
    failed: int


def counts_by_acquisition(volumes: QuerySet[Volume]) -> dict[str, int]:
    return dict(volumes.values_list("acquisition").annotate(count=Count("id")).order_by("acquisition"))


@dataclass
class Gallery:
    """The volumes of one release; `address` is the page where its filters and further pages are."""

    release: Release
    volumes: QuerySet[Volume]
    counts: dict[str, int]
    """of volumes, by acquisition"""
    may_see: bool
    address: str
    query: QueryDict | None = None
    """what the visitor chose there; None: a choice of a few is shown here"""

    @cached_property
    def totals(self) -> Totals:
        missing = Q(folder="")
        return Totals(
            **Preview.objects.filter(volume__in=self.volumes).aggregate(
                pictures=Count("pk", filter=~missing),
                waiting=Count("pk", filter=missing & Q(state__in=Preview.OPEN)),
                failed=Count("pk", filter=missing & Q(state=Preview.State.FAILED)),
            )
        )

    @property
    def is_worth_showing(self) -> bool:
        return not self.release.is_withdrawn and any(self.totals)

    @property
    def volume_count(self) -> int:
        return sum(self.counts.values())

    @property
    def has_plates(self) -> bool:
        return bool(self.totals.pictures or self.totals.failed)

    # What was chosen ---------------------------------------------------------------------------------------

    @cached_property
    def acquisition(self) -> str | None:
        """None: all of them. Empty: those of which it is not recorded. One that is not here is no choice."""
        chosen = self.query.get("acquisition") if self.query is not None else None
        return chosen if chosen in self.counts else None

    @property
    def filters(self) -> list[Filter]:
        everything = Filter("All", self.volume_count, f"{self.address}#previews", self.acquisition is None)
        return [
            everything,
            *(
                Filter(name, count, self._address(acquisition=name), self.acquisition == name)
                for name, count in self.counts.items()
            ),
        ]

    def _address(self, **query: str | int) -> str:
        return f"{self.address}?{urlencode(query)}#previews"

    # What is shown -----------------------------------------------------------------------------------------

    @cached_property
    def page(self) -> Page:
        volumes = self.volumes if self.acquisition is None else self.volumes.filter(acquisition=self.acquisition)
        paginator = Paginator(volumes.order_by("archive", "path").values_list("pk", flat=True), VOLUMES_A_PAGE)
        # It is known already: counting them again would be a query more.
        known = self.volume_count if self.acquisition is None else self.counts[self.acquisition]
        vars(paginator)["count"] = known
        return paginator.get_page(self.query.get("gallery", "1") if self.query is not None else "1")

    @property
    def previous_page(self) -> str:
        return self._page(self.page.previous_page_number()) if self.page.has_previous() else ""

    @property
    def next_page(self) -> str:
        return self._page(self.page.next_page_number()) if self.page.has_next() else ""

    def _page(self, number: int) -> str:
        chosen = {} if self.acquisition is None else {"acquisition": self.acquisition}
        return self._address(**chosen, gallery=number)

    @cached_property
    def choice(self) -> list[int]:
        """Of every acquisition the first, then of every one the second, and so on: those that have pictures."""
        rank = Window(RowNumber(), partition_by="acquisition", order_by=["archive", "path"])
        ranked = self.volumes.filter(preview__folder__gt="").annotate(rank=rank).order_by("rank", "acquisition")
        return list(ranked.values_list("pk", flat=True)[:CHOSEN])

    @cached_property
    def cards(self) -> list[Card]:
        chosen: Sequence[int] = self.choice if self.query is None else list(self.page)
        rows = {row["pk"]: row for row in Volume.objects.filter(pk__in=chosen).values(*COLUMNS, **CARD_FACTS)}
        return [Card(self.release, rows[pk], self.may_see) for pk in chosen if pk in rows]
