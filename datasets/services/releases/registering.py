"""Archives of a release that is being made: registered from the bucket, checked, read again, and left out."""

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from datasets.exceptions import ListChanged, MoveNotAllowed
from datasets.models import Archive, Ingest, Release
from datasets.services.releases.ingesting import coils_of_volumes
from datasets.services.releases.moves import conclude, in_the_name_of, locked, move
from datasets.services.releases.proposals import Proposal, Proposed

BATCH = 1_000
MADE = (Release.Status.DRAFT, Release.Status.FAILED)
# What an archive is before anybody has read it.
UNREAD: dict[str, Any] = {
    "sha256": "",
    "part_size": None,
    "part_hashes": [],
    "status": Archive.Status.REGISTERED,
    "reason": "",
}
# Of an object that may be another one by now: it is asked for again when its reading begins.
UNSEEN: dict[str, Any] = {**UNREAD, "etag": "", "version_id": ""}


@transaction.atomic
def register(release: Release, proposal: Proposal, keys: Collection[str], *, by: User | None) -> int:
    """Make the chosen objects archives of the release, as they were listed; how many are new or other ones.

    An archive that is there already gets the split and coils of the list, and is left as it is otherwise, unless its
    object is another one by now."""
    release = locked(release)
    _require_made(release, "Archives are added")
    chosen = _chosen(proposal, set(keys))
    present = {archive.name: archive for archive in release.archives.defer("part_hashes")}
    fresh = [row for row in chosen if row.name not in present]
    other = [row for row in chosen if row.name in present and not _is(row, present[row.name])]
    with in_the_name_of(by):
        for start in range(0, len(fresh), BATCH):
            Archive.objects.bulk_create(_archive(release, row) for row in fresh[start : start + BATCH])
        for row in other:
            facts = {"key": row.key, "size": row.size}
            release.archives.filter(name=row.name).update(**{**UNSEEN, **facts, "etag": row.etag})
        for row in chosen:
            archive = present.get(row.name)
            if archive is not None and (row.split, row.coils) != _words(archive):
                # As its scans say, where nothing is written and they were read already.
                coils = row.coils or (coils_of_volumes(archive) if _is(row, archive) else "")
                release.archives.filter(name=row.name).update(split=row.split, coils=coils)
    return len(fresh) + len(other)


def _chosen(proposal: Proposal, keys: set[str]) -> list[Proposed]:
    chosen = [row for row in proposal.rows if row.key in keys]
    if len(chosen) < len(keys):
        raise ListChanged("A key that was chosen is not in the bucket any more. Look at the list again.")
    if not chosen:
        raise MoveNotAllowed("No archive was chosen.")
    for row in chosen:
        if not row.is_usable:
            raise MoveNotAllowed(f"{row.key} cannot be taken: {'; '.join(row.faults)}.")
    return chosen


def _is(row: Proposed, archive: Archive) -> bool:
    return (row.key, row.size, row.etag) == (archive.key, archive.size, archive.etag)


def _words(archive: Archive) -> tuple[str, str]:
    return archive.split, archive.coils


def _archive(release: Release, row: Proposed) -> Archive:
    facts = {"key": row.key, "size": row.size, "etag": row.etag, "split": row.split, "coils": row.coils}
    return Archive(release=release, name=row.name, **facts)


@transaction.atomic
def check(release: Release, *, by: User | None) -> Release:
    """Have every archive read that is not verified. Of one whose archives are all verified nothing is left to read.

    What failed is looked up in the bucket again, for it was uploaded again since, or that failed for nothing."""
    release = locked(release)
    if not release.archives.exists():
        raise MoveNotAllowed(f"{release} has no archive. Import them first.")
    move(release, Release.Status.CHECKING, by=by, reason="")
    with in_the_name_of(by):
        release.archives.failed().update(**UNSEEN)
    _plan(release.archives.unverified())
    conclude(release, by=by)
    return release


@transaction.atomic
def read_again(archive: Archive, *, by: User | None) -> None:
    """Forget what was found in the archive, and read its object as it is in the bucket by then."""
    release = locked(archive.release)
    if release.status == Release.Status.READY:
        move(release, Release.Status.DRAFT, by=by)
    if release.status != Release.Status.CHECKING:
        move(release, Release.Status.CHECKING, by=by, reason="")
    # Also when it is being read just now: that reading is in vain.
    with in_the_name_of(by):
        release.archives.filter(pk=archive.pk).update(**UNSEEN)
    _plan(release.archives.unverified())


@transaction.atomic
def leave_out(archive: Archive, *, by: User | None) -> None:
    """Remove the archive from a release that is being made. The object in the bucket stays."""
    release = locked(archive.release)
    if release.status not in (*MADE, Release.Status.CHECKING, Release.Status.READY):
        raise MoveNotAllowed(f"{release} is {release.status}: its archives stay as they are.")
    if release.status == Release.Status.READY:
        move(release, Release.Status.DRAFT, by=by)
    # Whoever reads it just now ends its volume first, and writes no other one.
    list(Ingest.objects.filter(archive=archive).select_for_update())
    with in_the_name_of(by):
        release.archives.filter(pk=archive.pk).delete()
    if release.status == Release.Status.FAILED and not release.archives.unverified().exists():
        move(release, Release.Status.CHECKING, by=by, reason="")
    conclude(release, by=by)


@transaction.atomic
def reopen(release: Release, *, by: User | None) -> Release:
    """Back to a draft, so that its notes can be written. What was verified stays so."""
    return move(locked(release), Release.Status.DRAFT, by=by)


def _require_made(release: Release, what: str) -> None:
    if release.status not in MADE:
        raise MoveNotAllowed(f"{release} is {release.status}. {what} only to a draft, or to one whose check failed.")


def _plan(archives: QuerySet[Archive]) -> None:
    """A row of work for each, also where there was one."""
    pks = list(archives.order_by("pk").values_list("pk", flat=True))
    Ingest.objects.filter(archive__in=pks).exclude(state__in=Ingest.OPEN).update(**Ingest.new_start())
    # One that is at work on what was forgotten meanwhile is taken from its worker.
    stale = Ingest.objects.filter(archive__in=pks, state=Ingest.State.RUNNING, archive__status=UNREAD["status"])
    stale.update(**Ingest.new_start())
    have = set(Ingest.objects.filter(archive__in=pks).values_list("archive", flat=True))
    missing = [pk for pk in pks if pk not in have]
    for start in range(0, len(missing), BATCH):
        rows = [Ingest(archive_id=pk) for pk in missing[start : start + BATCH]]
        # Somebody else may plan the same now.
        Ingest.objects.bulk_create(rows, ignore_conflicts=True)
