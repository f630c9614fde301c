"""Previews: a volume's page."""

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from datasets.models import Release, Volume
from datasets.permissions import may_see_previews
from datasets.views.kept import made_anew
from datasets.views.pictures import VolumeContents


@require_safe
@transaction.non_atomic_requests
@made_anew
def volume_page(request: HttpRequest, slug: str, version: str, archive_name: str, member_path: str) -> HttpResponse:
    volumes = Volume.objects.filter(archive__release__in=Release.objects.visible())
    volume = get_object_or_404(
        volumes.select_related("archive__release__dataset", "preview").defer("archive__part_hashes"),
        archive__release__dataset__slug=slug,
        archive__release__version=version,
        archive__name=archive_name,
        path=member_path,
    )
    release = volume.archive.release
    contents = VolumeContents(volume, may_see_previews(request.user, release.dataset), request.GET.get("slice", ""))
    context = {
        "dataset": release.dataset,
        "release": release,
        "archive": volume.archive,
        "volume": volume,
        "contents": contents,
    }
    return render(request, "datasets/volume.html", context)


@require_safe
def preview_image(request: HttpRequest, volume_pk: int, folder: str, name: str) -> HttpResponse:
    """Stands in until pictures are stored."""
    raise Http404
