"""Mails that came back, or about which somebody complained."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Q

from accounts.models.mails import OutgoingMail


class BounceQuerySet(models.QuerySet["Bounce"]):
    def open(self) -> Self:
        """For good, and nothing has shown since that the address works."""
        return self.filter(kind=Bounce.Kind.PERMANENT, settled_at=None)

    def of_the_outer_person(self) -> Self:
        """In a query about people: of the address that a person has now."""
        return self.filter(user=OuterRef("pk"), address=OuterRef("email"))


class Bounce(models.Model):
    """One answer about one address of a person. An address with an open one is undeliverable; that is never stored
    apart, so that another address, or a code that arrived, ends it without further ado."""

    class Kind(models.TextChoices):
        PERMANENT = "permanent", "came back for good"
        TRANSIENT = "transient", "came back for now"
        COMPLAINT = "complaint", "reported as unwanted"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="bounces", editable=False)
    mail = models.ForeignKey(
        OutgoingMail, null=True, blank=True, on_delete=models.SET_NULL, related_name="bounces", editable=False
    )
    address = models.EmailField(max_length=254, editable=False)
    kind = models.CharField(max_length=10, choices=Kind, editable=False)
    said = models.TextField("what was said", blank=True, editable=False)
    at = models.DateTimeField(editable=False)
    settled_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when it is known that the address works all the same."
    )
    event = models.CharField(
        max_length=100,
        null=True,
        blank=True,
        unique=True,
        editable=False,
        help_text="The message that told of it: told twice, it is kept once.",
    )

    objects: ClassVar[BounceQuerySet] = BounceQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["user"], condition=Q(kind="permanent", settled_at=None), name="bounce_open"),
            models.Index(fields=["at"], name="bounce_at"),
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.get_kind_display()}"
