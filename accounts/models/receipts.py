"""The receipt of a signature: the work of making it, and the document that came of it."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.utils import timezone

from accounts.models.agreements import Signature
from accounts.models.evidence import never_emptied
from accounts.models.work import Work, WorkQuerySet


class Receipt(Work):
    """Written in the transaction of its signature, so that none is without one."""

    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="receipt", editable=False)

    never_changes = ("signature",)
    # Work's own manager; only its rows are named here.
    objects: ClassVar[WorkQuerySet["Receipt"]]

    class Meta(Work.Meta):
        abstract = False
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"receipt {self.pk}"

    @property
    def file_name(self) -> str:
        return f"{self.signature.version.stem}-receipt.pdf"


# While a Deletion of its person runs, a document may be forgotten, its hash never; nothing else changes, ever.
FORGETS_CONTENT_ONLY = """
    IF TG_OP = 'UPDATE' AND NEW.content IS NULL AND to_jsonb(OLD) - 'content' = to_jsonb(NEW) - 'content'
        AND public.deletion_runs((
            SELECT s.user_id FROM public.accounts_receipt r
            JOIN public.accounts_signature s ON s.id = r.signature_id WHERE r.id = OLD.receipt_id))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'receipts are append-only';
"""


class ReceiptDocument(models.Model):
    """The PDF as it was mailed, in a table of its own: the row of work changes with every attempt, and this is
    evidence, which is inserted once. So each can be held to its own rights in the database."""

    append_only = True

    receipt = models.OneToOneField(
        Receipt, on_delete=models.PROTECT, primary_key=True, related_name="document", editable=False
    )
    content = models.BinaryField(null=True, help_text="Empty once its person was forgotten.")
    sha256 = models.CharField("SHA-256", max_length=64, editable=False)
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        triggers = [
            pgtrigger.Trigger(
                name="receipt_append_only",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func=FORGETS_CONTENT_ONLY,
            ),
            never_emptied(),
        ]

    def __str__(self) -> str:
        return f"document of receipt {self.receipt_id}"
