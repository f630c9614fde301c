"""Background work of every kind: what waits, what failed and why, and trying it again."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.decisions import DecidingAdmin, Decision
from accounts.admin.marks import short, state
from accounts.admin.pages import ReadOnlyAdmin
from accounts.models.work import Work
from accounts.services.work import retry_work
from accounts.tasks import hint, sweep

CONSEQUENCE = "It goes back to the queue and is done anew, from what is true then."


def retry_of(kind: type[Work], consequence: str = CONSEQUENCE) -> Decision:
    """Trying again what failed, by those who may change this kind."""
    return Decision(
        name="retry",
        title="Try again",
        consequence=consequence,
        service=retry_work,
        done="{row} waits to be done.",
        permission=f"{kind._meta.app_label}.change_{kind._meta.model_name}",
        is_open=lambda row: row.state == Work.State.FAILED,
    )


class WorkAdmin(ReadOnlyAdmin, DecidingAdmin):
    """The rows of one kind of work. A kind's own page adds what else its rows have."""

    list_display = [
        *("__str__", "created_at", "how_far", "attempts", "deaths", "due_at", "finished_at", "why"),
    ]
    list_filter = ["state"]
    fields = ["how_far", "attempts", "deaths", "created_at", "due_at", "finished_at", "reason"]
    # What trying again means for this kind.
    consequence = CONSEQUENCE

    def __init__(self, model: type[Work], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        self.decisions = [retry_of(model, self.consequence), *self.decisions]

    def describe(self, row: Work) -> list[str]:
        return [str(row), short(row.reason)]

    def _carry_out(self, request: HttpRequest, *args: Any) -> None:
        super()._carry_out(request, *args)
        hint(sweep)

    @admin.display(description="state")
    def how_far(self, row: Work) -> SafeString:
        return state(row.state)

    @admin.display(description="reason")
    def why(self, row: Work) -> str:
        return short(row.reason)
