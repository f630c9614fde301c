"""Ingests: reading an archive once from its first byte to its last, and how far that is."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from accounts.models.work import Work, WorkQuerySet
from datasets.models.catalog import Archive


class Ingest(Work):
    """The work of reading one archive. A worker that is killed leaves volumes behind, which the next try removes before
    it begins; the archive itself says nothing new until all of it was read."""

    comes_in_heaps = True

    archive = models.OneToOneField(Archive, on_delete=models.CASCADE, related_name="ingest", editable=False)
    # Of the present attempt, or of the last one.
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    bytes_read = models.PositiveBigIntegerField(default=0, editable=False)
    volumes_read = models.PositiveIntegerField("files opened", default=0, editable=False)

    # Work's own manager; only its rows are named here.
    objects: ClassVar[WorkQuerySet["Ingest"]]

    class Meta(Work.Meta):
        abstract = False
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Reading of {self.archive}"

    def begin(self) -> bool:
        """A new try begins; False when another worker holds the row by now."""
        return self._settle(started_at=Now(), bytes_read=0, volumes_read=0)

    def go_on(self, *, bytes_read: int, volumes_read: int) -> bool:
        """How far it is now; False when another worker holds the row by now, so that nothing more may be written."""
        return self._settle(bytes_read=bytes_read, volumes_read=volumes_read)

    @classmethod
    def new_start(cls) -> dict[str, object]:
        """What a row begins with when its archive is read again from the first byte."""
        return {**cls.fresh_start(), "reason": "", "leased_until": None, "bytes_read": 0, "volumes_read": 0}
