"""The public catalogue: datasets, a dataset, a release, an archive."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from datasets.models import Archive, Dataset, Release
from datasets.services.access import standing_of
from datasets.views.contents import ArchiveContents, Catalogue, DatasetContents, ReleaseContents
from datasets.views.kept import kept_for_visitors
from datasets.views.panels import download_panel

VOLUMES_A_PAGE = 50


@require_safe
@transaction.non_atomic_requests
@kept_for_visitors
def dataset_list(request: HttpRequest) -> HttpResponse:
    return render(request, "datasets/dataset_list.html", {"catalogue": Catalogue()})


@require_safe
@transaction.non_atomic_requests
@kept_for_visitors
def dataset_page(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset.objects.listed(), slug=slug)
    context = {
        "dataset": dataset,
        "contents": DatasetContents(dataset),
        "standing": standing_of(request.user, dataset),
    }
    return render(request, "datasets/dataset.html", context)


@require_safe
@transaction.non_atomic_requests
@kept_for_visitors
def release_page(request: HttpRequest, slug: str, version: str) -> HttpResponse:
    visible = Release.objects.visible().select_related("dataset")
    release = get_object_or_404(visible, dataset__slug=slug, version=version)
    context: dict[str, Any] = {"dataset": release.dataset, "release": release, "contents": ReleaseContents(release)}
    if not release.is_withdrawn:
        standing = standing_of(request.user, release.dataset)
        context["standing"] = standing
        context["panel"] = download_panel(request.user, standing.grant, release, request.GET.getlist("archive"))
    return render(request, "datasets/release.html", context)


@require_safe
@transaction.non_atomic_requests
@kept_for_visitors
def archive_page(request: HttpRequest, slug: str, version: str, name: str) -> HttpResponse:
    archives = Archive.objects.filter(release__in=Release.objects.visible()).select_related("release__dataset")
    archive = get_object_or_404(archives, release__dataset__slug=slug, release__version=version, name=name)
    context = {
        "dataset": archive.release.dataset,
        "release": archive.release,
        "archive": archive,
        "contents": ArchiveContents(archive),
        "page": volume_page(archive, request.GET.get("page", "1")),
    }
    return render(request, "datasets/archive.html", context)


def volume_page(archive: Archive, number: str) -> Page:
    """The page that was asked for; what is no number is the first one, what lies past the end the last."""
    return Paginator(archive.volumes.order_by("path"), VOLUMES_A_PAGE).get_page(number)
