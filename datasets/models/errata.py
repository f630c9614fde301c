"""Errata: what is wrong with archives that stay as they are."""

from typing import Self

from django.db import models

from accounts.models.evidence import tracked
from datasets.models.catalog import Archive, Release


class ErratumQuerySet(models.QuerySet["Erratum"]):
    def published(self) -> Self:
        return self.filter(published_at__isnull=False)


@tracked()
class Erratum(models.Model):
    """Once published it never changes and is never removed: a trigger of the database sees to it (migration
    release_notices). Whoever was issued a download of one of its archives is told."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="errata")
    archives = models.ManyToManyField(
        Archive, blank=True, related_name="errata", help_text="Those that are wrong. None: all of the release."
    )
    text = models.TextField(
        help_text="Markdown: what is wrong, and what people should do. It stands on the release's page and in the mail."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ErratumQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "errata"

    def __str__(self) -> str:
        return f"erratum {self.pk} to {self.release}"

    @property
    def is_published(self) -> bool:
        return self.published_at is not None
