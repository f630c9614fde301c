"""Notices, and whom a new version of an agreement concerns; written by services alone."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html

from accounts.admin.decisions import told_before
from accounts.admin.lists import period
from accounts.admin.marks import link_to, short, state
from accounts.admin.pages import Table, shown_below
from accounts.admin.work import WorkAdmin
from accounts.exceptions import MoveNotAllowed
from accounts.models import AgreementVersion, OutgoingMail
from accounts.services.agreements import planned_day
from datasets.admin.counting import counted
from datasets.admin.trials import TryingAdmin
from datasets.models import Notice, Release
from datasets.services.notices import MAILS, people_of, people_to_reach, reminder_day


@admin.register(Notice)
class NoticeAdmin(WorkAdmin, TryingAdmin):
    list_display = ["kind", "about", "how_far", "reached", "created_at", "due_at", "finished_at", "why"]
    list_select_related = ["version__agreement", "release__dataset", "test_for"]
    left_out = [
        *(f"version__{name}" for name in ("text", "summary", "changes", "statements")),
        *("release__notes", "release__dataset__description", "release__dataset__citation"),
    ]
    list_filter = ["state", "kind", period("created_at", "made")]
    search_fields = ["version__agreement__title", "release__dataset__name"]
    search_help_text = "Any part of the agreement's title or the dataset's name"
    linked_by = ["version__id__exact", "release__id__exact"]
    fields = [
        *("kind", "version", "release", "erratum", "text", "test_for", "how_far", "reached", "attempts", "deaths"),
        *("created_at", "due_at", "finished_at", "reason"),
    ]

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        title = Q(version__agreement__title__icontains=term)
        return queryset.filter(title | Q(release__dataset__name__icontains=term))

    @admin.display(description="about")
    def about(self, row: Notice) -> str:
        """A test says for whom it was, so that nobody takes it for the notice."""
        said = f"{row.version or row.release}"
        return f"{said}: a test for {row.test_for}" if row.test_for else said


@shown_below(Notice, permission="accounts.view_outgoingmail")
def not_told(notice: Any) -> Table:
    """Whom the notice should have told and could not, so that somebody tells them in another way."""
    mails = OutgoingMail.objects.failed().filter(once__startswith=f"notice:{notice.pk}:")
    rows = [
        (link_to("accounts_outgoingmail", mail.pk, mail.to), mail.user and mail.user.name, short(mail.reason))
        for mail in mails.select_related("user").order_by("-pk")[:20]
    ]
    address = reverse("admin:accounts_outgoingmail_changelist")
    return Table(
        "Could not be told",
        ("Address", "Name", "Why"),
        rows,
        empty="Nobody.",
        all_of_them=f"{address}?state__exact=failed&template={MAILS[Notice.Kind(notice.kind)]}" if rows else "",
    )


@told_before(AgreementVersion, "publish")
def who_must_sign(version: Any) -> list[tuple[str, object]]:
    """Whose commands stop on the day from which a version is required, unless they have signed it."""
    mailed = people_of(Notice(kind=Notice.Kind.AGREEMENT, version=version)).count()
    return [
        ("Must sign it", f"{counted(people_to_reach(version).count())} whose access runs"),
        ("Will be mailed", f"{counted(mailed)}, at once{_again(version)}" if mailed else "nobody"),
    ]


def _again(version: AgreementVersion) -> str:
    """When those who have not signed by then are reminded, if it is not too late for that."""
    try:
        version.required_from = planned_day(version)
    except MoveNotAllowed:
        return ""
    day = reminder_day(version)
    if day is None or day <= timezone.now():
        return ""
    return f"; who has not signed by {date_format(day, 'j F Y')}, once more"


@shown_below(AgreementVersion, permission="accounts.view_agreementversion")
def who_signed(version: Any) -> Table:
    """How many signed a version, and how many hold access and have not."""
    if version.status == AgreementVersion.Status.DRAFT:
        return Table("Who signed", ("What", "People"), [], empty="Nobody can sign a draft.")
    address = f"{reverse('admin:accounts_signature_changelist')}?version__id__exact={version.pk}"
    signed = format_html('<a href="{}">Signed this version</a>', address)
    waiting = "nobody is asked to: it corrects the wording only" if version.editorial else None
    rows = [
        (signed, f"{version.signatures.count():,}"),
        (
            "Hold access, and have signed neither this nor a later one",
            waiting or f"{people_to_reach(version).count():,}",
        ),
    ]
    return Table("Who signed", ("What", "People"), rows)


@shown_below(Release, permission="datasets.view_notice")
@shown_below(AgreementVersion, permission="datasets.view_notice")
def notices(told_of: Any) -> Table:
    rows = [
        (
            link_to("datasets_notice", row.pk, row.get_kind_display().capitalize()),
            state(row.state),
            f"{row.reached:,}",
            row.due_at,
            row.finished_at,
        )
        for row in told_of.notices.to_many().order_by("-pk")[:20]
    ]
    return Table("Notices", ("Notice", "State", "Reached", "Due (UTC)", "Finished (UTC)"), rows)
