"""Receipts: made by a worker, stored once with their hash, and mailed."""

import hashlib

from django.db import transaction

from accounts.mail import queue
from accounts.models import Receipt, ReceiptDocument, Signature
from accounts.services.documents import receipt_pdf
from accounts.services.work import work_through


def make_receipts(*, seconds: float) -> bool:
    """Make the receipts that are due, for so long; True when the time was up before they were."""
    return work_through(Receipt.objects.all(), make_receipt, seconds=seconds)


def make_receipt(receipt: Receipt) -> None:
    """Set the PDF, which takes its time, and then store it and queue its mail in one short transaction."""
    signature = Signature.objects.select_related("version__agreement", "user").get(pk=receipt.signature_id)
    if not signature.salt:
        receipt.finish(Receipt.State.DONE, reason="Not made: the person was forgotten before.")
        return
    content = receipt_pdf(signature)
    with transaction.atomic():
        if not receipt.finish(Receipt.State.DONE):
            # Another worker took over meanwhile.
            return
        ReceiptDocument.objects.create(receipt=receipt, content=content, sha256=hashlib.sha256(content).hexdigest())
        # The word is the one of the time before receipts were rows: whoever has had a mail is not sent another.
        queue("agreement/receipt", user=signature.user, once=f"receipt:{signature.pk}", signature=signature.pk)


def stored_document(signature: Signature) -> ReceiptDocument | None:
    """The document as it was mailed; None while it is being made, and once it was forgotten."""
    documents = ReceiptDocument.objects.select_related("receipt__signature__version__agreement")
    return documents.filter(receipt__signature=signature, content__isnull=False).first()
