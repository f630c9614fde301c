"""Requests for access: the queue, how long each waits, what a reviewer would look up, and deciding about many."""

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from accounts.admin.decisions import Decision, ReasonForm
from accounts.admin.history import history
from accounts.admin.lists import period
from accounts.admin.marks import country, link_to, sentences, short, state
from accounts.admin.pages import Table, shown_below
from accounts.models import User
from datasets.admin.access import REFUSALS, PersonsAdmin
from datasets.models import AccessRequest
from datasets.services.access import (
    LONG,
    Hints,
    approve_request,
    decline_request,
    has_waited_long,
    hints_for,
    of_the_same_domain,
    of_the_same_name,
)

PENDING = AccessRequest.Status.PENDING
ALL = "all"
# Of people who are like the one who asks, so many are named.
NAMED = 10


class NoteForm(forms.Form):
    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "class": "input"}),
        help_text="If there is one. It stays with each request, for other reviewers and in the person's own data; the "
        "mail does not say it.",
    )


APPROVE = Decision(
    name="approve",
    title="Approve",
    consequence="Access opens at once for as long as the dataset says, and the person is mailed the link.",
    service=approve_request,
    form=NoteForm,
    done="{row}: approved.",
    permission="datasets.change_accessrequest",
    is_open=lambda request: request.status == AccessRequest.Status.PENDING,
    refusals=REFUSALS,
)
DECLINE = Decision(
    name="decline",
    title="Decline",
    consequence="The person is mailed the reason, and may ask again.",
    service=decline_request,
    done="{row}: declined.",
    permission="datasets.change_accessrequest",
    is_open=lambda request: request.status == AccessRequest.Status.PENDING,
    form=ReasonForm,
    refusals=REFUSALS,
    is_grave=True,
)


def shown_status(request: HttpRequest) -> str:
    """Which requests a list shows: what waits, unless the address asks for others, for a person or for words."""
    asked = request.GET.get(QueueFilter.parameter_name, "")
    if asked in AccessRequest.Status.values or asked == ALL:
        return asked
    is_about_somebody = request.GET.get(SEARCH_VAR) or "user__id__exact" in request.GET
    return ALL if is_about_somebody else PENDING


class QueueFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        self.shown = shown_status(request)
        return [*((str(value), str(label).capitalize()) for value, label in AccessRequest.Status.choices), (ALL, "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        # What was ticked is decided about, and told of, whatever became of it meanwhile.
        if self.shown == ALL or (request.method == "POST" and request.POST.get("select_across") != "1"):
            return queryset
        return queryset.filter(status=self.shown)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for value, label in self.lookup_choices:
            yield {
                "selected": self.shown == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }


def with_hints(rows: Any) -> list[Any]:
    """Looked up for all of them together."""
    requests: list[Any] = list(rows)
    hints = hints_for(requests)
    for row in requests:
        row.hints = hints[row.pk]
    return requests


@admin.register(AccessRequest)
class AccessRequestAdmin(PersonsAdmin):
    list_display = ["__str__", "waited", "name", "institution", "hints", "how_far", "decided_by", "why"]
    list_select_related = ["user", "dataset", "decided_by", "signature__version__agreement"]
    left_out = [*PersonsAdmin.left_out, *(f"signature__version__{name}" for name in ("text", "summary", "changes"))]
    list_filter = [QueueFilter, "dataset", period("created_at", "asked")]
    decisions = [APPROVE, DECLINE]
    decided_headings = ("Person", "Name", "Institution", "Dataset", "Waited", "Hints", "Purpose")
    fieldsets = [
        (None, {"fields": ["dataset", "purpose", "signature", "created_at", "waited"]}),
        ("Person", {"fields": ["user", "name", "institution", "country_of", "position", "hints"]}),
        ("Decision", {"fields": ["how_far", "decided_at", "decided_by", "reason"]}),
    ]

    def with_marks(self, rows: QuerySet) -> list[Any]:
        return with_hints(rows)

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """Who waits longest is first in the queue."""
        return ["id"] if shown_status(request) == PENDING else ["-id"]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """What waits has no decision to show yet."""
        decided = ("how_far", "decided_by", "why")
        return [name for name in self.list_display if shown_status(request) != PENDING or name not in decided]

    def describe_all(self, rows: Sequence[AccessRequest]) -> list[Sequence[object]]:
        return [self._described(row) for row in with_hints(rows)]

    def _described(self, row: AccessRequest) -> Sequence[object]:
        """The whole purpose: it is what is decided about. What is decided already says so, and is left alone."""
        waited = self.waited(row) if row.status == PENDING else format_html("{} already", row.status)
        purpose = sentences(row.purpose.splitlines())
        return [*self.describe(row), waited, self.hints(row), purpose]

    @admin.display(description="state")
    def how_far(self, row: AccessRequest) -> SafeString:
        return state(row.status)

    @admin.display(description="waited")
    def waited(self, row: AccessRequest) -> str:
        told = timesince(row.created_at, row.decided_at, depth=1)
        if not has_waited_long(row):
            return told
        return format_html("{}<br><b>over {} days</b>", told, LONG.days)

    @admin.display(description="hints")
    def hints(self, row: AccessRequest) -> SafeString:
        known: Hints | None = getattr(row, "hints", None)
        return sentences((known or hints_for([row])[row.pk]).lines)

    @admin.display(description="country")
    def country_of(self, row: AccessRequest) -> str:
        return country(row.user.country)

    @admin.display(description="position")
    def position(self, row: AccessRequest) -> str:
        return row.user.get_position_display()

    @admin.display(description="reason")
    def why(self, row: AccessRequest) -> str:
        return short(row.reason)


shown_below(AccessRequest, permission="datasets.view_accessrequest")(history)


@shown_below(AccessRequest, permission="datasets.view_accessrequest")
def other_requests(request: Any) -> Table:
    """What the same person asked for before, which a reviewer wants to know."""
    rows = request.user.access_requests.exclude(pk=request.pk).select_related("dataset").order_by("-id")[:20]
    told = [
        (link_to("datasets_accessrequest", row.pk, row.dataset.name), state(row.status), row.created_at, row.reason)
        for row in rows
    ]
    return Table("Other requests of this person", ("Dataset", "State", "Asked (UTC)", "Reason"), told)


@shown_below(AccessRequest, permission="accounts.view_user")
def people_alike(request: Any) -> Table:
    """Who else has this name, which may be the same person, and who of this domain has access, who may be asked."""
    named, near = of_the_same_name(request.user), of_the_same_domain(request.user)
    found = [
        *((person, "has the same name") for person in named.order_by("-pk")[:NAMED]),
        *((person, "has the same domain") for person in near.order_by("-pk")[:NAMED]),
    ]
    told = [
        (link_to("accounts_user", person.pk, person), person.name, person.institution, why, access(person))
        for person, why in found
    ]
    return Table("People alike", ("Person", "Name", "Institution", "Why", "Access"), told)


def access(person: Any) -> str:
    return "has access" if person.has_access else "none"


@shown_below(User, permission="datasets.view_accessrequest")
def requests(user: Any) -> Table:
    rows = user.access_requests.select_related("dataset").defer("dataset__description").order_by("-id")[:20]
    told = [
        (link_to("datasets_accessrequest", row.pk, row.dataset.name), state(row.status), row.created_at, row.reason)
        for row in rows
    ]
    return Table(
        "Requests",
        ("Dataset", "State", "Asked (UTC)", "Reason"),
        told,
        all_of_them=f"{reverse('admin:datasets_accessrequest_changelist')}?user__id__exact={user.pk}",
    )
