"""The first page of the admin: what waits for a person. Each query is bounded and reads an index."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timesince import timesince

from accounts.admin.marks import country, link_to, short
from accounts.admin.pages import Table
from accounts.models import OutgoingMail
from accounts.models.work import Work
from accounts.services.work import LATE
from datasets.models import AccessGrant, AccessRequest, Dataset, Drift
from datasets.services.access import hints_for
from portal.work import seen_by

register = template.Library()

# Rows of a table; its heading's number goes on, up to the second.
LISTED, COUNTED = 10, 1_000
SOON = timedelta(days=30)


@dataclass(frozen=True)
class Figure:
    number: str
    says: str
    address: str
    is_bad: bool = False


@register.inclusion_tag("admin/waiting.html")
def waiting(user: Any) -> dict[str, Any]:
    """Figures and tables that this maintainer may see."""
    parts: list[tuple[list[Figure], list[Table]]] = []
    if user.has_perm("datasets.view_accessrequest"):
        parts.append(_requests())
    if user.has_perm("datasets.view_accessgrant"):
        parts.append(grants())
    if user.has_perm("accounts.view_outgoingmail"):
        parts.append(_mails())
    if user.has_perm("datasets.view_drift"):
        parts.append((_drifts(), []))
    kinds = seen_by(user)
    parts.append(([figure for kind in kinds if kind is not OutgoingMail for figure in _bad_work(kind)], []))
    figures = [figure for part, _tables in parts for figure in part]
    return {
        "all_work": reverse("admin:work") if kinds else "",
        "figures": figures,
        "tables": [table for _figures, part in parts for table in part],
    }


def _requests() -> tuple[list[Figure], list[Table]]:
    pending = AccessRequest.objects.pending().order_by("created_at")
    oldest = list(pending.select_related("user", "dataset").defer("dataset__description")[:LISTED])
    address = f"{reverse('admin:datasets_accessrequest_changelist')}?status__exact=pending"
    waits = f"; the oldest for {_since(oldest[0].created_at)}" if oldest else ""
    hints = hints_for(oldest)
    rows = [
        (
            link_to("datasets_accessrequest", row.pk, row.user.get_full_name()),
            f"{row.user.institution or 'not recorded'}, {country(row.user.country)}",
            row.dataset.name,
            _since(row.created_at),
            "; ".join(hints[row.pk].lines),
            link_to("datasets_accessrequest", row.pk, "Review"),
        )
        for row in oldest
    ]
    headings = ("Who", "Institution", "Dataset", "Waits", "Hints", "")
    table = Table("Waiting for you", headings, rows, empty="No request waits.", all_of_them=address if oldest else "")
    return [_figure(pending, f"request waits{waits}", f"requests wait{waits}", address)], [table]


def grants(dataset: Dataset | None = None) -> tuple[list[Figure], list[Table]]:
    """What runs and what ends soon: of all datasets, or of one."""
    now = timezone.now()
    running = AccessGrant.objects.current(now)
    if dataset is not None:
        running = running.filter(dataset=dataset)
    ending = running.filter(ends_at__lte=now + SOON).order_by("ends_at")
    which = f"&dataset__id__exact={dataset.pk}" if dataset else ""
    address = reverse("admin:datasets_accessgrant_changelist")
    rows = [
        (
            link_to("datasets_accessgrant", row.pk, row.user.get_full_name()),
            row.user.institution or "not recorded",
            row.dataset.name,
            date_format(row.ends_at, "j M Y"),
        )
        for row in ending.select_related("user", "dataset").defer("dataset__description")[:LISTED]
    ]
    figures = [
        _figure(running, "grant of access runs", "grants of access run", f"{address}?standing=runs{which}"),
        _figure(ending, "ends within 30 days", "end within 30 days", f"{address}?standing=soon{which}"),
    ]
    soon = f"{address}?standing=soon{which}" if rows else ""
    headings = ("Who", "Institution", "Dataset", "Until")
    return figures, [Table("Access that ends soon", headings, rows, "None within 30 days.", soon)]


def _mails() -> tuple[list[Figure], list[Table]]:
    address = reverse("admin:accounts_outgoingmail_changelist")
    failed = OutgoingMail.objects.failed()
    late = OutgoingMail.objects.due(timezone.now() - LATE)
    rows = [
        (link_to("accounts_outgoingmail", row.pk, row.template), row.to, row.created_at, short(row.reason))
        for row in failed.order_by("-id")[:LISTED]
    ]
    figures = [_figure(failed, "mail failed", "mails failed", f"{address}?state__exact=failed", is_bad=bool(rows))]
    if late.exists():
        by = "late by more than 10 minutes"
        waiting_ones = f"{address}?state__exact=waiting"
        figures.append(_figure(late, f"mail is {by}", f"mails are {by}", waiting_ones, is_bad=True))
    failed_ones = f"{address}?state__exact=failed"
    table = Table("Mails that failed", ("Mail", "To", "Made (UTC)", "Why"), rows, all_of_them=failed_ones)
    return figures, [table] if rows else []


def _drifts() -> list[Figure]:
    """A line for archives that are not as they were published; nothing while all are."""
    lasting = Drift.objects.lasting()
    address = f"{reverse('admin:datasets_drift_changelist')}?standing=lasts"
    says = "archive is not as it was published", "archives are not as they were published"
    return [_figure(lasting, *says, address, is_bad=True)] if lasting.exists() else []


def _bad_work(kind: type[Work]) -> list[Figure]:
    """A line for work that failed or is late; nothing while all goes well. Mails have lines of their own."""
    one, many = kind._meta.verbose_name, kind._meta.verbose_name_plural
    failed, late = kind.objects.failed(), kind.objects.late(LATE)
    figures = [(failed, f"{one} failed", f"{many} failed")]
    figures.append((late, f"{one} is late by more than 10 minutes", f"{many} are late by more than 10 minutes"))
    return [
        _figure(rows, says, they_say, reverse("admin:work"), is_bad=True)
        for rows, says, they_say in figures
        if rows.exists()
    ]


def _figure(queryset: QuerySet, one: str, many: str, address: str, is_bad: bool = False) -> Figure:
    seen = queryset[: COUNTED + 1].count()
    number = f"{seen:,}" if seen <= COUNTED else format_html("{}<small>+</small>", f"{COUNTED:,}")
    return Figure(number, one if seen == 1 else many, address, is_bad)


def _since(moment: datetime) -> str:
    return timesince(moment, depth=1)
