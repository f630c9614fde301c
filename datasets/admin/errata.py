"""Errata: written as drafts, published once, then left as they are."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin.decisions import DecidingAdmin, Decision
from accounts.admin.history import TrackedAdmin, history
from accounts.admin.marks import link_to, state
from accounts.admin.pages import Table, shown_below
from accounts.tasks import sweep
from datasets.admin.catalog import ArchiveAdmin
from datasets.exceptions import MoveNotAllowed
from datasets.models import Erratum, Release
from datasets.services.notices import publish_erratum

PUBLISH = Decision(
    name="publish",
    title="Publish",
    consequence="It stands on the release's page from now on and can no longer be changed or removed, and everybody "
    "who was issued a download of one of its archives is mailed. Nobody can unsubscribe from that.",
    service=publish_erratum,
    done="{row} is published.",
    permission="datasets.change_erratum",
    is_open=lambda erratum: not erratum.is_published,
    refusals=(MoveNotAllowed,),
    many=False,
    then=sweep,
)


class ErratumForm(forms.ModelForm):
    class Meta:
        model = Erratum
        fields = ("release", "archives", "text")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What is published has no fields to be written.
        archives: Any = self.fields.get("archives")
        if archives:
            archives.label_from_instance = ArchiveAdmin.named_in_menus
            archives.queryset = archives.queryset.select_related("release__dataset")

    def clean(self) -> dict[str, Any]:
        told = super().clean() or self.cleaned_data
        release, archives = told.get("release"), told.get("archives") or ()
        foreign = [archive.name for archive in archives if release and archive.release_id != release.pk]
        if foreign:
            raise ValidationError({"archives": f"{', '.join(foreign)}: none of {release}."})
        return told


@admin.register(Erratum)
class ErratumAdmin(TrackedAdmin, DecidingAdmin):
    form = ErratumForm
    list_display = ["__str__", "how_far", "created_at", "published_at"]
    list_select_related = ["release__dataset"]
    left_out = ["release__notes", "release__dataset__description", "release__dataset__citation"]
    list_filter = ["release__dataset"]
    search_fields = ["text"]
    search_help_text = "Any part of the text"
    linked_by = ["release__id__exact"]
    autocomplete_fields = ["release", "archives"]
    decisions = [PUBLISH]
    readonly_fields = ["how_far", "created_at", "published_at"]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(text__icontains=term)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return ["release", "archives", "text", *(self.readonly_fields if obj else ())]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and not _is_published(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """One at a time, and only what nobody has seen."""
        return super().has_delete_permission(request, obj) and obj is not None and not _is_published(obj)

    def get_view_on_site_url(self, obj: Model | None = None) -> str | None:
        return obj.release.get_absolute_url() if isinstance(obj, Erratum) and obj.is_published else None

    @admin.display(description="state")
    def how_far(self, row: Erratum) -> SafeString:
        return state(_word(row))


shown_below(Erratum, permission="datasets.view_erratum")(history)


@shown_below(Release, permission="datasets.view_erratum")
def errata(release: Any) -> Table:
    rows = [
        (link_to("datasets_erratum", row.pk, f"Erratum {row.pk}"), state(_word(row)), row.published_at or "–")
        for row in release.errata.defer("text")[:20]
    ]
    address = f"{reverse('admin:datasets_erratum_changelist')}?release__id__exact={release.pk}"
    return Table("Errata", ("Erratum", "State", "Published (UTC)"), rows, all_of_them=address)


def _word(row: Erratum) -> str:
    return "published" if row.is_published else "draft"


def _is_published(row: Model | None) -> bool:
    return isinstance(row, Erratum) and row.is_published
