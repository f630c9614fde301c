"""The receipt of a signature as a PDF: what was signed, by whom, when, and how that is checked years later."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from io import BytesIO
from typing import Any

from django.conf import settings
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, PageBreak, SimpleDocTemplate

from accounts.models import AgreementVersion, Signature
from accounts.services.rendering import rendered
from accounts.services.typesetting import INK, SMALL, heading, is_shown, paragraph, printable, set_html, table

MARGIN = 22 * mm
# A frame keeps this much free on each side.
PADDING = 6
WIDTH = A4[0] - 2 * (MARGIN + PADDING)
LABELS = 44 * mm
NOT_RECORDED = "not recorded"
WHAT_IT_IS = (
    "This is a simple electronic signature: somebody who was signed in to the account named above ticked each "
    "statement, typed the name and sent both. It is not a qualified electronic signature, and no certificate of a "
    "trust service stands behind the name. What it rests on is the record of it, one link of a chain: each record "
    "holds the hash of the one before, so that none can be changed, added or taken out without every later hash being "
    "another one. Once a day the number of records and the hash of the last one are anchored outside the site's "
    "database, in a store that is asked to lock them against change and deletion for ten years."
)
HOW_CHECKED = (
    "The text: the SHA-256 of the text file that came with this receipt is the first hash below. The record: the "
    "operators of the site run “manage.py verify_evidence”, which reads every record from the first one on, and with "
    "“--head” holds the chain against an anchor. Whoever has the records and no such site finds the steps in the "
    "portal’s documentation (docs/decisions/2026-11-25-evidence.md); they need nothing but SHA-256 and HMAC. The salt "
    "below opens the commitments to the personal values; keep it with this document."
)
UNSHOWN = (
    "The letters of this document do not have every sign that it would show. Those are written as their Unicode "
    "numbers, such as [U+5C71]; the record and the attached text file hold the signs themselves."
)


class NumberedCanvas(Canvas):
    """Writes "page 2 of 7" when the last page is known."""

    footer = ""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._finished: list[Mapping[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        self._finished.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._finished, start=1):
            self.__dict__.update(page)
            self.setFont("Vera", 7.5)
            self.setFillColor(INK)
            self.drawString(MARGIN + PADDING, 12 * mm, self.footer)
            self.drawRightString(A4[0] - MARGIN - PADDING, 12 * mm, f"page {number} of {len(self._finished)}")
            super().showPage()
        super().save()


def receipt_pdf(signature: Signature) -> bytes:
    """The same record gives the same bytes: no time of making, no random name, nothing of the machine."""
    version = signature.version
    title = f"Receipt: {version.agreement}, version {version.number}"

    class Numbered(NumberedCanvas):
        footer = printable(f"Record {signature.pk} · {signature.record_hash[:16]}…")

    file = BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=title,
        author=settings.SITE_INSTITUTION,
        subject=f"Record {signature.record_hash}",
        creator=settings.SITE_NAME,
        lang="en",
        initialFontName="Vera",
        invariant=1,
    )
    document.build(list(_contents(signature, version)), canvasmaker=Numbered)
    return file.getvalue()


def _contents(signature: Signature, version: AgreementVersion) -> Iterator[Flowable]:
    yield heading(f"Receipt of a signature: {version.agreement}, version {version.number}")
    yield paragraph(f"{settings.SITE_NAME}, {settings.SITE_INSTITUTION}, {settings.SITE_URL}")
    yield _facts(_who_and_when(signature, version))
    yield heading("What was confirmed", "h3")
    yield from (paragraph(f"• {statement}") for statement in signature.statements)
    yield heading("What this is", "h3")
    yield paragraph(WHAT_IT_IS)
    yield heading("How it is checked", "h3")
    yield paragraph(HOW_CHECKED)
    if not _all_shown(signature, version):
        yield paragraph(UNSHOWN)
    yield _facts(_hashes(signature))
    yield PageBreak()
    yield heading(f"The exact text of version {version.number}, as it was shown")
    yield from set_html(rendered(version).html, width=WIDTH)


def _who_and_when(signature: Signature, version: AgreementVersion) -> dict[str, str]:
    return {
        "Typed name": signature.typed_name,
        "Account": f"{signature.email} (number {signature.user_id})",
        "Agreement": f"{version.agreement}, version {version.number} (row {version.pk})",
        "Published": _moment(version.published_at),
        "Signed": _moment(signature.signed_at),
        "Network address": signature.address or NOT_RECORDED,
        "Browser": signature.agent or NOT_RECORDED,
        "Record": str(signature.pk),
    }


def _hashes(signature: Signature) -> dict[str, str]:
    return {
        "SHA-256 of the text": signature.text_sha256,
        "SHA-256 of what was shown": signature.rendered_sha256,
        "Hash of the record before": signature.previous_hash,
        "Hash of this record": signature.record_hash,
        "Salt": signature.salt,
        **{f"Commitment: {name}": value for name, value in sorted(signature.commitments.items())},
    }


def _facts(facts: Mapping[str, str]) -> Flowable:
    rows = [[paragraph(label, SMALL), paragraph(value, SMALL)] for label, value in facts.items()]
    return table(rows, [LABELS, WIDTH - LABELS])


def _moment(moment: Any) -> str:
    """To the microsecond, as the record's hash has it."""
    return f"{moment.astimezone(UTC).isoformat(sep=' ', timespec='microseconds')[:-6]} UTC" if moment else NOT_RECORDED


def _all_shown(signature: Signature, version: AgreementVersion) -> bool:
    personal = (signature.typed_name, signature.email, signature.agent, str(version.agreement))
    site = (settings.SITE_NAME, settings.SITE_INSTITUTION)
    return all(is_shown(text) for text in (*personal, *site, *signature.statements, version.text))
