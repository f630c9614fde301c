"""What "My downloads" shows: every dataset of one person, in a constant number of queries."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Exists, Max, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django_countries import countries

from accounts.models import User
from datasets.exceptions import MoveNotAllowed
from datasets.models import AccessGrant, Archive, DailyUsage, DownloadLink, DownloadRecord, Release
from datasets.services.access.standings import AccessStanding, State, standings_of
from datasets.services.downloads import issue_link
from datasets.services.downloads.lists import Listing, commands_for
from datasets.services.downloads.tokens import address_of

# Less of a day's cap than this need not occupy anybody.
TOLD_FROM = 0.1


@dataclass(frozen=True)
class Plate:
    """The commands of one live link."""

    link: DownloadLink
    address: str
    archives: int
    size: int
    commands: dict[str, str]


@dataclass(frozen=True)
class Fetched:
    """One archive that was asked for: how often, and the last request."""

    last: DownloadRecord
    requests: int

    @property
    def country(self) -> str:
        return str(countries.name(self.last.country))


@dataclass(frozen=True)
class Usage:
    """What was asked for today, where that is much of what a day allows."""

    asked: int
    cap: int

    @property
    def is_all(self) -> bool:
        return self.asked >= self.cap


@dataclass(frozen=True)
class Section:
    standing: AccessStanding
    plates: list[Plate]
    fetched: list[Fetched]
    usage: Usage | None = None


def overview_of(user: User) -> list[Section]:
    standings = standings_of(user)
    usable = [standing.grant for standing in standings if standing.grant and _may_use(standing)]
    plates, fetched, usage = _plates(usable), _fetched(user), _usage(usable)
    return [
        Section(found, plates[found.dataset.pk], fetched[found.dataset.pk], usage.get(found.dataset.pk))
        for found in standings
    ]


def issue_missing_links(user: User) -> None:
    """Links for releases that were published after access was granted, or whose link was revoked alone."""
    linked = DownloadLink.objects.live().filter(grant=OuterRef(OuterRef("pk"))).values("release")
    missing = Release.objects.published().filter(dataset=OuterRef("dataset")).exclude(pk__in=linked)
    for grant in AccessGrant.objects.current().filter(Exists(missing), user=user):
        for release in Release.objects.published().filter(dataset=grant.dataset_id):
            _issue(grant, release)


def _issue(grant: AccessGrant, release: Release) -> None:
    try:
        issue_link(grant, release)
    except MoveNotAllowed:
        # Revoked in this moment: the page will say so.
        return


def _may_use(standing: AccessStanding) -> bool:
    return standing.state in {State.ACTIVE, State.ENDING}


def _plates(grants: Iterable[AccessGrant]) -> dict[int, list[Plate]]:
    """By dataset, the newest release first."""
    archives = Archive.objects.verified().filter(release=OuterRef("release")).order_by().values("release")
    links = (
        DownloadLink.objects.live()
        .filter(grant__in=list(grants), release__status=Release.Status.PUBLISHED)
        .select_related("release__dataset")
        .defer("release__notes", "release__dataset__description", "release__dataset__citation")
        .annotate(
            archives=Coalesce(Subquery(archives.annotate(n=Count("pk")).values("n")), 0),
            size=Coalesce(Subquery(archives.annotate(n=Sum("size")).values("n")), 0),
        )
        .order_by("-release__published_at", "-release__id")
    )
    plates = defaultdict(list)
    for link in links:
        plates[link.release.dataset_id].append(_plate(link, link.archives, link.size))
    return plates


def _plate(link: DownloadLink, archives: int, size: int) -> Plate:
    release, address = link.release, address_of(link)
    # The commands name the link and no file, so that no file need be read here.
    listing = Listing(release.dataset.slug, release.dataset.name, release.version, address, (), [])
    return Plate(link, address, archives, int(size), commands_for(listing))


def _usage(grants: Iterable[AccessGrant]) -> dict[int, Usage]:
    """By dataset, where more than TOLD_FROM of the day's cap was asked for."""
    held = {grant.pk: grant for grant in grants}
    today = DailyUsage.objects.filter(day=timezone.now().date(), grant__in=list(held))
    usages = {held[row.grant_id].dataset_id: Usage(row.asked, held[row.grant_id].daily_cap) for row in today}
    return {dataset: usage for dataset, usage in usages.items() if usage.asked > usage.cap * TOLD_FROM}


def _fetched(user: User) -> dict[int, list[Fetched]]:
    """By dataset, what was asked for last first; through whichever link."""
    asked = DownloadRecord.objects.filter(link__grant__user=user).order_by().values("archive")
    counts = {row["last"]: row["requests"] for row in asked.annotate(requests=Count("pk"), last=Max("pk"))}
    fetched = defaultdict(list)
    for record in _records(counts):
        fetched[record.archive.release.dataset_id].append(Fetched(record, counts[record.pk]))
    return fetched


def _records(keys: Iterable[int]) -> QuerySet[DownloadRecord]:
    records = DownloadRecord.objects.filter(pk__in=list(keys)).select_related("archive__release")
    return records.defer("archive__part_hashes", "archive__release__notes").order_by("-issued_at", "-pk")
