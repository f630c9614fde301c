"""Previews: what was made of each volume, making it again, and how far that is."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from accounts.admin.decisions import Decision
from accounts.admin.lists import period
from accounts.admin.marks import link_to, short
from accounts.admin.pages import HouseAdmin, Table, shown_below
from accounts.admin.work import WorkAdmin
from accounts.models import User
from accounts.models.search import word_query
from accounts.tasks import hint
from datasets.models import Preview, Volume
from datasets.services.previews import Progress, progress_of, render_again, render_volumes
from datasets.tasks import render_previews

PERMISSION = "datasets.change_preview"
# Long texts of the rows that a preview leads to.
LEFT_OUT = (
    *("volume__archive__part_hashes", "volume__archive__release__notes"),
    *("volume__archive__release__dataset__description", "volume__archive__release__dataset__citation"),
)
Page = Any
Chosen = Callable[[QuerySet], QuerySet[Volume]]


class RenderingAdmin(HouseAdmin):
    """A list whose chosen rows have volumes that can be rendered, for the first time or again."""

    volumes_of: Chosen

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if "_popup" not in request.GET and request.user.has_perm(PERMISSION):
            actions["render"] = (_render_chosen, "render", "Render previews")
        return actions


def _render_chosen(page: Page, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
    by = cast(User, request.user)
    # By number, whatever the list has joined, sorted and left out.
    chosen = page.model._default_manager.filter(pk__in=queryset.order_by().values("pk"))
    asked_at = render_volumes(type(page).volumes_of(chosen), by=by)
    progress = progress_of(asked_at)
    if not progress.total:
        page.message_user(request, "There is no volume in what was chosen.", messages.WARNING)
        return HttpResponseRedirect(request.get_full_path())
    LogEntry.objects.create(
        user_id=by.pk,
        content_type=ContentType.objects.get_for_model(Preview),
        object_repr=f"{progress.total:,} previews",
        action_flag=CHANGE,
        change_message="Put into the queue, to be rendered.",
    )
    hint(render_previews)
    return HttpResponseRedirect(address_of(progress))


def address_of(progress: Progress) -> str:
    query = urlencode({"asked": progress.asked_at.isoformat()})
    return f"{reverse('admin:datasets_preview_progress')}?{query}"


def _render_one(row: Preview, *, by: User) -> None:
    render_again(Preview.objects.filter(pk=row.pk), by=by)


AGAIN = Decision(
    name="again",
    title="Render again",
    consequence="It goes back to the queue. The pictures that there are go on being shown until the new ones are made.",
    service=_render_one,
    done="{row} waits to be rendered.",
    permission=PERMISSION,
    is_open=lambda row: row.state == Preview.State.DONE,
    many=False,
    then=render_previews,
)


@admin.register(Preview)
class PreviewAdmin(RenderingAdmin, WorkAdmin):
    list_display = ["volume", "archive", "how_far", "why", "asked_at", "finished_at"]
    list_select_related = ["volume__archive__release__dataset"]
    left_out = ("report", *LEFT_OUT)
    list_filter = ["state", period("asked_at", "asked")]
    search_fields = ["volume__path"]
    search_help_text = "Beginnings of words of the volume's path or acquisition: file1000001, or CORPD"
    fields = [
        *("volume", "archive", "how_far", "reason", "pictures", "attempts", "deaths"),
        *("asked_at", "due_at", "finished_at"),
    ]
    readonly_fields = ["archive", "pictures"]
    decisions = [AGAIN]

    @staticmethod
    def volumes_of(chosen: QuerySet) -> QuerySet[Volume]:
        return Volume.objects.filter(preview__in=chosen)

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        query = word_query(term)
        return queryset.filter(volume__words=query) if query else queryset.none()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.progress)
        return [path("progress/", view, name="datasets_preview_progress"), *super().get_urls()]

    def progress(self, request: HttpRequest) -> HttpResponse:
        """Those that were asked for together. It does not look again by itself: whoever waits asks."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            asked_at = parse_datetime(request.GET.get("asked", ""))
        except ValueError:
            asked_at = None
        if asked_at is None or asked_at.tzinfo is None:
            raise Http404
        progress = progress_of(asked_at)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Previews that were asked for together",
            "progress": progress,
            "again": address_of(progress),
            "failures": _failures_of(progress),
        }
        return TemplateResponse(request, "admin/preview_progress.html", context)

    @admin.display(description="archive")
    def archive(self, row: Preview) -> str:
        return f"{row.volume.archive} of {row.volume.archive.release}"

    @admin.display(description="pictures")
    def pictures(self, row: Preview) -> SafeString:
        """Those of the slice that is shown first."""
        if row.report is None:
            return format_html('<span class="none">{}</span>', "none yet")
        report = row.read_report()
        if report is None:
            return format_html('<span class="none">{}</span>', "not readable any more: render it again")
        return format_html_join(
            " ",
            '<a href="{}"><img src="{}" alt="{}" width="{}" height="{}" loading="lazy"></a>',
            (
                (address, address, f"{picture.kind.capitalize()} of slice {picture.slice + 1}", width, height)
                for picture in report.pictures
                if picture.slice == report.slice and picture.size == "full"
                for address in [reverse("preview_image", args=[row.volume_id, row.folder, picture.name])]
                for width, height in [_fitted(picture.width, picture.height)]
            ),
        )


def _fitted(width: int, height: int, longest: int = 240) -> tuple[int, int]:
    """The size at which a whole picture stands beside others."""
    scale = min(1.0, longest / max(width, height))
    return round(width * scale), round(height * scale)


def _failures_of(progress: Progress) -> Table:
    rows = [
        (
            link_to("datasets_preview", row.pk, row.volume),
            link_to("datasets_archive", row.volume.archive_id, row.volume.archive),
            row.reason,
            row.finished_at,
        )
        for row in progress.failures
    ]
    return Table("Failed", ("Volume", "Archive", "Reason", "When (UTC)"), rows)


@shown_below(Volume, permission="datasets.view_preview")
def preview_of(volume: Any) -> Table:
    rows = [
        (link_to("datasets_preview", row.pk, row.state), short(row.reason), row.asked_at, row.finished_at)
        for row in Preview.objects.filter(volume=volume).defer("report")
    ]
    return Table("Preview", ("State", "Reason", "Asked (UTC)", "Finished (UTC)"), rows)
