"""The admin's dashboard: registrations, access, downloads and work, as plots and tables, and each of them as a file."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts.admin.marks import country
from accounts.services.exports import csv_lines
from accounts.services.work import LATE, standing_of
from datasets.models import Dataset, DownloadShare, Period
from portal.admin import DASHBOARD_SEEN_BY
from portal.statistics import Statistics, held_at
from portal.templatetags.waiting import grants
from portal.work import seen_by

DEFAULT = Period.MONTH
Lines = tuple[Sequence[str], Iterator[Sequence[Any]]]


def dashboard_page(site: admin.AdminSite, request: HttpRequest) -> HttpResponse:
    statistics = chosen(request)
    if statistics is None:
        messages.warning(request, "There is no such period or dataset. Shown are 30 days of all datasets.")
        return HttpResponseRedirect(reverse("admin:dashboard"))
    count = statistics.count
    kinds = seen_by(request.user)
    sees_grants = request.user.has_perm("datasets.view_accessgrant")
    figures, tables = grants(statistics.dataset) if sees_grants else ([], [])
    context = {
        **site.each_context(request),
        "title": "Dashboard",
        "statistics": statistics,
        "periods": [(period, query(period, statistics.dataset)) for period in Period],
        "datasets": [(row, query(statistics.period, row)) for row in (None, *statistics.datasets)],
        "query": query(statistics.period, statistics.dataset),
        "is_late": count.counted_until is None or timezone.now() - count.counted_until > LATE,
        "ending": figures[1] if figures else None,
        "ending_table": tables[0] if tables else None,
        "work": [standing_of(kind) for kind in kinds],
    }
    return TemplateResponse(request, "admin/dashboard.html", context)


def chosen(request: HttpRequest) -> Statistics | None:
    """What the address asks for; None where there is no such thing. Raises PermissionDenied."""
    if not request.user.has_perm(DASHBOARD_SEEN_BY):
        raise PermissionDenied
    datasets = list(Dataset.objects.only("slug", "name").order_by("position", "name"))
    days, slug = request.GET.get("days", str(int(DEFAULT))), request.GET.get("dataset", "")
    period = next((period for period in Period if str(int(period)) == days), None)
    dataset = next((dataset for dataset in datasets if dataset.slug == slug), None)
    return None if period is None or (slug and dataset is None) else Statistics(period, dataset, datasets)


def query(period: Period, dataset: Dataset | None) -> str:
    return urlencode({"days": int(period)} | ({"dataset": dataset.slug} if dataset else {}))


# Files ---------------------------------------------------------------------------------------------------


def dashboard_file(site: admin.AdminSite, request: HttpRequest, name: str) -> StreamingHttpResponse:
    """Plain links lead here, and the log keeps nothing of it: unlike lists of people, these numbers name nobody."""
    statistics = chosen(request)
    if statistics is None or name not in FILES:
        raise Http404
    headings, rows = FILES[name](statistics)
    response = StreamingHttpResponse(csv_lines(headings, rows), content_type="text/csv; charset=utf-8")
    which = f"{statistics.dataset.slug}-" if statistics.dataset else ""
    filename = f"{name}-{which}{statistics.first}-{statistics.last}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    response.headers["Cache-Control"] = "no-store"
    return response


HOLD, REGISTERED = "people who hold access now", "people registered"
COUNTS = ("downloads (distinct person and file)", "requests", "bytes asked for", "requests without bytes recorded")


def counts_of(row: Any) -> tuple[int, ...]:
    return row.downloads, row.requests, row.asked, row.unsized


def downloads_by_day(statistics: Statistics) -> Lines:
    slugs = {dataset.pk: dataset.slug for dataset in statistics.datasets}
    rows = ((row.day, slugs[row.dataset_id], *counts_of(row)) for row in statistics.day_rows)
    return ("day (UTC)", "dataset", *COUNTS), rows


def registrations_by_day(statistics: Statistics) -> Lines:
    rows = ((day, int(number)) for day, (number,) in sorted(statistics.registrations.items()))
    return ("day (UTC)", "registrations"), rows


def by_dataset(statistics: Statistics) -> Lines:
    found = statistics.shares_of_datasets()
    rows = (
        (row.slug, row.name, *counts_of(found.get(row.pk, DownloadShare())), statistics.holders(row))
        for row in statistics.chosen
    )
    return ("dataset", "name", *COUNTS, HOLD), rows


def by_country(statistics: Statistics) -> Lines:
    rows = ((code, country(code), *counts_of(share), *held) for code, share, held in statistics.countries())
    return ("country", "name", *COUNTS, REGISTERED, HOLD), rows


def by_institution(statistics: Statistics) -> Lines:
    held = held_at(statistics.dataset)
    shares = statistics.shares(DownloadShare.Kind.INSTITUTION).iterator()
    rows = ((share.label, *counts_of(share), *held.get(share.label, (0, 0))) for share in shares)
    return ("institution", *COUNTS, REGISTERED, HOLD), rows


FILES: dict[str, Callable[[Statistics], Lines]] = {
    "downloads": downloads_by_day,
    "registrations": registrations_by_day,
    "datasets": by_dataset,
    "countries": by_country,
    "institutions": by_institution,
}
