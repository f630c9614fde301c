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

from accounts.admin.decisions import DecidingAdmin, Decision, ReasonForm
from accounts.admin.history import history
from accounts.admin.marks import hash_groups, link_to, short, state, yes
from accounts.admin.pages import HouseAdmin, ReadOnlyAdmin, Table, shown_below
from accounts.models.search import word_query
from accounts.tasks import sweep
from datasets.admin.previews import RenderingAdmin
from datasets.exceptions import MoveNotAllowed
from datasets.models import Archive, Dataset, Release, Volume
from datasets.services.catalog import publish_release, withdraw_release
from datasets.templatetags.house import bytes_exact, size

# A release in one of these is still being made.
OPEN = (Release.Status.DRAFT, Release.Status.FAILED)
SHOWN = (Release.Status.PUBLISHED, Release.Status.WITHDRAWN)
NOT_YET = (
    "The archives of a release are registered and checked by the import, which comes with a later version of this "
    "site: until then, a release that is added here cannot be published."
)


class WithdrawalForm(ReasonForm):
    """The reason stands where people look for the release, and in a mail to those who downloaded it."""

    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 4, "class": "input"}),
        help_text="It is shown on the release's page, to everybody who asks for one of its files, and in a mail to "
        "those who were issued a download of it. Say what happened and what people should do: one or two sentences, on "
        "one line.",
        error_messages={"required": "Write the reason; it stands in place of the files."},
    )


PUBLISH = Decision(
    name="publish",
    title="Publish",
    consequence="Who has access can download it from now on and is mailed, and it can no longer be changed. "
    "It stays listed for good, also when it is withdrawn one day.",
    service=publish_release,
    done="{row} is published.",
    permission="datasets.change_release",
    then=sweep,
    is_open=lambda release: release.status in (Release.Status.READY, Release.Status.SCHEDULED),
    refusals=(MoveNotAllowed,),
    many=False,
)
WITHDRAW = Decision(
    name="withdraw",
    title="Withdraw",
    consequence="Every link to it is refused from its next request on, with the reason that you give. "
    "A download that has begun goes on for an hour at most. There is no way back.",
    service=withdraw_release,
    done="{row} is withdrawn.",
    permission="datasets.change_release",
    then=sweep,
    is_open=lambda release: release.status == Release.Status.PUBLISHED,
    form=WithdrawalForm,
    refusals=(MoveNotAllowed,),
    many=False,
    is_grave=True,
)


@admin.register(Dataset)
class DatasetAdmin(HouseAdmin):
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


@admin.register(Release)
class ReleaseAdmin(RenderingAdmin, DecidingAdmin):
    list_display = ["__str__", "how_far", "created_at", "published_at", "withdrawn_at", "summary"]
    list_select_related = ["dataset"]
    list_filter = ["status", "dataset"]
    search_fields = ["version", "dataset__name"]
    search_help_text = "The beginning of the version, or any part of the dataset's name"
    autocomplete_fields = ["dataset"]
    decisions = [PUBLISH, WITHDRAW]
    written = ("dataset", "version", "summary", "notes")
    readonly_fields = ["how_far", "reason", "created_at", "published_at", "withdrawn_at"]

    @staticmethod
    def volumes_of(chosen: QuerySet) -> QuerySet[Volume]:
        return Volume.objects.filter(archive__release__in=chosen)

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(Q(version__startswith=term) | Q(dataset__name__icontains=term))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return [*self.written, *(self.readonly_fields if obj else ())]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        about = "" if obj else NOT_YET
        return [(None, {"fields": self.get_fields(request, obj), "description": about})]

    def get_view_on_site_url(self, obj: Model | None = None) -> str | None:
        """Only what the catalogue shows has a page there."""
        shown = isinstance(obj, Release) and obj.dataset.is_listed and obj.status in SHOWN
        return super().get_view_on_site_url(obj) if shown else None

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_open(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """One at a time, and only what nobody has seen."""
        return super().has_delete_permission(request, obj) and obj is not None and _is_open(obj)

    @admin.display(description="state")
    def how_far(self, row: Release) -> SafeString:
        return state(row.status)


@shown_below(Release, permission="datasets.view_archive")
def archives(release: Any) -> Table:
    told = [
        (
            link_to("datasets_archive", row.pk, row.name),
            state(row.status),
            row.get_split_display(),
            size(row.size),
            short(row.reason),
        )
        for row in release.archives.order_by("pk").defer("part_hashes")[:200]
    ]
    return Table(
        "Archives",
        ("File", "State", "Split", "Size", "Reason"),
        told,
        all_of_them=f"{reverse('admin:datasets_archive_changelist')}?release__id__exact={release.pk}",
    )


shown_below(Release, permission="datasets.view_release")(history)


class ArchiveForm(forms.ModelForm):
    class Meta:
        model = Archive
        fields = ("release", "name", "key", "version_id", "etag", "size", "sha256", "split", "coils")

    def clean_release(self) -> Release:
        release: Release = self.cleaned_data["release"]
        if not _is_open(release):
            raise ValidationError(f"{release} is {release.status}. Choose a draft, or add a new release.")
        return release


@admin.register(Archive)
class ArchiveAdmin(RenderingAdmin):
    form = ArchiveForm
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
        told = {"size", "sha256"} if obj and not _is_open(obj) else {"exactly", "hash"}
        return [name for name in self.fields if name not in told]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_open(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and obj is not None and _is_open(obj)

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


def _is_open(row: Any) -> bool:
    """Whether a release, or an archive of it, may still be changed by hand."""
    if row is None:
        return True
    release = row.release if isinstance(row, Archive) else row
    return release.status in OPEN
