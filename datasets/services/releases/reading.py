"""One try at one archive: its volumes and their pictures, written as they come, while the row is held."""

import time
from collections.abc import Callable
from contextlib import nullcontext

from django.db import transaction
from django.db.models.functions import Now

from datasets.kspace.archive import Member
from datasets.kspace.errors import BrokenArchiveError
from datasets.models import Archive, Ingest, Preview, Volume
from datasets.services.previews.pictures import kept_pictures

LONGEST_REASON = 1_000
LONGEST_PATH = 255
# How often it is written how far an archive is.
TOLD_SECONDS = 2.0
# What the columns hold; a file that says more says nothing of use.
LARGEST = {"slices": 2**31 - 1, "coils": 2**15 - 1, "readout": 2**31 - 1, "phase": 2**31 - 1}
# Broken files that are told of one archive.
TOLD = 3

Tell = Callable[[Archive, int, int], None]


class LeaseLost(Exception):
    """Somebody else reads this archive by now, or nobody should."""


class Reading:
    def __init__(self, row: Ingest, archive: Archive, tell: Tell | None = None) -> None:
        self.row, self.archive, self.tell = row, archive, tell
        self.broken: list[str] = []
        """A sentence for each file that cannot be opened. The others are read all the same, so that one try tells of
        all of them."""
        self.volumes = 0
        self.bytes_read = 0
        self._paths: set[str] = set()
        self._told_at = time.monotonic()

    def on_progress(self, bytes_read: int, volumes: int) -> None:
        self.bytes_read = bytes_read
        if time.monotonic() - self._told_at >= TOLD_SECONDS:
            self._told_at = time.monotonic()
            self.hold()
            if self.tell is not None:
                self.tell(self.archive, bytes_read, self.volumes)

    def on_volume(self, member: Member) -> None:
        """The volume and what became of its pictures, in one transaction with the count of them.

        What is no volume, such as a list or an image, is as whole as the archive is."""
        if not member.is_volume:
            return
        self._require_path(member.path)
        self.volumes += 1
        if member.is_damaged:
            self.broken.append(f"File {self.volumes:,} of the archive cannot be opened: {member.path}: {member.reason}")
            return
        made = member.rendering if member.rendering and member.rendering.contents else None
        # Into the bucket before any row names them; what a killed worker leaves there is deleted after a day.
        with kept_pictures(made) if made else nullcontext("") as folder, transaction.atomic():
            # The seal locks the release for this moment, which everybody locks before the row of work: so nobody waits
            # in a circle.
            volume = Volume.objects.create(archive=self.archive, **_facts_of(member))
            Preview.objects.create(volume=volume, **_outcome_of(member, folder))
            self.hold()

    def hold(self) -> None:
        """Say how far it is. Raises LeaseLost, after which nothing may be written."""
        if not self.row.go_on(bytes_read=self.bytes_read, volumes_read=self.volumes):
            raise LeaseLost

    def why_broken(self) -> str:
        more = len(self.broken) - TOLD
        others = f" And {more:,} more cannot be opened." if more > 0 else ""
        return (" ".join(self.broken[:TOLD]) + others)[:LONGEST_REASON]

    def _require_path(self, path: str) -> None:
        if path in self._paths:
            raise BrokenArchiveError(f"{self.archive} has two files called {path}.")
        if not path or not path.isprintable() or len(path) > LONGEST_PATH:
            told = ascii(path[:LONGEST_PATH])
            raise BrokenArchiveError(f"{self.archive} has a file whose name cannot be kept: {told}.")
        self._paths.add(path)


def _facts_of(member: Member) -> dict[str, object]:
    where: dict[str, object] = {"path": member.path, "offset": member.offset, "size": member.size}
    if member.facts is None:
        return where
    found: dict[str, object] = {"acquisition": member.facts.acquisition[:40]}
    found["field_strength"] = member.facts.field_strength
    for name, largest in LARGEST.items():
        value = getattr(member.facts, name)
        found[name] = value if value is not None and value <= largest else None
    return where | found


def _outcome_of(member: Member, folder: str) -> dict[str, object]:
    """How the volume's preview stands: made, impossible, or still to be rendered."""
    if member.rendering is not None and folder:
        report = member.rendering.report.as_json()
        return {"state": Preview.State.DONE, "folder": folder, "report": report, "finished_at": Now()}
    if member.reason:
        return {"state": Preview.State.FAILED, "reason": member.reason[:LONGEST_REASON], "finished_at": Now()}
    return {}
