"""The admin's page of background work: how every kind of it stands, and trying again all that failed of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.timesince import timesince

from accounts.admin.marks import link_to, short
from accounts.admin.pages import Table
from accounts.models import User
from accounts.models.work import Work, kinds_of_work
from accounts.services.work import COUNTED, Standing, retry_failed, standing_of
from accounts.tasks import hint, sweep


@dataclass(frozen=True)
class Section:
    """One kind of work on the page."""

    label: str
    title: str
    standing: Standing
    waiting: str
    running: str
    failed: str
    since: str
    address: str
    """Of its list, if it has a page in the admin."""
    failures: Table
    stuck: Table
    may_retry: bool


def seen_by(user: Any) -> list[type[Work]]:
    return [kind for kind in kinds_of_work() if user.has_perm(_permission("view", kind))]


def _permission(verb: str, kind: type[Work]) -> str:
    return f"{kind._meta.app_label}.{verb}_{kind._meta.model_name}"


def number(counted: int) -> str:
    return f"{counted:,}" if counted <= COUNTED else f"more than {COUNTED:,}"


def section(kind: type[Work], user: Any) -> Section:
    standing = standing_of(kind)
    page = f"{kind._meta.app_label}_{kind._meta.model_name}"
    has_page = admin.site.is_registered(kind)

    def told(rows: Sequence[Work], moment: str) -> list[tuple[object, ...]]:
        return [
            (
                link_to(page, row.pk, row) if has_page else str(row),
                short(row.reason),
                date_format(getattr(row, moment), "j M Y, H:i"),
                row.attempts,
            )
            for row in rows
        ]

    address = reverse(f"admin:{page}_changelist") if has_page else ""
    title = capfirst(str(kind._meta.verbose_name_plural))
    return Section(
        label=kind._meta.label_lower,
        title=title,
        standing=standing,
        waiting=number(standing.waiting),
        running=number(standing.running),
        failed=number(standing.failed),
        since=timesince(standing.due_since, depth=1) if standing.due_since else "",
        address=address,
        failures=Table(
            f"{title}: the newest that failed",
            ("What", "Why", "When (UTC)", "Attempts"),
            told(standing.newest_failures, "finished_at"),
            all_of_them=f"{address}?state__exact=failed" if address else "",
        ),
        stuck=Table(
            f"{title}: tried again and again",
            ("What", "Why", "Next try (UTC)", "Attempts"),
            told(standing.stuck, "due_at"),
            all_of_them=f"{address}?state__exact=waiting" if address else "",
        ),
        may_retry=bool(standing.failed) and user.has_perm(_permission("change", kind)),
    )


def work_page(site: admin.AdminSite, request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    kinds = seen_by(user)
    if not kinds:
        raise PermissionDenied
    if request.method == "POST":
        _retry_all(request, user, kinds)
        return HttpResponseRedirect(reverse("admin:work"))
    sections = [section(kind, user) for kind in kinds]
    context = {**site.each_context(request), "title": "Work", "sections": sections}
    return TemplateResponse(request, "admin/work.html", context)


@transaction.atomic
def _retry_all(request: HttpRequest, user: User, kinds: list[type[Work]]) -> None:
    kind = next((kind for kind in kinds if kind._meta.label_lower == request.POST.get("kind")), None)
    if kind is None:
        raise Http404
    if not user.has_perm(_permission("change", kind)):
        raise PermissionDenied
    retried = retry_failed(kind, by=user)
    names = kind._meta.verbose_name if retried == 1 else kind._meta.verbose_name_plural
    if not retried:
        messages.warning(request, f"No {names} had failed any more.")
        return
    LogEntry.objects.create(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(kind),
        object_repr=f"{retried:,} {names} that had failed",
        action_flag=CHANGE,
        change_message="Put back to the queue.",
    )
    messages.success(request, format_html("{} {} went back to the queue.", f"{retried:,}", names))
    hint(sweep)
