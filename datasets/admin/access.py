"""Grants of access: read here, decided through services; and what they share with requests."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString

from accounts.admin.decisions import DecidingAdmin, Decision, ReasonForm
from accounts.admin.history import history
from accounts.admin.marks import link_to, short, state
from accounts.admin.pages import ReadOnlyAdmin, Table, shown_below
from accounts.models import User
from datasets.admin.usage import CAP, allowance
from datasets.exceptions import MoveNotAllowed, ProfileIncomplete, SignatureNeeded
from datasets.models import AccessGrant
from datasets.services.access import renew_grant, resend_links, revoke_grant

# A grant that ends within so many days is about to.
SOON = timedelta(days=30)
REFUSALS = (MoveNotAllowed, SignatureNeeded, ProfileIncomplete)

REVOKE = Decision(
    name="revoke",
    title="Revoke",
    consequence="Every link of the grant is refused from its next request on, and the person is mailed the reason. "
    "A download that has begun goes on for an hour at most.",
    service=revoke_grant,
    done="{row}: revoked.",
    permission="datasets.change_accessgrant",
    is_open=lambda grant: grant.status == AccessGrant.Status.ACTIVE,
    form=ReasonForm,
    refusals=REFUSALS,
    is_grave=True,
)
RENEW = Decision(
    name="renew",
    title="Renew",
    consequence="The end moves to a new term from today, as the dataset says, if the agreement is signed. "
    "Links that were mailed live on.",
    service=renew_grant,
    done="{row}: renewed.",
    permission="datasets.change_accessgrant",
    is_open=lambda grant: grant.status == AccessGrant.Status.ACTIVE,
    refusals=REFUSALS,
)


def _resend(grant: AccessGrant, *, by: User) -> None:
    if not resend_links(grant, by=by):
        raise MoveNotAllowed("No mail was queued: no release is published, or its link was mailed a few minutes ago.")


RESEND = Decision(
    name="resend-links",
    title="Mail links again",
    consequence="The person is mailed the link and the commands once more.",
    service=_resend,
    done="{row}: the links are on their way.",
    permission="datasets.change_accessgrant",
    is_open=lambda grant: grant.status == AccessGrant.Status.ACTIVE and not grant.has_ended,
    refusals=REFUSALS,
)


class PersonsAdmin(ReadOnlyAdmin, DecidingAdmin):
    """Rows of a person and a dataset."""

    list_select_related = ["user", "dataset"]
    left_out = ["dataset__description", "dataset__citation"]
    search_fields = ["user"]
    search_help_text = "Beginnings of words of the person's address, name or institution"
    person = "user"
    linked_by = ["user__id__exact"]

    def describe(self, row: Any) -> Sequence[str]:
        return [row.user.email, row.user.name, row.user.institution, row.dataset.name]

    def lock_order(self, row: Any) -> tuple[int, int]:
        """Services lock the person before the row."""
        return row.user_id, row.pk

    @admin.display(description="name")
    def name(self, row: Any) -> str:
        return row.user.name

    @admin.display(description="institution")
    def institution(self, row: Any) -> str:
        return row.user.institution


class StandingFilter(admin.SimpleListFilter):
    """Active is a word and a date; the two make what people mean."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("runs", "Runs"), ("soon", "Ends within 30 days"), ("ended", "Ended"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        now = timezone.now()
        match self.value():
            case "runs":
                return queryset.current(now)  # type: ignore[attr-defined]
            case "soon":
                return queryset.current(now).filter(ends_at__lte=now + SOON)  # type: ignore[attr-defined]
            case "ended":
                return queryset.active().filter(ends_at__lte=now)  # type: ignore[attr-defined]
            case "revoked":
                return queryset.filter(status=AccessGrant.Status.REVOKED)
        return queryset


@admin.register(AccessGrant)
class AccessGrantAdmin(PersonsAdmin):
    list_display = ["__str__", "name", "institution", "how_far", "begins", "ends", "days", "why"]
    list_select_related = ["user", "dataset", "revoked_by", "request__user", "request__dataset"]
    left_out = [*PersonsAdmin.left_out, "request__dataset__description", "request__dataset__citation"]
    list_filter = [StandingFilter, "dataset"]
    linked_by = ["user__id__exact", "dataset__id__exact"]
    decisions = [RENEW, RESEND, CAP, REVOKE]
    fieldsets = [
        (None, {"fields": ["dataset", "how_far", "starts_at", "ends_at", "days", "a_day", "request"]}),
        ("Person", {"fields": ["user", "name", "institution"]}),
        ("Revoked", {"fields": ["revoked_at", "revoked_by", "reason"]}),
    ]

    @admin.display(description="state")
    def how_far(self, row: AccessGrant) -> SafeString:
        return state(standing(row))

    @admin.display(description="from")
    def begins(self, row: AccessGrant) -> str:
        return date_format(row.starts_at, "DATE_FORMAT")

    @admin.display(description="until")
    def ends(self, row: AccessGrant) -> str:
        return date_format(row.ends_at, "DATE_FORMAT")

    @admin.display(description="bytes a day")
    def a_day(self, row: AccessGrant) -> str:
        return allowance(row)

    @admin.display(description="days left")
    def days(self, row: AccessGrant) -> int:
        return 0 if row.status == AccessGrant.Status.REVOKED else row.days_left

    @admin.display(description="reason")
    def why(self, row: AccessGrant) -> str:
        return short(row.reason)


def standing(grant: AccessGrant) -> str:
    """A word for lists; what may be downloaded is decided by datasets.permissions alone."""
    if grant.status == AccessGrant.Status.REVOKED:
        return str(grant.status)
    if grant.has_ended:
        return "ended"
    return "ends soon" if grant.ends_at - timezone.now() <= SOON else str(grant.status)


shown_below(AccessGrant, permission="datasets.view_accessgrant")(history)


@shown_below(User, permission="datasets.view_accessgrant")
def grants(user: Any) -> Table:
    rows = user.access_grants.select_related("dataset").defer("dataset__description").order_by("-id")[:20]
    told = [
        (link_to("datasets_accessgrant", row.pk, row.dataset.name), state(standing(row)), row.starts_at, row.ends_at)
        for row in rows
    ]
    return Table(
        "Access",
        ("Dataset", "State", "From (UTC)", "Until (UTC)"),
        told,
        all_of_them=f"{reverse('admin:datasets_accessgrant_changelist')}?user__id__exact={user.pk}",
    )
