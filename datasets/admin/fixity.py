"""Fixity: what was looked at and when, and what is not as it was published."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.marks import link_to, state, yes
from accounts.admin.pages import ReadOnlyAdmin, Table, shown_below
from accounts.admin.work import WorkAdmin
from datasets.models import Archive, Drift, FixityCheck, Release
from datasets.services.fixity import SHOWN, last_whole_checks, period, standing
from datasets.templatetags.house import size

# Releases that the page tells one by one.
TOLD = 50
LONG_TEXTS = ["release__notes", "release__dataset__description", "release__dataset__citation"]


class LastingFilter(admin.SimpleListFilter):
    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("lasts", "Lasts"), ("over", "Not so any more")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wanted = {"lasts": True, "over": False}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(ended_at__isnull=wanted)


@admin.register(Drift)
class DriftAdmin(ReadOnlyAdmin):
    """Above the list stands how all of it is."""

    change_list_template = "admin/fixity_change_list.html"
    list_display = ["archive", "release", "found", "delivered", "first_seen_at", "last_seen_at", "ended_at"]
    list_select_related = ["archive__release__dataset"]
    left_out = ["archive__part_hashes", *(f"archive__{name}" for name in LONG_TEXTS)]
    list_filter = [LastingFilter, "finding"]
    search_fields = ["archive__name"]
    search_help_text = "Any part of the file name"
    linked_by = ["archive__id__exact", "archive__release__id__exact"]
    fields = [
        *("archive", "found", "expected", "instead", "delivered"),
        *("first_seen_at", "last_seen_at", "ended_at", "told_in"),
    ]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(archive__name__icontains=term)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        told = {"standing": standing(), "period": period(), "checks": checks_told(), "title": "Fixity"}
        return super().changelist_view(request, {**(extra_context or {}), **told})

    @admin.display(description="release")
    def release(self, row: Drift) -> str:
        return str(row.archive.release)

    @admin.display(description="found")
    def found(self, row: Drift) -> SafeString:
        return finding(row)

    @admin.display(description="was published")
    def expected(self, row: Drift) -> SafeString:
        return object_of(row.archive.size, row.archive.etag, row.archive.version_id)

    @admin.display(description="was found")
    def instead(self, row: Drift) -> SafeString | str:
        if row.finding != Drift.Finding.CHANGED:
            return row.get_finding_display()
        return object_of(row.size, row.etag, row.version_id)

    @admin.display(description="still delivered")
    def delivered(self, row: Drift) -> str:
        return yes(row.is_delivered)


@admin.register(FixityCheck)
class FixityCheckAdmin(WorkAdmin):
    list_display = ["release", "how_far", "checked", "drifted", "created_at", "finished_at", "why"]
    list_select_related = ["release__dataset"]
    left_out = LONG_TEXTS
    linked_by = ["release__id__exact"]
    search_fields = ["release__dataset__name"]
    search_help_text = "Any part of the dataset's name"
    consequence = "It goes on with the keys that were not asked for yet."
    fields = [
        *("release", "how_far", "checked", "drifted", "attempts", "deaths"),
        *("created_at", "due_at", "finished_at", "reason"),
    ]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(release__dataset__name__icontains=term)


def finding(drift: Drift) -> SafeString:
    if drift.ended_at is not None:
        return state("done", f"{drift.get_finding_display()}, not so any more")
    return state("failed", drift.get_finding_display())


def object_of(bytes_: int | None, etag: str, version_id: str) -> SafeString:
    version = f", version {version_id}" if version_id else ""
    return format_html("{}, ETag <code>{}</code>{}", size(bytes_), etag or "not recorded", version)


def checks_told() -> Table:
    releases = last_whole_checks().order_by("checked_at", "pk")[:TOLD]
    rows = [
        (
            link_to("datasets_release", row.pk, row),
            row.checked_at or "not yet",
            "–" if row.checked is None else f"{row.checked:,}",
            "–" if row.drifted is None else f"{row.drifted:,}",
        )
        for row in releases
    ]
    headings = ("Release", "Last looked at as a whole (UTC)", "Archives", "Not as published")
    address = reverse("admin:datasets_fixitycheck_changelist")
    return Table("Releases", headings, rows, empty="No release is published.", all_of_them=address)


@shown_below(Release, permission="datasets.view_fixitycheck")
def of_release(release: Any) -> Table:
    rows = [
        (
            link_to("datasets_fixitycheck", row.pk, "Check"),
            state(row.state),
            f"{row.checked:,}",
            f"{row.drifted:,}",
            row.created_at,
            row.finished_at or "–",
        )
        for row in release.fixity_checks.order_by("-pk")[:5]
    ]
    headings = ("Fixity", "State", "Looked at", "Not as published", "Begun (UTC)", "Finished (UTC)")
    empty = (
        "Nobody has asked the bucket since it was published; that is done by itself."
        if release.status in SHOWN
        else "The bucket is asked by itself from when it is published."
    )
    return Table("Fixity", headings, rows, empty=empty)


@shown_below(Release, permission="datasets.view_drift")
def drifts_of_release(release: Any) -> Table:
    address = f"{reverse('admin:datasets_drift_changelist')}?archive__release__id__exact={release.pk}"
    rows = Drift.objects.filter(archive__release=release).select_related("archive").defer("archive__part_hashes")
    return _drifts(rows, "Archives that were not as published", address)


@shown_below(Archive, permission="datasets.view_drift")
def drifts_of_archive(archive: Any) -> Table:
    address = f"{reverse('admin:datasets_drift_changelist')}?archive__id__exact={archive.pk}"
    rows = Drift.objects.filter(archive=archive).select_related("archive").defer("archive__part_hashes")
    return _drifts(rows, "Drifts", address)


def _drifts(drifts: QuerySet[Drift], title: str, address: str) -> Table:
    rows = [
        (
            link_to("datasets_drift", row.pk, row.archive.name),
            finding(row),
            row.first_seen_at,
            row.last_seen_at,
            row.ended_at or "–",
        )
        for row in drifts[:20]
    ]
    headings = ("Archive", "Found", "First seen (UTC)", "Last seen (UTC)", "Ended (UTC)")
    return Table(title, headings, rows, empty="None.", all_of_them=address if rows else "")
