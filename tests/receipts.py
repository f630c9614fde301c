"""What the worker does after a signature, done at once."""

from accounts.models import ReceiptDocument, Signature
from accounts.services.receipts import make_receipts, stored_document


def make_all_receipts() -> None:
    assert make_receipts(seconds=60) is False


def document_of(signature: Signature) -> ReceiptDocument:
    make_all_receipts()
    document = stored_document(signature)
    assert document is not None
    return document
