"""The outbox: which mail went to whom and when, and why one failed; never what it said."""

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.admin.lists import SelectFilter, period
from accounts.admin.marks import short
from accounts.admin.work import WorkAdmin
from accounts.mail.outbox import RENDERERS
from accounts.models import OutgoingMail


class TemplateFilter(SelectFilter):
    title = "template"
    parameters = ("template",)

    def values(self) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(RENDERERS)]


@admin.register(OutgoingMail)
class OutgoingMailAdmin(WorkAdmin):
    list_display = ["created_at", "template", "to", "how_far", "attempts", "due_at", "finished_at", "why"]
    list_filter = ["state", period("created_at", "made"), TemplateFilter]
    search_fields = ["to"]
    search_help_text = "The beginning of the address, or beginnings of words of the person's name or institution"
    linked_by = ["user__id__exact"]
    consequence = (
        "The mails go back to the queue and are written anew from what is true then. "
        "One that has nothing to say any more is not sent."
    )
    fields = [
        *("template", "to", "user", "how_far", "attempts", "deaths"),
        *("created_at", "due_at", "finished_at", "give_up_at", "reason"),
    ]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(Q(to__startswith=term.lower()) | Q(user__in=self.people(request, term)))

    def describe(self, row: OutgoingMail) -> list[str]:  # type: ignore[override]
        return [row.template, row.to, short(row.reason)]
