"""Receipts: made by a worker, stored once with their hash, and mailed."""

import hashlib
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.mail import queue
from accounts.models import Receipt, ReceiptDocument, Signature, User
from accounts.services.deletions import is_being_deleted
from accounts.services.documents import receipt_pdf
from accounts.services.retention import SENT_DAYS
from accounts.services.work import work_through


def make_receipts(*, seconds: float) -> bool:
    """Make the receipts that are due, for so long; True when the time was up before they were."""
    return work_through(Receipt.objects.all(), make_receipt, seconds=seconds)


def make_receipt(receipt: Receipt) -> None:
    """Set the PDF, which takes its time, and then store it and queue its mail in one short transaction.

    That locks the person before the receipt, as everybody does (datasets.services.access.grants): forgetting a person
    holds that row while it changes their receipts."""
    signature = Signature.objects.select_related("version__agreement", "user").get(pk=receipt.signature_id)
    if not signature.salt:
        receipt.finish(Receipt.State.DONE, reason="Not made: the person was forgotten before.")
        return
    content = receipt_pdf(signature)
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=signature.user_id)
        if is_being_deleted(user):
            receipt.finish(Receipt.State.DONE, reason="Not made: the account was deleted.")
            return
        if not receipt.finish(Receipt.State.DONE):
            # Another worker took over meanwhile.
            return
        ReceiptDocument.objects.create(receipt=receipt, content=content, sha256=hashlib.sha256(content).hexdigest())
        # The word is the one of the time before receipts were rows: whoever has had a mail is not sent another. Mails
        # are kept for a time, and their words with them; who signed before that has had theirs.
        if timezone.now() - signature.signed_at < timedelta(days=SENT_DAYS):
            queue("agreement/receipt", user=user, once=f"receipt:{signature.pk}", signature=signature.pk)


def stored_document(signature: Signature) -> ReceiptDocument | None:
    """The document as it was mailed; None while it is being made, and once it was forgotten."""
    documents = ReceiptDocument.objects.select_related("receipt__signature__version__agreement")
    return documents.filter(receipt__signature=signature, content__isnull=False).first()
