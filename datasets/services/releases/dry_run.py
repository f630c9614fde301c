"""What publishing a release will do, told before it is done."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, QuerySet, Sum

from accounts.models import User
from datasets.models import AccessGrant, Archive, DownloadRecord, Notice, Preview, Release, Volume
from datasets.services.notices import people_told
from datasets.services.releases.checks import Obstacle, obstacles_to
from datasets.services.releases.proposals import former_release

PICTURES = 8


@dataclass(frozen=True)
class Change:
    name: str
    former_size: int | None
    size: int | None


@dataclass(frozen=True)
class Kind:
    """Volumes of one split and acquisition, and their bytes."""

    split: str
    acquisition: str
    volumes: int
    size: int


@dataclass(frozen=True)
class DryRun:
    former: Release | None
    added: Sequence[Change]
    changed: Sequence[Change]
    removed: Sequence[Change]
    archives: int
    size: int
    kinds: Sequence[Kind]
    previews: Sequence[Preview]
    holders: int
    """People whose access runs."""
    mailed: int
    """Those of them who have not stopped announcements and whose mail arrives: they are mailed at once."""
    holders_of_changed: int
    """Those of them to whom a download of a changed or removed archive was issued."""
    obstacles: Sequence[Obstacle]


def dry_run(release: Release) -> DryRun:
    """Raises BucketDown when the bucket cannot be asked."""
    former = former_release(release.dataset, release)
    now, then = _by_name(release), _by_name(former)
    changed = [name for name in now if name in then and now[name].sha256 != then[name].sha256]
    removed = [name for name in then if name not in now]
    whole = release.archives.aggregate(archives=Count("pk"), size=Sum("size"))
    return DryRun(
        former=former,
        added=[_change(name, now, then) for name in now if name not in then],
        changed=[_change(name, now, then) for name in changed],
        removed=[_change(name, now, then) for name in removed],
        archives=whole["archives"],
        size=whole["size"] or 0,
        kinds=_kinds(release),
        previews=_pictures(release),
        holders=holders_of(release).count(),
        mailed=people_told(Notice(kind=Notice.Kind.RELEASE, release=release)).count(),
        holders_of_changed=_downloaded([then[name] for name in (*changed, *removed)], release),
        obstacles=obstacles_to(release),
    )


def _by_name(release: Release | None) -> dict[str, Archive]:
    if release is None:
        return {}
    return {row.name: row for row in release.archives.order_by("pk").only("name", "size", "sha256", "release")}


def _change(name: str, now: dict[str, Archive], then: dict[str, Archive]) -> Change:
    former, new = then.get(name), now.get(name)
    return Change(name, former.size if former else None, new.size if new else None)


def holders_of(release: Release) -> QuerySet[User]:
    """Whose access to the dataset runs, each once."""
    grants = AccessGrant.objects.current().filter(user=OuterRef("pk"), dataset=release.dataset_id)
    return User.objects.filter(Exists(grants), is_active=True)


def _downloaded(archives: list[Archive], release: Release) -> int:
    if not archives:
        return 0
    issued = DownloadRecord.objects.filter(archive__in=archives, link__grant__user=OuterRef("pk"))
    return holders_of(release).filter(Exists(issued)).count()


def _kinds(release: Release) -> list[Kind]:
    volumes = Volume.objects.filter(archive__release=release).order_by("archive__split", "acquisition")
    counted = volumes.values_list("archive__split", "acquisition").annotate(number=Count("pk"), size=Sum("size"))
    words = dict(Archive.Split.choices)
    return [Kind(str(words[split]), acquisition, number, size) for split, acquisition, number, size in counted]


def _pictures(release: Release) -> list[Preview]:
    """A few, of volumes all over the release."""
    made = Preview.objects.filter(volume__archive__release=release).exclude(folder="")
    pks = list(made.order_by("pk").values_list("pk", flat=True))
    chosen = pks[:: max(1, len(pks) // PICTURES)][:PICTURES]
    return list(made.filter(pk__in=chosen).select_related("volume").defer("report").order_by("pk"))
