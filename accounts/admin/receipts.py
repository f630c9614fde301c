"""Receipts as work: which are still to be made, and why one could not be. The documents stand with their signatures."""

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.admin.lists import period
from accounts.admin.work import WorkAdmin
from accounts.models import Receipt


@admin.register(Receipt)
class ReceiptAdmin(WorkAdmin):
    list_display = ["created_at", "signature", "how_far", "attempts", "deaths", "due_at", "finished_at", "why"]
    list_select_related = ["signature__version__agreement"]
    left_out = [f"signature__version__{name}" for name in ("text", "summary", "changes", "statements")]
    list_filter = ["state", period("created_at", "made")]
    search_fields = ["signature__email"]
    search_help_text = "Beginnings of words of the person's name, address or institution"
    consequence = "The document is made anew from the signature, and mailed unless it was mailed before."
    fields = ["signature", *WorkAdmin.fields]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(Q(signature__user__in=self.people(request, term)))
