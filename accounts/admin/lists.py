"""Lists that cost the same at a hundred rows and at five million: bounded counts, indexed searches and filters."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import build_q_object_from_lookup_parameters
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Page, Paginator
from django.db.models import F, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import capfirst

# A list is counted, and can be paged through, up to here; beyond, it says "more than".
COUNTED = 10_000


class BoundedPaginator(Paginator):
    """Never counts further than COUNTED rows, because PostgreSQL counts by reading every one of them."""

    # All rows that may be listed, with what a list shows of each; those of a page are read from these by their numbers.
    whole: QuerySet | None = None
    # Whether a search that finds very many is read from the newest row backwards, where it soon fills a page.
    walks = False

    @cached_property
    def _seen(self) -> int:
        rows = cast(QuerySet, self.object_list)
        if not all(isinstance(column, str) for column in rows.query.order_by):
            # A search: all that it finds would be sorted before the first ones are counted. A plain order stays, for
            # it is that of an index.
            rows = rows.order_by()
        return rows[: COUNTED + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self._seen, COUNTED)

    def page(self, number: int | str) -> Page:
        """Looks up the page's numbers first, so that what belongs to a row is not read for the rows passed over."""
        rows = cast(QuerySet, self.object_list)
        if self.walks and self.has_more:
            self.object_list = rows.order_by("-pk")
        page = super().page(number)
        numbers = list(cast(QuerySet, page.object_list).values_list("pk", flat=True))
        # Without what the list is narrowed by, which PostgreSQL might else look through again to find these few.
        whole = rows if self.whole is None else self.whole.order_by(*rows.query.order_by)
        page.object_list = whole.filter(pk__in=numbers)
        return page

    @property
    def has_more(self) -> bool:
        return self._seen > COUNTED

    @property
    def count_in_words(self) -> str:
        return f"more than {COUNTED:,}" if self.has_more else f"{self.count:,}"


class HouseChangeList(ChangeList):
    """A list is named by what it holds, and can be sorted by the columns that offer it and by no others."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        # PostgreSQL's text has no such character; the search form refuses it by itself.
        sent = {name: values for name, values in request.GET.lists() if name != SEARCH_VAR}
        if any("\0" in text for name, values in sent.items() for text in (name, *values)):
            raise IncorrectLookupParameters
        super().__init__(request, *args, **kwargs)
        if not self.is_popup:
            self.title = capfirst(str(self.opts.verbose_name_plural))

    def get_ordering(self, request: HttpRequest, queryset: QuerySet) -> list[Any]:
        wanted = str(self.params.get(ORDER_VAR, ""))
        if not all(self._is_sortable(column) for column in wanted.split(".") if column):
            del self.params[ORDER_VAR]
        if self.query and getattr(self.model_admin, "finds_by_index", False):
            return [(F("pk") + 0).desc()]
        return super().get_ordering(request, queryset)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = cast(Any, self.model_admin).with_marks(self.result_list)

    def _is_sortable(self, column: str) -> bool:
        """Whether `-3`, a column as the address names it, has a heading that sorts."""
        number = column.removeprefix("-")
        if not number.isdecimal() or int(number) >= len(self.list_display):
            return False
        return self.sortable_by is None or self.list_display[int(number)] in self.sortable_by


class NearFilter(admin.RelatedFieldListFilter):
    """Narrows a long list by a row of a small table, some steps away: downloads by dataset.

    The rows one step away are looked up first and named by number, so that PostgreSQL's statistics say how many rows
    of the list they have. Through joins it takes all of them for equally frequent, and would read the whole list
    backwards in the hope of finding, soon, fifty rows of a dataset that nobody has downloaded yet."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.used_parameters:
            return queryset
        step = self.field_path.split("__")[0]
        near = queryset.model._meta.get_field(step).related_model
        narrowed: dict[str, Any] = {
            name.removeprefix(f"{step}__"): value for name, value in self.used_parameters.items()
        }
        try:
            found = near._base_manager.filter(build_q_object_from_lookup_parameters(narrowed))
            return queryset.filter(**{f"{step}__in": list(found.values_list("pk", flat=True))})
        except (ValueError, ValidationError) as error:
            raise IncorrectLookupParameters(error) from error


class OneFieldFilter(admin.ListFilter):
    """A filter that is a small form of its own: it sends what else the list is narrowed by along with it."""

    parameters: tuple[str, ...] = ()

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[Model], model_admin: admin.ModelAdmin
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.parameters:
            value = params.pop(name, [""])[-1]
            if value:
                self.used_parameters[name] = value

    def expected_parameters(self) -> list[str | None]:
        return list(self.parameters)

    def has_output(self) -> bool:
        return True

    def others(self, changelist: ChangeList) -> list[tuple[str, str]]:
        own = {*self.parameters, PAGE_VAR}
        return [
            (name, value)
            for name, values in changelist.filter_params.items()
            if name not in own
            for value in (values if isinstance(values, list) else [values])
        ]


class PeriodFilter(OneFieldFilter):
    """From a day until a day, both included, on an indexed column."""

    template = "admin/period_filter.html"
    field = ""

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[Model], model_admin: admin.ModelAdmin
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.unreadable = not all(self._day(name) for name in self.used_parameters)
        if self.unreadable:
            messages.error(request, "Write a day as 2026-11-22. Nothing is listed until then.")

    def _day(self, name: str) -> date | None:
        try:
            return date.fromisoformat(str(self.used_parameters.get(name, "")))
        except ValueError:
            return None

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.unreadable:
            return queryset.none()
        first, last = (self._day(name) for name in self.parameters)
        if first:
            queryset = queryset.filter(**{f"{self.field}__gte": _midnight(first)})
        if last and last < date.max:
            queryset = queryset.filter(**{f"{self.field}__lt": _midnight(last + timedelta(days=1))})
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        today = timezone.now().date()
        first, last = self.parameters
        values = {name: str(self.used_parameters.get(name, "")) for name in self.parameters}
        for display, day in (
            ("Any day", None),
            ("Today", today),
            ("Past 7 days", today - timedelta(days=6)),
            ("Past 30 days", today - timedelta(days=29)),
        ):
            since = day.isoformat() if day else ""
            yield {
                "selected": values == {first: since, last: ""},
                "query_string": changelist.get_query_string({first: since} if since else {}, remove=[first, last]),
                "display": display,
            }
        yield {"form": True, "fields": values, "others": self.others(changelist)}


def period(field: str, title: str) -> type[PeriodFilter]:
    own = {"field": field, "title": title, "parameters": (f"{field}_from", f"{field}_until")}
    return type("PeriodFilter", (PeriodFilter,), own)


class SelectFilter(OneFieldFilter):
    """One of many fixed values, chosen from a menu: `parameters` names the column, `values` what there may be."""

    template = "admin/select_filter.html"

    def values(self) -> list[tuple[str, str]]:
        raise NotImplementedError

    def has_output(self) -> bool:
        return len(self.values()) > 1

    @property
    def value(self) -> str:
        return str(self.used_parameters.get(self.parameters[0], ""))

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(**{self.parameters[0]: self.value}) if self.value else queryset

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        yield {
            "name": self.parameters[0],
            "value": self.value,
            "values": self.values(),
            "others": self.others(changelist),
        }


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
