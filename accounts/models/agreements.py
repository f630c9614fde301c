"""Agreements, their immutable versions, and the append-only signatures under them."""

import hashlib
from datetime import datetime
from typing import Self

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import BooleanField, ExpressionWrapper, F, Q
from django.utils import timezone

from accounts.models.evidence import never_emptied, tracked


@tracked()
class Agreement(models.Model):
    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=200)

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title


class AgreementVersionQuerySet(models.QuerySet["AgreementVersion"]):
    def published(self) -> Self:
        return self.exclude(status=AgreementVersion.Status.DRAFT)

    def required(self, now: datetime | None = None) -> Self:
        """Versions whose day has come: who has not signed one of these or a later one is refused."""
        return self.published().filter(required_from__lte=now or timezone.now())

    def latest_first(self) -> Self:
        return self.order_by("-number")


@tracked()
class AgreementVersion(models.Model):
    """Once published it is never a draft again, is never removed, and its text and what belongs to it never change: a
    trigger of the database sees to it (migration published_kept). It is none of pgtrigger's, which every session may
    switch off for itself."""

    class Status(models.TextChoices):
        DRAFT = "draft", "draft"
        PUBLISHED = "published", "published"
        REQUIRED = "required", "required"
        SUPERSEDED = "superseded", "superseded"

    MOVES = {
        Status.DRAFT: {Status.PUBLISHED},
        Status.PUBLISHED: {Status.REQUIRED, Status.SUPERSEDED},
        Status.REQUIRED: {Status.SUPERSEDED},
        Status.SUPERSEDED: set(),
    }

    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField("version")
    text = models.TextField(max_length=200_000, help_text="Markdown. Immutable once published.")
    summary = models.TextField(
        "in short", blank=True, max_length=4000, help_text="Markdown; a courtesy, not what is signed."
    )
    changes = models.TextField("why it changed", blank=True, max_length=4000)
    statements = models.JSONField(default=list, help_text="Sentences to tick, each of them, before signing.")
    sha256 = models.CharField("SHA-256", max_length=64, editable=False)
    editorial = models.BooleanField(
        default=False, help_text="Corrects the wording only: who signed the version before need not sign."
    )
    urgent = models.BooleanField(default=False, help_text="May be required sooner than 14 days after its notice.")
    required_from = models.DateTimeField(
        null=True, blank=True, help_text="Until then, links live on the version before."
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT, editable=False)
    published_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AgreementVersionQuerySet.as_manager()

    class Meta:
        ordering = ["agreement", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["agreement", "number"], name="one_version_a_number"),
            models.CheckConstraint(
                condition=Q(status="draft") | Q(published_at__isnull=False), name="version_published_with_time"
            ),
            models.CheckConstraint(
                condition=Q(editorial=False) | Q(required_from__isnull=True),
                name="version_editorial_needs_no_signature",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agreement}, version {self.number}"

    def save(self, *args: object, **kwargs: object) -> None:
        if self.status == self.Status.DRAFT or not self.sha256:
            self.sha256 = hashlib.sha256(self.text.encode()).hexdigest()
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def stem(self) -> str:
        """What files about this version are called."""
        return f"{self.agreement.slug}-version-{self.number}"

    @property
    def hash_groups(self) -> list[str]:
        return [self.sha256[i : i + 8] for i in range(0, 64, 8)]


class SignatureQuerySet(models.QuerySet["Signature"]):
    def latest_first(self) -> Self:
        return self.order_by("-id")

    def with_receipts(self) -> Self:
        """With how far the receipt is (`receipt_state`) and whether its document can be had (`has_receipt`)."""
        kept = ExpressionWrapper(Q(receipt__document__content__isnull=False), output_field=BooleanField())
        return self.annotate(receipt_state=F("receipt__state"), has_receipt=kept)


# While a Deletion of its person runs, a record may lose what is personal, all of it at once; nothing else, ever.
FORGETS_PERSON_ONLY = """
    IF TG_OP = 'UPDATE'
        AND NEW.typed_name = '' AND NEW.email = '' AND NEW.address IS NULL AND NEW.agent = '' AND NEW.salt = ''
        AND public.forgets_only(
            to_jsonb(OLD), to_jsonb(NEW), ARRAY['typed_name', 'email', 'address', 'agent', 'salt'])
        AND public.deletion_runs(OLD.user_id)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;
"""


class Signature(models.Model):
    """Who signed which text, when, from where. Personal values stand beside salted commitments of them, so that
    they can be forgotten one day while the chain of record hashes still verifies (accounts.services.agreements)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="signatures")
    version = models.ForeignKey(AgreementVersion, on_delete=models.PROTECT, related_name="signatures")
    typed_name = models.CharField(max_length=150)
    email = models.EmailField(max_length=254)
    address = models.GenericIPAddressField("network address", null=True)
    agent = models.CharField("browser", max_length=300, blank=True)
    salt = models.CharField(max_length=64)
    statements = models.JSONField(default=list)
    text_sha256 = models.CharField("SHA-256 of the text", max_length=64)
    rendered_sha256 = models.CharField("SHA-256 of what was shown", max_length=64)
    commitments = models.JSONField(default=dict)
    signed_at = models.DateTimeField()
    previous_hash = models.CharField(max_length=64, unique=True)
    record_hash = models.CharField(max_length=64, unique=True)

    append_only = True
    objects = SignatureQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "version"], name="one_signature_a_version"),
            models.CheckConstraint(condition=~Q(previous_hash=F("record_hash")), name="signature_follows_another"),
        ]
        indexes = [models.Index(fields=["signed_at"], name="signature_signed")]
        triggers = [
            pgtrigger.Trigger(
                name="signature_append_only",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func=FORGETS_PERSON_ONLY,
            ),
            never_emptied(),
        ]

    def __str__(self) -> str:
        return f"{self.typed_name or 'a deleted person'}, {self.version}"
