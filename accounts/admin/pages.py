"""What every page of the admin shares: what may be asked of a list, what stands below a row, who changed it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

import pghistory
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import DateTimeField, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.lists import BoundedPaginator, HouseChangeList
from accounts.admin.widgets import ChooseOne, ChooseSome, DateTimeInput, numbers_of_rows
from accounts.models import User

# A search by a person's words looks at the rows of so many people at most.
PEOPLE = 500


@dataclass(frozen=True)
class Table:
    """Rows that belong to the one shown, below its form."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    empty: str = "None."
    all_of_them: str = ""
    """The address of their list."""


MakesTable = Callable[[Any], Table]
_below: dict[type[Model], list[tuple[str, MakesTable]]] = {}


def shown_below(model: type[Model], *, permission: str) -> Callable[[MakesTable], MakesTable]:
    """Register a table for the pages of a model's rows, which a package further up may do too."""

    def register(make: MakesTable) -> MakesTable:
        _below.setdefault(model, []).append((permission, make))
        return make

    return register


class HouseAdmin(admin.ModelAdmin):
    """A page a model, whose number of queries does not depend on the number of rows."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    # Newest first. A list that may be long is sorted by nothing else.
    ordering: ClassVar = ["-id"]
    sortable_by: ClassVar[list[str] | tuple[str, ...]] = ()
    # The browser's own field: one label, no script.
    formfield_overrides: ClassVar = {DateTimeField: {"form_class": forms.DateTimeField, "widget": DateTimeInput}}
    change_form_template = "admin/house_change_form.html"
    # Long texts of related rows, which a list does not show.
    left_out: Sequence[str] = ()
    # Lookups that links from other pages use, besides those of the filters.
    linked_by: Sequence[str] = ()
    # The way from this model to the person whom a row concerns, for the search by words.
    person = ""
    # Whether a search reads an index of its own and sorts what it finds; see UserQuerySet.newest_first.
    finds_by_index = False
    # Whether a search that finds very many is read backwards from the newest row: where no list is long beyond reason.
    walks = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[HouseChangeList]:
        return HouseChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """The change page and the autocomplete name the same related rows as the list."""
        queryset = super().get_queryset(request).defer(*self.left_out)
        related = self.list_select_related
        return queryset.select_related(*related) if isinstance(related, tuple | list) and related else queryset

    def get_paginator(self, request: HttpRequest, queryset: QuerySet, *args: Any, **kwargs: Any) -> BoundedPaginator:
        paginator = BoundedPaginator(queryset, *args, **kwargs)
        # The page of a row's history pages through the log.
        if queryset.model is self.model:
            paginator.whole, paginator.walks = self.get_queryset(request), self.walks
        return paginator

    def with_marks(self, rows: QuerySet) -> Any:
        """The rows of one page of a list, with what it shows of them that no column of theirs says."""
        return rows

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what the pages link to: no guessing of a column's value, no search without an index."""
        return lookup in {*self.linked_by, *self._filter_lookups(request)}

    def _filter_lookups(self, request: HttpRequest | None) -> set[str]:
        known: set[str] = set()
        for entry in self.get_list_filter(request) if request else self.list_filter:
            # A field's name alone, or with the class of its filter.
            entry = entry[0] if isinstance(entry, tuple | list) else entry
            if isinstance(entry, str):
                known |= {entry, f"{entry}__exact", f"{entry}__id__exact"}
            else:
                known |= {*getattr(entry, "parameters", ()), str(getattr(entry, "parameter_name", ""))}
        return known

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if "\0" in term:
            # PostgreSQL's text has no such character.
            return queryset.none(), False
        return (self.find(request, queryset, term) if term else queryset), False

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        """The rows that a search finds; by the person whom they concern, unless a page knows better."""
        return queryset.filter(**{f"{self.person}__in": self.people(request, term)})

    def people(self, request: HttpRequest, term: str) -> list[int]:
        """Numbers of the people whom the words fit: looked up by themselves, and no more than can be joined quickly."""
        found = list(User.objects.matching(term).newest_first().values_list("pk", flat=True)[: PEOPLE + 1])
        if len(found) > PEOPLE:
            text = f"The words fit more than {PEOPLE} people. Listed are rows of those who registered last; write more."
            self.message_user(request, text, messages.WARNING)
        return found[:PEOPLE]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django would look up whatever a form says was chosen."""
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if numbers := numbers_of_rows(chosen):
            sent = request.POST.copy()
            sent.setlist(ACTION_CHECKBOX_NAME, numbers)
            request.POST = sent  # type: ignore[assignment]
        elif chosen:
            self.message_user(request, "Nothing was chosen.", messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        with self.in_the_name_of(request):
            return super().changelist_view(request, extra_context)

    def action_checkbox(self, obj: Any) -> SafeString:
        """As Django's, without the two templates that it renders for each row: a third of what a row takes."""
        box = '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">'
        return format_html(box, ACTION_CHECKBOX_NAME, obj.pk, f"Select this object for an action - {obj}")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(db_field, DateTimeField):
            field.help_text = f"{field.help_text} In UTC.".strip()
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = ChooseOne(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = ChooseSome(db_field, self.admin_site)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            # The row's own name, rather than "Change user".
            context |= {"title": str(obj), "subtitle": None}
            permitted = [make for permission, make in _below.get(self.model, []) if request.user.has_perm(permission)]
            context["tables"] = [make(obj) for make in permitted]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        with self.in_the_name_of(request):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        with self.in_the_name_of(request):
            return super().delete_view(request, object_id, extra_context)

    @staticmethod
    def in_the_name_of(request: HttpRequest) -> AbstractContextManager[object]:
        """What is changed within it is written into the history with the name of who did it."""
        return pghistory.context(user=request.user.pk)


class ReadOnlyAdmin(HouseAdmin):
    """Evidence, and what only services write: nobody adds, changes or deletes it here."""

    finds_by_index = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
