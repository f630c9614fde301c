"""Releases: written as drafts, imported, checked and published; what is published is read only."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin.decisions import DecidingAdmin, Decision, ReasonForm
from accounts.admin.history import TrackedAdmin, history
from accounts.admin.marks import link_to, short, state
from accounts.admin.pages import Table, shown_below
from accounts.admin.widgets import DateTimeInput
from accounts.tasks import sweep
from datasets.admin.dry_runs import DryRunPages
from datasets.admin.imports import address_of
from datasets.admin.previews import RenderingAdmin
from datasets.exceptions import MoveNotAllowed, PartDown
from datasets.models import Archive, Release, Volume
from datasets.services.fixity import look_again
from datasets.services.releases import (
    check,
    publish_release,
    reopen,
    schedule_release,
    undo_withdrawal,
    unschedule_release,
    withdraw_release,
)
from datasets.tasks import check_fixity, ingest_archives
from datasets.templatetags.house import size

__all__ = ["MADE", "OPEN", "address_of", "is_open"]
Status = Release.Status
PERMISSION = "datasets.change_release"
# A release in one of these may be written by hand.
OPEN = (Status.DRAFT, Status.FAILED)
# In one of these it is still being made.
MADE = (*OPEN, Status.CHECKING, Status.READY)
SHOWN = (Status.PUBLISHED, Status.WITHDRAWN)
REFUSALS = (MoveNotAllowed, PartDown)
NEXT = "Save it first; then import its archives from a folder of the bucket, with the button above its page."


def is_open(row: Any) -> bool:
    """Whether a release, or an archive of it, may still be changed by hand."""
    if row is None:
        return True
    release = row.release if isinstance(row, Archive) else row
    return release.status in OPEN


class WithdrawalForm(ReasonForm):
    """The reason stands where people look for the release, and in a mail to those who downloaded it."""

    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 4, "class": "input"}),
        help_text="It is shown on the release's page, to everybody who asks for one of its files, and in a mail to "
        "those who were issued a download of it. Say what happened and what people should do: one or two sentences, on "
        "one line.",
        error_messages={"required": "Write the reason; it stands in place of the files."},
    )


class TimeForm(forms.Form):
    publish_at = forms.DateTimeField(
        label="Publish it at",
        widget=DateTimeInput(attrs={"class": "input"}),
        help_text="In UTC. Everything is checked again then; what meets an obstacle is not published, and says why.",
        error_messages={"required": "Give the day and the time."},
    )


# What all of them have in common.
decision = partial(Decision, permission=PERMISSION, refusals=REFUSALS, many=False)
CHECK = decision(
    name="check",
    title="Check",
    consequence="Every archive that is not verified is read once from its first byte to its last.",
    service=check,
    done="{row} is being checked.",
    is_open=is_open,
    then=ingest_archives,
)
REOPEN = decision(
    name="reopen",
    title="Back to a draft",
    consequence="Its version, summary and notes can be written again. What was verified stays verified: a check "
    "afterwards reads nothing twice.",
    service=reopen,
    done="{row} is a draft.",
    is_open=lambda release: release.status == Status.READY,
)
PUBLISH = decision(
    name="publish",
    title="Publish",
    consequence="Who has access can download it from now on and is mailed, and it can no longer be changed. "
    "It stays listed for good, also when it is withdrawn one day.",
    service=publish_release,
    then=sweep,
    done="{row} is published.",
    is_open=lambda release: release.status in (Status.READY, Status.SCHEDULED),
)
SCHEDULE = decision(
    name="schedule",
    title="Publish later",
    consequence="Nobody sees it before that time. Until then it can be taken back.",
    service=schedule_release,
    done="{row} is published at that time.",
    is_open=lambda release: release.status == Status.READY,
    form=TimeForm,
)
UNSCHEDULE = decision(
    name="unschedule",
    title="Do not publish it then",
    consequence="It is ready, and is published when somebody says so.",
    service=unschedule_release,
    done="{row} is not published by itself any more.",
    is_open=lambda release: release.status == Status.SCHEDULED,
)
WITHDRAW = decision(
    name="withdraw",
    title="Withdraw",
    consequence="Every link to it is refused from its next request on, with the reason that you give. "
    "A download that has begun goes on for an hour at most. It can be undone.",
    service=withdraw_release,
    then=sweep,
    done="{row} is withdrawn.",
    is_open=lambda release: release.status == Status.PUBLISHED,
    form=WithdrawalForm,
    is_grave=True,
)
UNDO = decision(
    name="undo-withdrawal",
    title="Undo the withdrawal",
    consequence="Every link to it works again, from its next request on, and who was issued a download of it is told. "
    "The history keeps that it was withdrawn, and why.",
    service=undo_withdrawal,
    then=sweep,
    done="{row} is published again.",
    is_open=lambda release: release.status == Status.WITHDRAWN,
)

LOOK_AGAIN = decision(
    name="look-again",
    title="Ask the bucket now",
    consequence="Every key of it is asked for, a few hundred every ten seconds, as it is done by itself from time to "
    "time. What is not as it was published is listed under Drifts, and mailed once.",
    service=look_again,
    then=check_fixity,
    done="{row} is being looked at.",
    is_open=lambda release: release.status in SHOWN,
)


@admin.register(Release)
class ReleaseAdmin(DryRunPages, RenderingAdmin, TrackedAdmin, DecidingAdmin):
    list_display = ["__str__", "how_far", "created_at", "published_at", "withdrawn_at", "summary"]
    list_select_related = ["dataset"]
    list_filter = ["status", "dataset"]
    search_fields = ["version", "dataset__name"]
    search_help_text = "The beginning of the version, or any part of the dataset's name"
    autocomplete_fields = ["dataset"]
    decisions = [CHECK, PUBLISH, SCHEDULE, UNSCHEDULE, REOPEN, WITHDRAW, UNDO, LOOK_AGAIN]
    written = ("dataset", "version", "summary", "notes")
    readonly_fields = ["how_far", "reason", "created_at", "publish_at", "published_at", "withdrawn_at"]

    @staticmethod
    def volumes_of(chosen: QuerySet) -> QuerySet[Volume]:
        return Volume.objects.filter(archive__release__in=chosen)

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(Q(version__startswith=term) | Q(dataset__name__icontains=term))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return [*self.written, *(self.readonly_fields if obj else ())]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return [(None, {"fields": self.get_fields(request, obj), "description": "" if obj else NEXT})]

    def get_view_on_site_url(self, obj: Model | None = None) -> str | None:
        """Only what the catalogue shows has a page there."""
        shown = isinstance(obj, Release) and obj.dataset.is_listed and obj.status in SHOWN
        return super().get_view_on_site_url(obj) if shown else None

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and is_open(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """One at a time, and only what nobody has seen."""
        return super().has_delete_permission(request, obj) and obj is not None and is_open(obj)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        release = kwargs.get("obj")
        if release is not None:
            context["ways"] = self.ways_of(request, release)
        return super().render_change_form(request, context, *args, **kwargs)

    def ways_of(self, request: HttpRequest, release: Release) -> list[tuple[str, str]]:
        """The pages from draft to publication, as far as they say something now."""
        ways = []
        if is_open(release) and request.user.has_perm(PERMISSION):
            ways.append(("Import …", address_of("import", release)))
        if release.status != Status.DRAFT and release.status not in SHOWN:
            ways.append(("Progress", address_of("progress", release)))
        if release.status not in SHOWN:
            ways.append(("Dry run", address_of("dry_run", release)))
        return ways

    @admin.display(description="state")
    def how_far(self, row: Release) -> SafeString:
        return state(row.status)


@shown_below(Release, permission="datasets.view_archive")
def archives(release: Any) -> Table:
    told = [
        (
            link_to("datasets_archive", row.pk, row.name),
            state(row.status),
            row.get_split_display(),
            size(row.size),
            short(row.reason),
        )
        for row in release.archives.order_by("pk").defer("part_hashes")[:200]
    ]
    return Table(
        "Archives",
        ("File", "State", "Split", "Size", "Reason"),
        told,
        all_of_them=f"{reverse('admin:datasets_archive_changelist')}?release__id__exact={release.pk}",
    )


shown_below(Release, permission="datasets.view_release")(history)
