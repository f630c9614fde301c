"""The receipt of a signature."""

from accounts.exceptions import MailDelayed, Obsolete
from accounts.mail.outbox import Attachment, Content, renders
from accounts.models import OutgoingMail, Receipt


@renders("agreement/receipt")
def receipt(mail: OutgoingMail) -> Content:
    """What was signed, when, under which hash; the receipt as a PDF and the exact text travel along."""
    made = Receipt.objects.select_related("document", "signature__version__agreement").get(
        signature=mail.keys["signature"]
    )
    if not hasattr(made, "document"):
        # Queued before receipts were rows of work of their own.
        raise MailDelayed("The receipt is still being made.")
    if made.document.content is None:
        raise Obsolete("the receipt was forgotten with its person.")
    signature, version = made.signature, made.signature.version
    text, pdf = f"{version.stem}.txt", made.file_name
    facts = {"signature": signature, "version": version, "file_name": text, "receipt_name": pdf}
    return Content(
        {**facts, "receipt_sha256": made.document.sha256},
        [Attachment(pdf, bytes(made.document.content), "application/pdf"), Attachment(text, version.text)],
    )
