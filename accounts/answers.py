"""Files as answers, alike on the site and in the admin."""

from django.http import HttpResponse

from accounts.models import AgreementVersion, ReceiptDocument


def text_answer(version: AgreementVersion) -> HttpResponse:
    """The exact text, byte for byte what was hashed."""
    response = HttpResponse(version.text.encode(), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'inline; filename="{version.stem}.txt"'
    return response


def pdf_answer(document: ReceiptDocument) -> HttpResponse:
    """The stored bytes, kept by nobody on the way."""
    response = HttpResponse(bytes(document.content or b""), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{document.receipt.file_name}"'
    response["Cache-Control"] = "private, no-store"
    return response
