"""A volume's page, and its pictures, handed out to whom their dataset shows them."""

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden
from django.shortcuts import get_object_or_404, render
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from accounts.middleware import has_shown_second_factor
from accounts.models import User
from datasets.exceptions import ObjectMissing
from datasets.models import Dataset, Release, Volume
from datasets.permissions import may_see_all_previews, may_see_previews
from datasets.services.previews import Picture, bytes_of, find_picture
from datasets.storage.previews import FOR_GOOD
from datasets.views.kept import made_anew
from datasets.views.pictures import VolumeContents

SHARED_SECONDS = 600
TYPES = {"webp": "image/webp", "png": "image/png"}
REFUSALS = {
    Dataset.Audience.SIGNED_IN: "Sign in to see previews of {name}.",
    Dataset.Audience.HOLDERS: "Previews of {name} are for those who have signed its agreement. "
    "Sign in, or sign the agreement on the dataset's page.",
}


@require_safe
@transaction.non_atomic_requests
@made_anew
def volume_page(request: HttpRequest, slug: str, version: str, archive_name: str, member_path: str) -> HttpResponse:
    volumes = Volume.objects.filter(archive__release__in=Release.objects.visible())
    volume = get_object_or_404(
        volumes.select_related("archive__release__dataset", "preview").defer("words", "archive__part_hashes"),
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
@transaction.non_atomic_requests
def preview_image(request: HttpRequest, volume: int, folder: str, name: str) -> HttpResponse:
    """One picture. Who may not see it is told so before anything is said of whether there is such a picture."""
    picture = find_picture(volume, folder, name)
    if picture is None or not _is_visible(picture, request):
        raise Http404
    is_public = picture.is_published and picture.dataset.preview_audience == Dataset.Audience.EVERYONE
    if not is_public and not may_see_previews(_user(request), picture.dataset):
        return _refused(picture.dataset)
    if not picture.is_current:
        raise Http404
    etag = f'"{folder}/{name}"'
    answer = get_conditional_response(request, etag=etag) or _shown(folder, name)
    # The browser that has it may keep it. What is for everybody today may be withdrawn, so a shared cache asks again
    # after a while; what is not, it must not have.
    answer["Cache-Control"] = f"{f'public, s-maxage={SHARED_SECONDS}' if is_public else 'private'}, {FOR_GOOD}"
    answer["ETag"] = etag
    return answer


def _user(request: HttpRequest) -> User | AnonymousUser:
    return request.user


def _is_visible(picture: Picture, request: HttpRequest) -> bool:
    return picture.is_published or (may_see_all_previews(_user(request)) and has_shown_second_factor(request))


def _shown(folder: str, name: str) -> HttpResponse:
    try:
        content = bytes_of(folder, name)
    except ObjectMissing:
        raise Http404 from None
    return HttpResponse(content, content_type=TYPES[name.rpartition(".")[2]])


def _refused(dataset: Dataset) -> HttpResponse:
    sentence = REFUSALS[Dataset.Audience(dataset.preview_audience)].format(name=dataset.name)
    answer = HttpResponseForbidden(f"{sentence}\n", content_type="text/plain; charset=utf-8")
    answer["Cache-Control"] = "no-store"
    return answer
