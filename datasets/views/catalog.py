"""The public catalogue: datasets, a dataset, a release, an archive.

What everybody sees of a page is rendered once and kept in this process for up to a minute, under the edition of the
catalogue, so that a change shows at once. What belongs to one person is never kept.
"""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from datasets.models import Archive, Dataset, Release
from datasets.services.access import standing_of
from datasets.views import contents
from datasets.views.panels import download_panel

VOLUMES_A_PAGE = 50
# pghistory writes an event for every change, whoever makes it; archives are told apart by the newest row.
EDITION = """
    SELECT (SELECT max(pgh_id) FROM datasets_datasetevent), (SELECT max(pgh_id) FROM datasets_releaseevent),
        (SELECT max(pgh_id) FROM accounts_agreementversionevent), (SELECT max(id) FROM datasets_archive)
"""


def edition() -> str:
    """A word that is another one after every change of the catalogue."""
    with connection.cursor() as cursor:
        cursor.execute(EDITION)
        return "-".join(str(number or 0) for number in cursor.fetchone())


@require_safe
@transaction.non_atomic_requests
def dataset_list(request: HttpRequest) -> HttpResponse:
    return render(request, "datasets/dataset_list.html", {"edition": edition(), "catalogue": contents.Catalogue()})


@require_safe
@transaction.non_atomic_requests
def dataset_page(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset.objects.listed(), slug=slug)
    context = {
        "edition": edition(),
        "dataset": dataset,
        "contents": contents.DatasetContents(dataset),
        "standing": standing_of(request.user, dataset),
    }
    return render(request, "datasets/dataset.html", context)


@require_safe
@transaction.non_atomic_requests
def release_page(request: HttpRequest, slug: str, version: str) -> HttpResponse:
    visible = Release.objects.visible().select_related("dataset")
    release = get_object_or_404(visible, dataset__slug=slug, version=version)
    context: dict[str, Any] = {
        "edition": edition(),
        "dataset": release.dataset,
        "release": release,
        "contents": contents.ReleaseContents(release),
    }
    if not release.is_withdrawn:
        standing = standing_of(request.user, release.dataset)
        context["standing"] = standing
        context["panel"] = download_panel(request.user, standing.grant, release, request.GET.getlist("archive"))
    return render(request, "datasets/release.html", context)


@require_safe
@transaction.non_atomic_requests
def archive_page(request: HttpRequest, slug: str, version: str, name: str) -> HttpResponse:
    archives = Archive.objects.filter(release__in=Release.objects.visible()).select_related("release__dataset")
    archive = get_object_or_404(archives, release__dataset__slug=slug, release__version=version, name=name)
    context = {
        "edition": edition(),
        "dataset": archive.release.dataset,
        "release": archive.release,
        "archive": archive,
        "contents": contents.ArchiveContents(archive),
        "page": volume_page(archive, request.GET.get("page", "1")),
    }
    return render(request, "datasets/archive.html", context)


def volume_page(archive: Archive, number: str) -> Page:
    """The page that was asked for; what is no number is the first one, what lies past the end the last."""
    return Paginator(archive.volumes.order_by("path"), VOLUMES_A_PAGE).get_page(number)
