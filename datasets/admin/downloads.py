"""Links and what was handed out through them: evidence, read only. What a link's address is, nobody reads here."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin.decisions import DecidingAdmin, Decision
from accounts.admin.exporting import Export, ExportingAdmin
from accounts.admin.lists import NearFilter, period
from accounts.admin.marks import link_to, short, state
from accounts.admin.pages import ReadOnlyAdmin, Table, shown_below
from datasets.exceptions import MoveNotAllowed
from datasets.models import AccessGrant, DownloadLink, DownloadRecord
from datasets.services.downloads import replace_link, revoke_link
from datasets.services.exports import export_downloads

# The longest number of a row.
MAX_NUMBER = 2**63 - 1

REPLACE = Decision(
    name="replace",
    title="Replace",
    consequence="The link is refused from its next request on, and a new one takes its place. The person finds it "
    "on “My downloads”; “Mail links again” on the grant mails it.",
    service=replace_link,
    done="{row}: replaced.",
    permission="datasets.change_downloadlink",
    is_open=lambda link: link.status == DownloadLink.Status.LIVE,
    refusals=(MoveNotAllowed,),
)
REVOKE = Decision(
    name="revoke",
    title="Revoke",
    consequence="The link is refused from its next request on. The grant goes on, and the person may ask for a new "
    "link: to end the access itself, revoke the grant.",
    service=revoke_link,
    done="{row}: revoked.",
    permission="datasets.change_downloadlink",
    is_open=lambda link: link.status == DownloadLink.Status.LIVE,
    refusals=(MoveNotAllowed,),
    is_grave=True,
)


@admin.register(DownloadLink)
class DownloadLinkAdmin(ReadOnlyAdmin, DecidingAdmin):
    list_display = ["number", "release", "who", "how_far", "created_at", "ended_at"]
    list_select_related = ["grant__user", "grant__dataset", "release__dataset"]
    left_out = [
        *("grant__dataset__description", "grant__dataset__citation"),
        *("release__notes", "release__dataset__description", "release__dataset__citation"),
    ]
    list_filter = ["status"]
    search_fields = ["grant__user"]
    search_help_text = "A link's number, or beginnings of words of the person's address, name or institution"
    person = "grant__user"
    linked_by = ["grant__id__exact", "release__id__exact"]
    decisions = [REPLACE, REVOKE]
    fields = ["number", "grant", "release", "how_far", "created_at", "ended_at"]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        number = _number(term)
        return queryset.filter(pk=number) if number else super().find(request, queryset, term)

    def describe(self, row: DownloadLink) -> Sequence[str]:
        return [row.grant.user.email, row.grant.user.name, str(row.release), f"link {row.pk}"]

    def lock_order(self, row: DownloadLink) -> tuple[int, ...]:
        """Services lock the grant before the link; grants are locked in the order of their people."""
        return row.grant.user_id, row.grant_id, row.pk

    @admin.display(description="link")
    def number(self, row: DownloadLink) -> str:
        return f"link {row.pk}"

    @admin.display(description="person")
    def who(self, row: DownloadLink) -> SafeString:
        return link_to("accounts_user", row.grant.user_id, row.grant.user.email)

    @admin.display(description="state")
    def how_far(self, row: DownloadLink) -> SafeString:
        return state(row.status)


@admin.register(DownloadRecord)
class DownloadRecordAdmin(ExportingAdmin, ReadOnlyAdmin):
    """Evidence: read only, whoever reads it."""

    list_display = ["issued_at", "who", "archive", "first_byte", "asked", "country", "client"]
    list_select_related = ["link__grant__user", "archive__release__dataset"]
    left_out = [
        *("archive__part_hashes", "archive__release__notes"),
        *("archive__release__dataset__description", "archive__release__dataset__citation"),
    ]
    # The order of the index that the period is read from; numbers rise with it.
    ordering = ["-issued_at", "-id"]
    list_filter = [period("issued_at", "issued"), ("archive__release__dataset", NearFilter)]
    search_fields = ["link__grant__user"]
    search_help_text = "Beginnings of words of the person's address, name or institution"
    person = "link__grant__user"
    linked_by = ["link__id__exact", "archive__id__exact"]
    export = Export("downloads", export_downloads)
    fields = ["issued_at", "who", "archive", "release", "first_byte", "asked", "address", "country", "agent", "through"]

    @admin.display(description="person")
    def who(self, row: DownloadRecord) -> SafeString:
        return link_to("accounts_user", row.link.grant.user_id, row.link.grant.user.email)

    @admin.display(description="release")
    def release(self, row: DownloadRecord) -> str:
        return str(row.archive.release)

    @admin.display(description="client")
    def client(self, row: DownloadRecord) -> str:
        return short(row.agent)

    @admin.display(description="link")
    def through(self, row: DownloadRecord) -> SafeString:
        return link_to("datasets_downloadlink", row.link_id, f"link {row.link_id}")


@shown_below(AccessGrant, permission="datasets.view_downloadlink")
def links(grant: Any) -> Table:
    rows = grant.links.select_related("release__dataset").order_by("-id")[:20]
    told = [
        (link_to("datasets_downloadlink", row.pk, f"link {row.pk}"), row.release, state(row.status), row.created_at)
        for row in rows
    ]
    return Table(
        "Links",
        ("Link", "Release", "State", "Made (UTC)"),
        told,
        all_of_them=f"{reverse('admin:datasets_downloadlink_changelist')}?grant__id__exact={grant.pk}",
    )


@shown_below(DownloadLink, permission="datasets.view_downloadrecord")
def records(link: Any) -> Table:
    rows = link.records.select_related("archive").order_by("-issued_at", "-id")[:20]
    told = [(row.issued_at, row.archive.name, f"{row.first_byte:,}", row.country or "–", row.agent) for row in rows]
    return Table(
        "Downloads",
        ("Issued (UTC)", "Archive", "From byte", "Country", "Client"),
        told,
        all_of_them=f"{reverse('admin:datasets_downloadrecord_changelist')}?link__id__exact={link.pk}",
    )


def _number(term: str) -> int | None:
    digits = term.removeprefix("link").strip()
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else 0
    return number if 0 < number <= MAX_NUMBER else None
