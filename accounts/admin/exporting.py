"""Lists as CSV: the rows chosen, or all that the list is narrowed to. The admin log keeps who took what."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters, csrf_protect_m
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from accounts.admin.lists import COUNTED
from accounts.admin.pages import HouseAdmin


@dataclass(frozen=True)
class Export:
    name: str
    """Of the file: people-2026-11-22.csv."""
    lines: Callable[..., Iterator[bytes]]
    """Called with a queryset; yields the file."""


class ExportingAdmin(HouseAdmin):
    export: Export
    change_list_template = "admin/exporting_change_list.html"

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if "_popup" not in request.GET and self.has_view_permission(request):
            actions["export"] = (_export_chosen, "export", "Export as CSV")
        return actions

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(self.export_list), name=name), *super().get_urls()]

    @csrf_protect_m
    def export_list(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """All that the list is narrowed to. A form sends it, for it leaves a line in the log."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            changelist = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            self.message_user(request, "That list cannot be read. Nothing was exported.", messages.ERROR)
            return HttpResponseRedirect("..")
        return self.export_rows(request, changelist.queryset, changelist.paginator.count_in_words)

    def export_rows(self, request: HttpRequest, queryset: QuerySet, number: str) -> StreamingHttpResponse:
        narrowed = request.GET.urlencode()
        return csv_of(
            self.model,
            self.export.lines(queryset, mark="mark" in request.POST),
            request=request,
            name=self.export.name,
            what=f"{number} {self.opts.verbose_name_plural}",
            why=f"Exported{f', narrowed by {narrowed}' if narrowed else ''}.",
        )


def csv_of(
    model: type[Model], lines: Iterator[bytes], *, request: HttpRequest, name: str, what: str, why: str
) -> StreamingHttpResponse:
    """A file of these lines; the log keeps who took what of which model."""
    LogEntry.objects.create(
        user_id=cast(int, request.user.pk),
        content_type=ContentType.objects.get_for_model(model, for_concrete_model=False),
        object_repr=f"CSV of {what}"[:200],
        action_flag=CHANGE,
        change_message=why,
    )
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{timezone.now():%Y-%m-%d}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _export_chosen(page: ExportingAdmin, request: HttpRequest, queryset: QuerySet) -> StreamingHttpResponse:
    seen = queryset[: COUNTED + 1].count()
    return page.export_rows(request, queryset, f"{seen:,}" if seen <= COUNTED else f"more than {COUNTED:,}")
