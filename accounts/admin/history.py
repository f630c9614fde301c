"""The history of a tracked row, as its events tell it: when, who, and what changed; also of a row that is gone."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.text import capfirst
from pghistory.core import event_models

from accounts.admin.pages import HouseAdmin, Table
from accounts.admin.widgets import numbers_of_rows
from accounts.models import User
from accounts.models.evidence import BEFORE

SHOWN = 20
# On the page of the whole history, and of what was removed.
SHOWN_ALONE = 500
# A longer value is not repeated in the history; that it changed is. Reasons are: that something was withdrawn, and why.
LONGEST = 60
REASON = "reason"
HEADINGS = ("When (UTC)", "Who", "What")
EMPTY, NOT_RECORDED = "Nothing has been recorded yet.", "not recorded"
# What a row is called, by the first of these that its events keep.
NAMES = ("name", "title", "version", "number", "text")


def events_model(model: type[Model]) -> Any:
    """Where pghistory keeps the events of a model; None of one that is not tracked."""
    return next(iter(event_models(tracks_model=model)), None)


def history(row: Any) -> Table:
    """The newest changes of a row. Three queries, whatever their number."""
    events = events_model(type(row))._default_manager.filter(pgh_obj=row.pk)
    return Table("History", HEADINGS, changes(events, SHOWN), EMPTY)


def changes(events: QuerySet, limit: int) -> Sequence[tuple[object, ...]]:
    # One more than is shown, to say what the oldest one changed.
    found = list(events.select_related("pgh_context").order_by("-pgh_id")[: limit + 1])
    people = people_of(found)
    told = [
        (event.pgh_created_at, people.get(actor_of(event), NOT_RECORDED), _what(event, before, people))
        for event, before in pairwise([*found, None])
        if event.pgh_label != BEFORE
    ]
    return told[:limit]


def actor_of(event: Any) -> int | None:
    context = event.pgh_context
    return context.metadata.get("user") if context else None


def people_of(events: Sequence[Any]) -> dict[Any, str]:
    """Addresses of those who acted, and of those whom a column names."""
    named = {actor_of(event) for event in events}
    for event in events:
        named |= {getattr(event, column.attname) for column in _columns(event) if column.related_model is User}
    return dict(User.objects.filter(pk__in=named - {None}).values_list("pk", "email"))


def _columns(event: Model) -> list[Any]:
    return [column for column in event._meta.concrete_fields if not column.name.startswith("pgh_")]


def _what(event: Any, before: Any | None, people: dict[Any, str]) -> str:
    if event.pgh_label == "delete":
        return "Removed"
    if before is None:
        return "Made" if event.pgh_label == "insert" else f"Changed. It is now: {_whole(event, people)}"
    told = [
        f"{column.verbose_name}: {_told(getattr(before, column.attname), column, people)} → "
        f"{_told(getattr(event, column.attname), column, people)}"
        for column in _columns(event)
        if getattr(before, column.attname) != getattr(event, column.attname)
    ]
    return "; ".join(told) or "Saved without a change"


def _whole(event: Any, people: dict[Any, str]) -> str:
    """Of the first change that was recorded of a row: how it is since then."""
    columns = [column for column in _columns(event) if column.name != "id"]
    return "; ".join(f"{one.verbose_name}: {_told(getattr(event, one.attname), one, people)}" for one in columns)


def _told(value: Any, column: Any, people: dict[Any, str]) -> str:
    if value in (None, ""):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.related_model is User:
        return people.get(value, f"person {value}")
    if column.related_model is not None:
        return f"{column.related_model._meta.verbose_name} {value}"
    text = str(dict(column.flatchoices).get(value, localize(value)))
    return text if len(text) <= LONGEST or column.name == REASON else f"a text of {len(text):,} characters"


class TrackedAdmin(HouseAdmin):
    """A page whose rows have a history, which outlives them."""

    change_list_template = "admin/tracked_change_list.html"

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_removed"
        return [path("removed/", self.admin_site.admin_view(self.removed_view), name=name), *super().get_urls()]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """All that was recorded of a row, also when it is gone."""
        numbers = numbers_of_rows([object_id])
        events = events_model(self.model)._default_manager.filter(pgh_obj__in=numbers)
        told = changes(events, SHOWN_ALONE)
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.model._default_manager.filter(pk__in=numbers).first()
        if row is None and not told:
            raise Http404
        name = str(row) if row else name_of(events.latest("pgh_id"))
        title = f"History of {name}{'' if row else ', which was removed'}"
        return self._page(request, title, Table("What was changed", HEADINGS, told, EMPTY), row)

    def removed_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        gone = events_model(self.model)._default_manager.filter(pgh_label="delete")
        events = list(gone.select_related("pgh_context").order_by("-pgh_id")[:SHOWN_ALONE])
        people = people_of(events)
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_history"
        rows = [
            (
                format_html('<a href="{}">{}</a>', reverse(page, args=[event.pgh_obj_id]), name_of(event)),
                event.pgh_created_at,
                people.get(actor_of(event), NOT_RECORDED),
            )
            for event in events
        ]
        table = Table("Removed", ("What", "When (UTC)", "By whom"), rows, empty="Nothing was removed.")
        return self._page(request, f"{capfirst(str(self.opts.verbose_name_plural))} that were removed", table)

    def _page(self, request: HttpRequest, title: str, table: Table, row: Model | None = None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "table": table,
            "original": row,
        }
        return TemplateResponse(request, "admin/tracked_history.html", context)


def name_of(event: Any) -> str:
    """What a row that is gone was called."""
    kept = {column.name for column in _columns(event)}
    said = next((str(getattr(event, name)) for name in NAMES if name in kept), "")
    words = " ".join(said.split())
    kind = event.pgh_tracked_model._meta.verbose_name
    return f"{kind} {words[:LONGEST]}" if words else f"{kind} {event.pgh_obj_id}"
