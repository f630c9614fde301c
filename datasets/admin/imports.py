"""From a folder of the bucket to a release that can be checked: the list with its ticks, and how far the reading is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import csrf_protect_m
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.admin.pages import HouseAdmin
from accounts.admin.work import WorkAdmin
from accounts.tasks import hint
from datasets.admin.choosing import LONGEST_COILS, Choice, choices_of
from datasets.exceptions import ListChanged, MoveNotAllowed, PartDown, SourceRefused
from datasets.models import Archive, Ingest, Release
from datasets.services.releases import Proposal, check, progress_of, propose, register
from datasets.services.releases.sources import source_of
from datasets.tasks import ingest_archives

# Rows that can be ticked one by one; a form has no more fields than the site takes.
TICKED = 500
EVERY = 10
# Sentences about what cannot be kept that are said at once.
TOLD = 5
REFUSED = (SourceRefused, ListChanged, MoveNotAllowed)
CHANGED = "The bucket's list has changed since you looked at it. Here is the new one."


def address_of(page: str, release: Release) -> str:
    return reverse(f"admin:datasets_release_{page}", args=[release.pk])


class ImportPages(HouseAdmin):
    """Pages of one release, besides its own."""

    def pages(self) -> dict[str, Callable[..., HttpResponse]]:
        return {"import": self.import_page, "progress": self.progress_page}

    def get_urls(self) -> list[URLPattern]:
        return [
            *(
                path(
                    f"<int:pk>/{name.replace('_', '-')}/",
                    self.admin_site.admin_view(page),
                    name=f"datasets_release_{name}",
                )
                for name, page in self.pages().items()
            ),
            *super().get_urls(),
        ]

    def release_of(self, request: HttpRequest, pk: int, permission: str) -> Release:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        release = Release.objects.select_related("dataset__agreement").filter(pk=pk).first()
        if release is None:
            raise Http404
        return release

    def page(self, request: HttpRequest, name: str, release: Release, **context: Any) -> HttpResponse:
        context |= {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "release": release,
            "addresses": {page: address_of(page, release) for page in ("import", "progress", "dry_run")},
            "may_change": request.user.has_perm("datasets.change_release"),
        }
        return TemplateResponse(request, f"admin/release_{name}.html", context)

    # Import ------------------------------------------------------------------------------------------------------

    @csrf_protect_m
    def import_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        release = self.release_of(request, pk, "datasets.change_release")
        sent = request.POST if request.method == "POST" else None
        source = ((sent or request.GET).get("from") or "").strip()
        proposal, choices, error = None, [], ""
        if source:
            try:
                proposal = propose(release.dataset, source, release)
                choices = choices_of(proposal.rows[:TICKED], sent)
                if sent is not None and self._register(request, release, proposal, choices):
                    return HttpResponseRedirect(_next(request, release))
            except REFUSED as refusal:
                error = str(refusal)
            except PartDown as refusal:
                error = f"The bucket could not be asked, so nothing was done. It says: {refusal}"
        return self.page(
            request,
            "import",
            release,
            title=f"Import {release}",
            source=source or source_of(f"{release.dataset.slug}/{release.version}/"),
            proposal=proposal,
            choices=choices,
            splits=Archive.Split.choices,
            longest_coils=LONGEST_COILS,
            rest=len([row for row in proposal.rows[TICKED:] if row.is_usable]) if proposal else 0,
            error=error,
        )

    def _register(self, request: HttpRequest, release: Release, proposal: Proposal, choices: list[Choice]) -> bool:
        """What was ticked, with the words that were written; False when the list is not the one that was looked at, or
        something cannot be kept."""
        if request.POST.get("fingerprint") != proposal.fingerprint:
            self.message_user(request, CHANGED, messages.WARNING)
            return False
        wrong = [choice.error for choice in choices if choice.error]
        if wrong:
            for sentence in wrong[:TOLD]:
                self.message_user(request, sentence, messages.ERROR)
            return False
        rows = [choice.row for choice in choices] + list(proposal.rows[TICKED:])
        keys = request.POST.getlist("take")
        if request.POST.get("rest"):
            keys += [row.key for row in proposal.rows[TICKED:] if row.is_usable]
        by: Any = request.user
        number = register(release, replace(proposal, rows=rows), keys, by=by)
        self.message_user(request, f"{len(keys):,} archives, {number:,} of them new or changed.", messages.SUCCESS)
        self.log_change(request, release, f"{len(keys):,} archives imported from {proposal.source}")
        if "later" not in request.POST:
            check(release, by=by)
            hint(ingest_archives)
        return True

    # Progress ----------------------------------------------------------------------------------------------------

    def progress_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """It looks again by itself only where that is asked for, and as long as there is something to see."""
        release = self.release_of(request, pk, "datasets.view_release")
        progress = progress_of(release)
        if progress.failed:
            some = "1 archive" if progress.failed == 1 else f"{progress.failed:,} archives"
            more = "" if progress.is_over else " The others go on."
            said = f"{some} failed the check.{more} Publishing waits until each is read again or left out."
            messages.add_message(request, messages.ERROR, said)
        return self.page(
            request,
            "progress",
            release,
            title=f"Import {release}",
            progress=progress,
            now=timezone.now(),
            every=EVERY if "every" in request.GET and not progress.is_over else None,
            every_seconds=EVERY,
        )


def _next(request: HttpRequest, release: Release) -> str:
    if "later" in request.POST:
        return reverse("admin:datasets_release_change", args=[release.pk])
    return address_of("progress", release)


@admin.register(Ingest)
class IngestAdmin(WorkAdmin):
    """The readings of archives."""

    list_display = ["archive", "how_far", "bytes_read", "volumes_read", "started_at", "finished_at", "why"]
    list_select_related = ["archive__release__dataset"]
    left_out = [
        *("archive__part_hashes", "archive__release__notes"),
        *("archive__release__dataset__description", "archive__release__dataset__citation"),
    ]
    search_fields = ["archive__name"]
    search_help_text = "Any part of the file name"
    fields = [
        *("archive", "how_far", "bytes_read", "volumes_read", "started_at", "attempts", "deaths"),
        *("created_at", "due_at", "finished_at", "reason"),
    ]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(archive__name__icontains=term)
