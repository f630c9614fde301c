"""Agreements, their versions, and the signatures under them."""

import hashlib
import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.decisions import DecidingAdmin, Decision, told_before
from accounts.admin.exporting import Export, ExportingAdmin
from accounts.admin.history import TrackedAdmin, history
from accounts.admin.lists import NearFilter, period
from accounts.admin.marks import hash_groups, link_to, sentences, short_hash, state, yes
from accounts.admin.pages import ReadOnlyAdmin, Table, shown_below
from accounts.answers import pdf_answer
from accounts.exceptions import MoveNotAllowed
from accounts.models import Agreement, AgreementVersion, Receipt, Signature, User
from accounts.services.agreements import current_version, exact_text, planned_day, publish_version
from accounts.services.differences import difference_between
from accounts.services.exports import export_signatures
from accounts.services.receipts import stored_document
from accounts.services.signed import signed_by
from accounts.tasks import sweep

RECEIPT_STATES = {
    "waiting": "is being made",
    "running": "is being made",
    "done": "forgotten with its person",
    "failed": "could not be made; the row of work says why",
}
RECORD_HASH = re.compile(r"[0-9a-fA-F]{64}")

PUBLISH = Decision(
    name="publish",
    title="Publish",
    consequence="From then on the text cannot be changed, people sign this version, and those who signed the one "
    "before are asked to sign this one by the day from which it is required.",
    service=publish_version,
    done="{row} was published.",
    permission="accounts.change_agreementversion",
    is_open=lambda version: version.status == AgreementVersion.Status.DRAFT,
    many=False,
    # A package further up tells people: the sweeper knows whom to hint at.
    then=sweep,
)


@admin.register(Agreement)
class AgreementAdmin(TrackedAdmin):
    list_display = ["title", "slug"]
    search_fields = ["title", "slug"]
    search_help_text = "Any part of the title"
    ordering = ["title"]
    prepopulated_fields = {"slug": ["title"]}

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(title__icontains=term)


@shown_below(Agreement, permission="accounts.view_agreementversion")
def versions(agreement: Any) -> Table:
    rows = agreement.versions.latest_first().only(
        "agreement", "number", "status", "published_at", "required_from", "editorial"
    )[:20]
    told = [
        (
            link_to("accounts_agreementversion", row.pk, f"Version {row.number}"),
            state(row.status),
            row.published_at or "–",
            "editorial" if row.editorial else row.required_from or "–",
        )
        for row in rows
    ]
    return Table(
        "Versions",
        ("Version", "State", "Published", "Required from"),
        told,
        all_of_them=f"{reverse('admin:accounts_agreementversion_changelist')}?agreement__id__exact={agreement.pk}",
    )


class LinesField(forms.CharField):
    """A list of sentences, written one a line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(super().to_python(value)).splitlines() if line.strip()]


class VersionForm(forms.ModelForm):
    statements = LinesField(
        widget=forms.Textarea(attrs={"rows": 5, "cols": 80, "class": "vLargeTextField"}),
        help_text="One sentence a line; each is a box to tick before signing.",
    )

    number = forms.IntegerField(
        label="Version",
        required=False,
        min_value=1,
        max_value=32_767,
        help_text="Leave it empty for the number after the last one.",
    )

    class Meta:
        model = AgreementVersion
        fields = (
            *("agreement", "number", "text", "summary", "changes", "statements", "editorial", "urgent"),
            "required_from",
        )

    def clean_text(self) -> str:
        """As it will be published, so that its hash is the same before and after."""
        return exact_text(self.cleaned_data["text"])

    def clean(self) -> dict[str, Any]:
        told = super().clean() or self.cleaned_data
        if told.get("agreement") and told.get("number") is None and "number" not in self.errors:
            told["number"] = next_number(told["agreement"])
        needs_day = told.get("urgent") and not told.get("editorial") and told.get("required_from") is None
        if needs_day and "required_from" not in self.errors:
            self.add_error("required_from", "Say from which day an urgent version is required.")
        return told


def next_number(agreement: Agreement) -> int:
    last = agreement.versions.latest_first().values_list("number", flat=True).first()
    return (last or 0) + 1


@admin.register(AgreementVersion)
class AgreementVersionAdmin(TrackedAdmin, DecidingAdmin):
    form = VersionForm
    list_display = ["__str__", "how_far", "is_editorial", "published_at", "required_from"]
    list_select_related = ["agreement"]
    list_filter = ["status", "agreement"]
    search_fields = ["agreement__title"]
    search_help_text = "Any part of the agreement's title"
    autocomplete_fields = ["agreement"]
    decisions = [PUBLISH]
    drafted = (
        "agreement",
        "number",
        "text",
        "summary",
        "changes",
        "statements",
        "editorial",
        "urgent",
        "required_from",
    )
    # Of a version that cannot be changed any more.
    read = tuple("to_tick" if name == "statements" else name for name in drafted)
    told = ("how_far", "published_at", "hash")

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(agreement__title__icontains=term)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        queryset = super().get_queryset(request)
        match = request.resolver_match
        # The texts are long, and only the page of one version shows them.
        return queryset if match and "object_id" in match.kwargs else queryset.defer("text", "summary", "changes")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        if obj is None:
            return [*self.drafted]
        return [*(self.drafted if self.has_change_permission(request, obj) else self.read), *self.told]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["to_tick", *self.told]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_draft(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and obj is not None and _is_draft(obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new version begins with the text of the one before: ?agreement=1."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        number = str(initial.get("agreement", ""))
        agreement = int(number) if number.isdecimal() and len(number) < 18 else None
        before = AgreementVersion.objects.filter(agreement=agreement).latest_first().first()
        if before is None:
            return initial
        copied = {name: getattr(before, name) for name in ("text", "summary", "statements")}
        return {**copied, "number": before.number + 1, **initial}

    @admin.display(description="state")
    def how_far(self, row: AgreementVersion) -> SafeString:
        return state(row.status)

    @admin.display(description="editorial")
    def is_editorial(self, row: AgreementVersion) -> str:
        return yes(row.editorial)

    @admin.display(description="statements")
    def to_tick(self, row: AgreementVersion) -> SafeString:
        return sentences(row.statements)

    @admin.display(description="SHA-256")
    def hash(self, row: AgreementVersion) -> SafeString:
        return hash_groups(row.sha256)


@told_before(AgreementVersion, PUBLISH.name)
def what_would_be_published(version: Any) -> list[tuple[str, object]]:
    flags = [name for name in ("editorial", "urgent") if getattr(version, name)]
    return [
        ("Required from", _day_told(version)),
        ("Flags", ", ".join(flags) or "none"),
        ("Why it changed", version.changes or "nothing is written: neither mail nor page will give a reason"),
    ]


@told_before(AgreementVersion, PUBLISH.name, at_the_end=True)
def which_text_would_be_published(version: Any) -> list[tuple[str, object]]:
    text = exact_text(version.text)
    return [
        *_what_changes(version, text),
        ("SHA-256 of the text", hash_groups(hashlib.sha256(text.encode()).hexdigest())),
        ("Text", format_html("<pre>{}</pre>", text)),
    ]


def _what_changes(draft: AgreementVersion, text: str) -> list[tuple[str, object]]:
    """Between the version that is signed today and this one as it would be published."""
    published = current_version(draft.agreement)
    if published is None:
        return []
    draft.text = text
    difference = difference_between(published, draft)
    shown = render_to_string("accounts/differences/difference.html", {"difference": difference})
    return [(f"What changes since version {published.number}", shown)]


def _day_told(version: AgreementVersion) -> str:
    try:
        day = planned_day(version)
    except MoveNotAllowed as refusal:
        return str(refusal)
    if day is None:
        return "never: an editorial version asks nobody who signed before for a signature"
    if day > timezone.now():
        return f"{date_format(day, 'j F Y, H:i')} UTC"
    if current_version(version.agreement) is None:
        return "the moment of its publication, as the first version"
    return "the moment of its publication"


shown_below(Agreement, permission="accounts.view_agreement")(history)
shown_below(AgreementVersion, permission="accounts.view_agreementversion")(history)


@admin.register(Signature)
class SignatureAdmin(ExportingAdmin, ReadOnlyAdmin):
    """Evidence: read only, whoever reads it."""

    list_display = ["signed_at", "typed_name", "email", "version", "record"]
    list_select_related = ["user", "version__agreement"]
    left_out = ["version__text", "version__summary", "version__changes", "user__research_purpose"]
    list_filter = [period("signed_at", "signed"), ("version__agreement", NearFilter)]
    search_fields = ["user"]
    search_help_text = "Beginnings of words of the person's address, name or institution; or a record's whole hash"
    person = "user"
    linked_by = ["user__id__exact", "version__id__exact"]
    export = Export("signatures", export_signatures)
    fields = [
        *("signed_at", "typed_name", "email", "user", "version", "ticked", "address", "agent"),
        *("text_hash", "shown_hash", "before_hash", "record_hash_groups", "receipt_file"),
    ]

    def get_urls(self) -> list[URLPattern]:
        file = path("<int:pk>/receipt.pdf", self.admin_site.admin_view(self.receipt), name="accounts_signature_receipt")
        return [file, *super().get_urls()]

    def receipt(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        document = stored_document(get_object_or_404(Signature, pk=pk))
        if document is None:
            self.message_user(request, "There is no document to show.", messages.WARNING)
            return HttpResponseRedirect(reverse("admin:accounts_signature_change", args=[pk]))
        return pdf_answer(document)

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        if RECORD_HASH.fullmatch(term):
            return queryset.filter(record_hash=term.lower())
        return super().find(request, queryset, term)

    @admin.display(description="record")
    def record(self, row: Signature) -> SafeString:
        return format_html("<code>{}</code>", short_hash(row.record_hash))

    @admin.display(description="statements ticked")
    def ticked(self, row: Signature) -> SafeString:
        return sentences(row.statements)

    @admin.display(description="SHA-256 of the text")
    def text_hash(self, row: Signature) -> SafeString:
        return hash_groups(row.text_sha256)

    @admin.display(description="SHA-256 of what was shown")
    def shown_hash(self, row: Signature) -> SafeString:
        return hash_groups(row.rendered_sha256)

    @admin.display(description="hash of the record before")
    def before_hash(self, row: Signature) -> SafeString:
        return hash_groups(row.previous_hash)

    @admin.display(description="receipt")
    def receipt_file(self, row: Signature) -> str | SafeString:
        document = stored_document(row)
        if document is None:
            state = Receipt.objects.filter(signature=row).values_list("state", flat=True).first()
            return RECEIPT_STATES.get(state or "", "not recorded")
        address = reverse("admin:accounts_signature_receipt", args=[row.pk])
        return format_html('<a href="{}">PDF</a>, SHA-256 {}', address, hash_groups(document.sha256))

    @admin.display(description="hash of the record")
    def record_hash_groups(self, row: Signature) -> SafeString:
        return hash_groups(row.record_hash)


@shown_below(User, permission="accounts.view_signature")
def signatures(user: User) -> Table:
    told = [
        (
            link_to("accounts_signature", row.signature.pk, str(row.signature.version)),
            row.standing,
            row.signature.signed_at,
            row.signature.typed_name,
            format_html('<code title="{}">{}</code>', row.signature.record_hash, short_hash(row.signature.record_hash)),
        )
        for row in signed_by(user, at_most=20)
    ]
    return Table(
        "Signatures",
        ("Agreement", "Today", "Signed (UTC)", "Typed name", "Record"),
        told,
        all_of_them=f"{reverse('admin:accounts_signature_changelist')}?user__id__exact={user.pk}",
    )


def _is_draft(obj: Model | None) -> bool:
    return not isinstance(obj, AgreementVersion) or obj.status == AgreementVersion.Status.DRAFT
