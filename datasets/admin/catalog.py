"""Datasets, releases, archives and volumes. What is published is read only; its state moves through services."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin.decisions import DecidingAdmin, Decision
from accounts.admin.history import TrackedAdmin, history
from accounts.admin.marks import hash_groups, link_to, short, state, yes
from accounts.admin.pages import ReadOnlyAdmin, Table, shown_below
from accounts.models.search import word_query
from datasets.admin.previews import RenderingAdmin
from datasets.admin.releases import MADE, address_of, is_open
from datasets.exceptions import MoveNotAllowed
from datasets.models import Archive, Dataset, Release, Volume
from datasets.services.releases import leave_out, read_again
from datasets.services.releases.registering import UNREAD
from datasets.tasks import ingest_archives
from datasets.templatetags.house import bytes_exact, size


@admin.register(Dataset)
class DatasetAdmin(TrackedAdmin):
    list_display = ["name", "slug", "anatomy", "agreement", "access_policy", "access_days", "listed", "position"]
    list_select_related = ["agreement"]
    list_filter = ["is_listed", "access_policy"]
    search_fields = ["name", "slug"]
    search_help_text = "Any part of the name, the anatomy or the summary"
    ordering = ["position", "name"]
    sortable_by = ["name", "position"]
    autocomplete_fields = ["agreement"]
    prepopulated_fields = {"slug": ["name"]}
    fieldsets = [
        (None, {"fields": ["name", "slug", "anatomy", "summary", "description", "citation", "doi"]}),
        ("Access", {"fields": ["agreement", "access_policy", "access_days", "preview_audience"]}),
        ("In lists", {"fields": ["is_listed", "position"]}),
    ]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        words = Q(name__icontains=term) | Q(slug__icontains=term)
        return queryset.filter(words | Q(anatomy__icontains=term) | Q(summary__icontains=term))

    @admin.display(description="listed")
    def listed(self, row: Dataset) -> str:
        return yes(row.is_listed)

    def get_view_on_site_url(self, obj: Model | None = None) -> str | None:
        """A dataset that is not listed has no page for everybody."""
        return super().get_view_on_site_url(obj) if isinstance(obj, Dataset) and obj.is_listed else None

    def get_prepopulated_fields(self, request: HttpRequest, obj: Model | None = None) -> dict[str, Sequence[str]]:
        return {} if obj else dict(super().get_prepopulated_fields(request, obj))


@shown_below(Dataset, permission="datasets.view_release")
def releases(dataset: Any) -> Table:
    told = [
        (link_to("datasets_release", row.pk, row.version), state(row.status), row.published_at or "–", row.summary)
        for row in dataset.releases.newest_first().defer("notes")[:20]
    ]
    return Table(
        "Releases",
        ("Version", "State", "Published (UTC)", "Summary"),
        told,
        all_of_them=f"{reverse('admin:datasets_release_changelist')}?dataset__id__exact={dataset.pk}",
    )


shown_below(Dataset, permission="datasets.view_dataset")(history)
shown_below(Archive, permission="datasets.view_archive")(history)


def is_made(archive: Archive) -> bool:
    return archive.release.status in MADE


READ_AGAIN = Decision(
    name="read-again",
    title="Read again",
    consequence="What was found in it is forgotten, and its object is read from the first byte, as it is in the bucket "
    "then. The release is checked until that is done.",
    service=read_again,
    done="{row} waits to be read.",
    permission="datasets.change_release",
    is_open=lambda archive: is_made(archive) and archive.status != Archive.Status.REGISTERED,
    refusals=(MoveNotAllowed,),
    then=ingest_archives,
)
LEAVE_OUT = Decision(
    name="leave-out",
    title="Leave out",
    consequence="It is no part of the release any more. Its object stays in the bucket, and can be imported again.",
    service=leave_out,
    done="{row} is left out.",
    permission="datasets.change_release",
    is_open=is_made,
    refusals=(MoveNotAllowed,),
    is_grave=True,
    then=ingest_archives,
)


class ArchiveForm(forms.ModelForm):
    class Meta:
        model = Archive
        fields = ("release", "name", "key", "version_id", "etag", "size", "sha256", "split", "coils")

    def clean_release(self) -> Release:
        release: Release = self.cleaned_data["release"]
        if not is_open(release):
            raise ValidationError(f"{release} is {release.status}. Choose a draft, or add a new release.")
        return release


@admin.register(Archive)
class ArchiveAdmin(RenderingAdmin, TrackedAdmin, DecidingAdmin):
    form = ArchiveForm
    decisions = [READ_AGAIN, LEAVE_OUT]
    list_display = ["name", "release", "split", "coils", "sized", "how_far", "why"]
    list_select_related = ["release__dataset"]
    left_out = ["part_hashes", "release__notes", "release__dataset__description", "release__dataset__citation"]
    list_filter = ["status", "split", "release__dataset"]
    search_fields = ["name"]
    search_help_text = "Any part of the file name"
    autocomplete_fields = ["release"]
    linked_by = ["release__id__exact"]
    fields = [
        *("release", "name", "key", "version_id", "etag", "size", "exactly", "sha256", "hash", "split", "coils"),
        *("how_far", "reason"),
    ]
    readonly_fields = ["exactly", "hash", "how_far", "reason"]

    @staticmethod
    def volumes_of(chosen: QuerySet) -> QuerySet[Volume]:
        return Volume.objects.filter(archive__in=chosen)

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(name__icontains=term)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        told = {"size", "sha256"} if obj and not is_open(obj) else {"exactly", "hash"}
        return [name for name in self.fields if name not in told]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and is_open(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and obj is not None and is_open(obj)

    def save_model(self, request: HttpRequest, obj: Archive, form: Any, change: bool) -> None:
        """What is another object now has to be read again."""
        if change and {"key", "version_id", "etag", "size", "sha256"} & set(form.changed_data):
            obj.status, obj.reason, obj.part_size, obj.part_hashes = UNREAD["status"], "", None, []
        super().save_model(request, obj, form, change)

    def back_from(self, row: Any) -> str:
        return address_of("progress", row.release)

    @staticmethod
    def named_in_menus(row: Archive) -> str:
        """Releases have archives of the same name."""
        return f"{row.name} of {row.release}"

    def describe(self, row: Any) -> list[str]:
        return [str(row), str(row.release), short(row.reason)]

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """An archive takes its volumes along, which may be thousands: they are counted, not listed."""
        names = [str(archive) for archive in objs]
        volumes = Volume.objects.filter(archive__in=[archive.pk for archive in objs]).count()
        return names, {"archives": len(names), "volumes": volumes}, set(), []

    @admin.display(description="size")
    def sized(self, row: Archive) -> str:
        return size(row.size)

    @admin.display(description="size")
    def exactly(self, row: Archive) -> str:
        return bytes_exact(row.size)

    @admin.display(description="SHA-256")
    def hash(self, row: Archive) -> SafeString:
        return hash_groups(row.sha256)

    @admin.display(description="state")
    def how_far(self, row: Archive) -> SafeString:
        return state(row.status)

    @admin.display(description="reason")
    def why(self, row: Archive) -> str:
        return short(row.reason)


@admin.register(Volume)
class VolumeAdmin(RenderingAdmin, ReadOnlyAdmin):
    """What reading an archive found; nobody writes it by hand."""

    list_display = ["path", "archive", "acquisition", "slices", "coils", "matrix", "sized"]
    list_select_related = ["archive__release__dataset"]
    left_out = ["archive__part_hashes", *(f"archive__{name}" for name in ArchiveAdmin.left_out[1:])]
    search_fields = ["path"]
    search_help_text = "Beginnings of words of the path or the acquisition: file1000001, or CORPD"
    linked_by = ["archive__id__exact"]
    list_filter = ["archive__release__dataset"]
    fields = [
        *("archive", "path", "offset", "size", "acquisition", "slices", "coils", "readout", "phase", "field_strength"),
    ]

    @staticmethod
    def volumes_of(chosen: QuerySet) -> QuerySet[Volume]:
        return chosen

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        query = word_query(term)
        return queryset.filter(words=query) if query else queryset.none()

    @admin.display(description="matrix")
    def matrix(self, row: Volume) -> str:
        return f"{row.readout} × {row.phase}" if row.readout and row.phase else "–"

    @admin.display(description="size")
    def sized(self, row: Volume) -> str:
        return size(row.size)
