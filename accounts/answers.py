"""Files as answers, alike on the site and in the admin."""

from django.http import HttpResponse

from accounts.models import ReceiptDocument


def pdf_answer(document: ReceiptDocument) -> HttpResponse:
    """The stored bytes, kept by nobody on the way."""
    response = HttpResponse(bytes(document.content or b""), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{document.receipt.file_name}"'
    response["Cache-Control"] = "private, no-store"
    return response
