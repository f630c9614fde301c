"""The public catalogue: datasets, a dataset, a release, an archive."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from datasets.models import Archive, Dataset, Release, Volume
from datasets.permissions import may_see_previews
from datasets.services.access import standing_of
from datasets.views.contents import ArchiveContents, Catalogue, DatasetContents, ReleaseContents
from datasets.views.galleries import Gallery, counts_by_acquisition
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
    contents = DatasetContents(dataset)
    context = {
        "dataset": dataset,
        "contents": contents,
        "standing": standing_of(request.user, dataset),
        "gallery": choice_of(contents.current, may_see_previews(request.user, dataset)),
    }
    return render(request, "datasets/dataset.html", context)


@require_safe
@transaction.non_atomic_requests
@kept_for_visitors
def release_page(request: HttpRequest, slug: str, version: str) -> HttpResponse:
    visible = Release.objects.visible().select_related("dataset")
    release = get_object_or_404(visible, dataset__slug=slug, version=version)
    contents = ReleaseContents(release)
    context: dict[str, Any] = {"dataset": release.dataset, "release": release, "contents": contents}
    if not release.is_withdrawn:
        counts = {row.name: row.volumes for row in contents.acquisitions}
        may_see = may_see_previews(request.user, release.dataset)
        volumes = Volume.objects.filter(archive__release=release)
        context["gallery"] = Gallery(release, volumes, counts, may_see, release.get_absolute_url(), request.GET)
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
    release, contents = archive.release, ArchiveContents(archive)
    counts = {row.name: row.volumes for row in contents.acquisitions}
    may_see = may_see_previews(request.user, release.dataset)
    context = {
        "dataset": release.dataset,
        "release": release,
        "archive": archive,
        "contents": contents,
        "gallery": Gallery(release, archive.volumes.all(), counts, may_see, request.path, request.GET),
        "page": page_of_volumes(archive, request.GET.get("page", "1")),
    }
    return render(request, "datasets/archive.html", context)


def page_of_volumes(archive: Archive, number: str) -> Page:
    """The page that was asked for; what is no number is the first one, what lies past the end the last."""
    return Paginator(archive.volumes.order_by("path"), VOLUMES_A_PAGE).get_page(number)


def choice_of(release: Release | None, may_see: bool) -> Gallery | None:
    """A few volumes of a dataset's current release; all of them are on the release's page."""
    if release is None:
        return None
    volumes = Volume.objects.filter(archive__release=release)
    return Gallery(release, volumes, counts_by_acquisition(volumes), may_see, release.get_absolute_url())
