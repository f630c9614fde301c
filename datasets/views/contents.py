"""What the catalogue's pages show, read in a fixed number of queries, each when a template first asks for it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import CharField, Count, Max, Min, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Coalesce, Concat

from accounts.models import AgreementVersion
from datasets.models import Archive, Dataset, Erratum, Release, Volume
from datasets.services.access import WaitingTimes, waiting_times
from datasets.services.access.standings import waiting_times_of
from datasets.views.figures import Picture, picture_of

NEWS = 5
# A picture of an archive's size has as many ticks as fit, and none too small to see.
COMB_TICKS = 24


def known_sum(values: Iterable[int | None]) -> int | None:
    """The sum when every value is known; nothing is made up for one that is not."""
    values = list(values)
    return None if None in values else sum(value for value in values if value is not None)


def span(least: Any, most: Any) -> str:
    """15, or 4–20; empty when not recorded."""
    if least is None:
        return ""
    return f"{least}" if least == most else f"{least}–{most}"


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


@dataclass
class CatalogueRow:
    """A dataset in the list, with what its newest published release holds."""

    dataset: Dataset
    version: str | None
    sizes: list[int | None] = field(default_factory=list)
    volumes: int = 0
    waiting: WaitingTimes | None = None

    @property
    def size(self) -> int | None:
        return known_sum(self.sizes)

    @property
    def picture(self) -> Picture | None:
        return picture_of(self.dataset.slug)

    @property
    def comb(self) -> str:
        """The archives as ticks on a plate of 100 by 100, each as high as its archive is large: path data."""
        sizes = [size for size in self.sizes if size][:COMB_TICKS]
        step = 84 / max(len(sizes), 8)
        left = 50 - step * (len(sizes) - 1) / 2
        heights = [max(4, 84 * size / max(sizes)) for size in sizes]
        return "".join(f"M{left + step * i - 0.8:.1f} {92 - high:.1f}h1.6V92h-1.6z" for i, high in enumerate(heights))


class News(NamedTuple):
    day: datetime
    release: Release


class Catalogue:
    @cached_property
    def rows(self) -> list[CatalogueRow]:
        current = Release.objects.published().filter(dataset=OuterRef("pk")).newest_first()
        datasets = Dataset.objects.listed().annotate(
            current_id=Subquery(current.values("pk")[:1]), current_version=Subquery(current.values("version")[:1])
        )
        rows = [CatalogueRow(dataset, dataset.current_version) for dataset in datasets]
        of_release = {row.dataset.current_id: row for row in rows if row.version}  # type: ignore[attr-defined]
        for release_id, size in Archive.objects.filter(release__in=of_release).values_list("release", "size"):
            of_release[release_id].sizes.append(size)
        for release_id, count in counted(Volume.objects.filter(archive__release__in=of_release)):
            of_release[release_id].volumes = count
        reviewed = [row for row in rows if row.dataset.access_policy == Dataset.AccessPolicy.REVIEWED]
        waiting = waiting_times_of(row.dataset.pk for row in reviewed)
        for row in reviewed:
            row.waiting = waiting[row.dataset.pk]
        return rows

    @cached_property
    def volumes(self) -> int:
        return sum(row.volumes for row in self.rows)

    @cached_property
    def archives(self) -> int:
        return sum(len(row.sizes) for row in self.rows)

    @cached_property
    def size(self) -> int | None:
        return known_sum(row.size for row in self.rows)

    @cached_property
    def citations(self) -> str:
        """The references of all datasets, each once: Markdown."""
        references = (part.strip() for row in self.rows for part in re.split(r"\n\s*\n", row.dataset.citation))
        return "\n\n".join(dict.fromkeys(filter(None, references)))

    @cached_property
    def news(self) -> list[News]:
        """The newest releases and withdrawals, newest first."""
        visible = Release.objects.visible().select_related("dataset")
        moment = Coalesce("withdrawn_at", "published_at")
        return [News(release.moment, release) for release in visible.annotate(moment=moment).order_by("-moment")[:NEWS]]


def counted(volumes: QuerySet[Volume]) -> QuerySet[Any, tuple[int, int]]:
    return volumes.values_list("archive__release").annotate(count=Count("id")).order_by()


# What the volumes of something have in common, as columns of one query.
SCAN_FACTS = {
    "volumes": Count("id"),
    "slices_least": Min("slices"),
    "slices_most": Max("slices"),
    "coils_least": Min("coils"),
    "coils_most": Max("coils"),
    "bytes": Sum("size"),
    "fields": ArrayAgg("field_strength", distinct=True, filter=Q(field_strength__isnull=False), default=Value([])),
    "matrices": ArrayAgg(
        Concat(Cast("readout", CharField()), Value(" × "), Cast("phase", CharField())),
        distinct=True,
        filter=Q(readout__isnull=False, phase__isnull=False),
        default=Value([]),
    ),
}


@dataclass
class Scans:
    """What is known of some volumes together. Texts are empty where nothing is recorded."""

    name: str = ""
    volumes: int = 0
    bytes: int | None = None
    slices: str = ""
    coils: str = ""
    strength: str = ""
    matrices: list[str] = field(default_factory=list)

    @property
    def matrix(self) -> str:
        """The matrices, or how many there are when a line cannot hold them."""
        return listed(self.matrices) if len(self.matrices) <= 4 else f"{len(self.matrices)} different ones"

    @classmethod
    def of(cls, row: Mapping[str, Any], name: str = "") -> "Scans":
        return cls(
            name=name,
            volumes=row["volumes"],
            bytes=row["bytes"],
            slices=span(row["slices_least"], row["slices_most"]),
            coils=span(row["coils_least"], row["coils_most"]),
            strength=listed(list(dict.fromkeys(f"{strength:.2g}" for strength in sorted(row["fields"])))),
            matrices=sorted(row["matrices"], key=lambda matrix: [int(part) for part in matrix.split(" × ")]),
        )


def scans_by_acquisition(volumes: QuerySet[Volume]) -> list[Scans]:
    rows = volumes.values("acquisition").annotate(**SCAN_FACTS).order_by("acquisition")
    return [Scans.of(row, row["acquisition"]) for row in rows]


class DatasetContents:
    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    @cached_property
    def releases(self) -> list[Release]:
        """Those that the public sees, newest first, with archive_count, total_size and `scans`."""
        releases = list(Release.objects.visible().filter(dataset=self.dataset).with_totals().newest_first())
        facts = Volume.objects.filter(archive__release__in=releases).values("archive__release").annotate(**SCAN_FACTS)
        scans = {row["archive__release"]: Scans.of(row) for row in facts.order_by()}
        for release in releases:
            release.dataset = self.dataset
            release.scans = scans.get(release.pk, Scans())  # type: ignore[attr-defined]
        return releases

    @cached_property
    def current(self) -> Release | None:
        return next((release for release in self.releases if not release.is_withdrawn), None)

    @property
    def picture(self) -> Picture | None:
        return picture_of(self.dataset.slug)

    @cached_property
    def waiting(self) -> WaitingTimes:
        return waiting_times(self.dataset)

    @cached_property
    def agreement_version(self) -> AgreementVersion | None:
        versions = AgreementVersion.objects.published().filter(agreement=self.dataset.agreement_id)
        return versions.select_related("agreement").defer("text").latest_first().first()


@dataclass
class ArchiveGroup:
    name: str
    rows: list[Archive] = field(default_factory=list)


def group_of(archive: Archive) -> str:
    """Under which heading an archive stands."""
    if archive.split == Archive.Split.SAMPLE:
        return "To begin with"
    if archive.split == Archive.Split.IMAGES:
        return "Reconstructed images"
    if not archive.coils:
        return "Archives"
    return "Single-coil" if archive.coils == "1" else "Multi-coil"


class ReleaseContents:
    def __init__(self, release: Release) -> None:
        self.release = release

    @cached_property
    def archives(self) -> list[Archive]:
        """With `is_in_erratum`: whether one names it."""
        archives = list(self.release.archives.with_volume_counts().order_by("id"))
        named = {archive.pk for erratum in self.errata for archive in erratum.archives.all()}
        for archive in archives:
            archive.is_in_erratum = archive.pk in named  # type: ignore[attr-defined]
        return archives

    @cached_property
    def errata(self) -> list[Erratum]:
        return errata_of(self.release)

    @cached_property
    def groups(self) -> list[ArchiveGroup]:
        groups = {
            name: ArchiveGroup(name)
            for name in ("To begin with", "Single-coil", "Multi-coil", "Archives", "Reconstructed images")
        }
        for archive in self.archives:
            groups[group_of(archive)].rows.append(archive)
        return [group for group in groups.values() if group.rows]

    @cached_property
    def size(self) -> int | None:
        return known_sum(archive.size for archive in self.archives)

    @cached_property
    def volumes(self) -> int:
        return sum(row.volumes for row in self.acquisitions)

    @cached_property
    def acquisitions(self) -> list[Scans]:
        return scans_by_acquisition(Volume.objects.filter(archive__release=self.release))

    @cached_property
    def waiting(self) -> WaitingTimes:
        return waiting_times(self.release.dataset)

    @cached_property
    def others(self) -> list[Release]:
        """The dataset's other releases that the public sees, newest first."""
        visible = Release.objects.visible().filter(dataset=self.release.dataset_id).exclude(pk=self.release.pk)
        releases = list(visible.newest_first())
        for release in releases:
            release.dataset = self.release.dataset
        return releases

    @cached_property
    def replacement(self) -> Release | None:
        """Where to go from a withdrawn release: the newest one that is published."""
        return next((release for release in self.others if not release.is_withdrawn), None)


def errata_of(release: Release) -> list[Erratum]:
    """What the public reads, newest first, with their archives' names."""
    archives = Prefetch("archives", Archive.objects.only("name").order_by("pk"))
    return list(release.errata.published().order_by("-published_at").prefetch_related(archives))


class ArchiveContents:
    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    @cached_property
    def errata(self) -> list[Erratum]:
        """Those that name this archive, or none in particular."""
        errata = errata_of(self.archive.release)
        return [row for row in errata if not row.archives.all() or self.archive in row.archives.all()]

    @cached_property
    def acquisitions(self) -> list[Scans]:
        return scans_by_acquisition(self.archive.volumes.all())
