"""The page that tells what publishing a release would do, and what each client would be given of it."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from datasets.admin.imports import ImportPages
from datasets.exceptions import PartDown
from datasets.services.downloads.lists import LISTS, as_page
from datasets.services.releases import dry_run
from datasets.services.releases.clients import LISTING, beginnings, listing_for, text_for

# As a browser shows it; the others are texts.
PAGE = "listing.html"


class DryRunPages(ImportPages):
    def pages(self) -> dict[str, Callable[..., HttpResponse]]:
        return {**super().pages(), "dry_run": self.dry_run_page}

    def get_urls(self) -> list[URLPattern]:
        seen = self.admin_site.admin_view(self.seen_by_clients)
        return [path("<int:pk>/dry-run/<str:name>", seen, name="datasets_release_seen"), *super().get_urls()]

    def dry_run_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        release = self.release_of(request, pk, "datasets.view_release")
        told: dict[str, Any] = {"told": None, "error": ""}
        try:
            told["told"] = dry_run(release)
        except PartDown as refusal:
            told["error"] = f"The bucket could not be asked, so nobody can say what publishing would do: {refusal}"
        return self.page(
            request,
            "dry_run",
            release,
            title=f"Dry run: what publishing {release} would do",
            seen=beginnings(release),
            page_name=PAGE,
            may_export=request.user.has_perms(("datasets.change_release", "accounts.view_user")),
            **told,
        )

    def seen_by_clients(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """One of the texts, whole, as it would be below a link."""
        release = self.release_of(request, pk, "datasets.view_release")
        if name == PAGE:
            response = HttpResponse(as_page(listing_for(release), request))
        elif name == LISTING or name in LISTS:
            response = HttpResponse(text_for(release, name), content_type="text/plain; charset=utf-8")
        else:
            raise Http404
        response.headers["Cache-Control"] = "no-store"
        return response
