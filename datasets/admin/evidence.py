"""The anchors of the chain of signatures: what was written outside, and why one could not be."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.lists import period
from accounts.admin.marks import hash_groups
from accounts.admin.work import WorkAdmin
from datasets.models import EvidenceAnchor


@admin.register(EvidenceAnchor)
class EvidenceAnchorAdmin(WorkAdmin):
    list_display = ["day", "how_far", "count", "short_head", "finished_at", "why"]
    list_filter = ["state", period("created_at", "planned")]
    fields = [
        *("day", "how_far", "count", "whole_head", "moment", "key", "version_id", "etag", "note"),
        *("attempts", "deaths", "created_at", "due_at", "finished_at", "reason"),
    ]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.none()

    @admin.display(description="head")
    def short_head(self, row: EvidenceAnchor) -> str:
        return f"{row.head[:8]}…{row.head[-4:]}" if row.head else "–"

    @admin.display(description="hash of the last record")
    def whole_head(self, row: EvidenceAnchor) -> SafeString | str:
        return hash_groups(row.head) if row.head else "–"
