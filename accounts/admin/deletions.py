"""Accounts that are being deleted: how far it is, and why one could not be."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.lists import period
from accounts.admin.work import WorkAdmin
from accounts.models import Deletion, Forgetting


@admin.register(Deletion)
class DeletionAdmin(WorkAdmin):
    list_display = ["created_at", "user", "how_far", "attempts", "deaths", "due_at", "finished_at", "why"]
    list_select_related = ["user"]
    list_filter = ["state", period("created_at", "asked for")]
    search_fields = ["user__email"]
    search_help_text = "Beginnings of words of the person's name, address or institution, until it is done"
    consequence = "The account is forgotten as soon as the farewell has left and the note outside is written."
    fields = ["user", "by", "written_at", *WorkAdmin.fields, "forgotten"]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(user__in=self.people(request, term))

    @admin.display(description="forgotten in evidence")
    def forgotten(self, row: Deletion) -> str:
        """As the functions of the database wrote it down: of an account that is open, it would be a wiping."""
        noted = Forgetting.objects.filter(person=row.user_id).order_by("pk")
        return "; ".join(f"{note.function}: {note.rows:,} on {note.at:%Y-%m-%d %H:%M} UTC" for note in noted) or "–"
