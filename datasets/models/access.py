"""Requests for access and the grants that answer them."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Signature
from accounts.models.evidence import tracked
from datasets.models.catalog import Dataset


class AccessRequestQuerySet(models.QuerySet["AccessRequest"]):
    def pending(self) -> Self:
        return self.filter(status=AccessRequest.Status.PENDING)


@tracked("purpose", "reason")
class AccessRequest(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        APPROVED = "approved", "approved"
        DECLINED = "declined", "declined"
        WITHDRAWN = "withdrawn", "withdrawn"

    MOVES = {
        Status.PENDING: {Status.APPROVED, Status.DECLINED, Status.WITHDRAWN},
        Status.APPROVED: set(),
        Status.DECLINED: set(),
        Status.WITHDRAWN: set(),
    }

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_requests")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="access_requests")
    signature = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+")
    purpose = models.TextField("research purpose", help_text="As it was when access was asked for.")
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING, editable=False)
    reason = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_at = models.DateTimeField(null=True, blank=True, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    objects = AccessRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "dataset"], condition=Q(status="pending"), name="one_pending_request_a_dataset"
            ),
            models.CheckConstraint(
                condition=~Q(status="declined") | ~Q(reason=""), name="request_declined_with_reason"
            ),
            models.CheckConstraint(
                condition=Q(status="pending") | Q(decided_at__isnull=False), name="request_decided_with_time"
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(status="pending"), name="request_queue"),
            models.Index(fields=["status", "id"], name="request_status"),
        ]

    def __str__(self) -> str:
        return f"{self.user} asks for {self.dataset}"


class AccessGrantQuerySet(models.QuerySet["AccessGrant"]):
    def active(self) -> Self:
        """Not revoked. Whether it has ended is a date: see `current`."""
        return self.filter(status=AccessGrant.Status.ACTIVE)

    def current(self, now: datetime | None = None) -> Self:
        return self.active().filter(ends_at__gt=now or timezone.now())


@tracked("reason")
class AccessGrant(models.Model):
    class Status(models.TextChoices):
        ACTIVE = "active", "active"
        REVOKED = "revoked", "revoked"

    MOVES = {Status.ACTIVE: {Status.REVOKED}, Status.REVOKED: set()}

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_grants")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="access_grants")
    request = models.OneToOneField(
        AccessRequest, null=True, blank=True, on_delete=models.SET_NULL, related_name="grant"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE, editable=False)
    starts_at = models.DateTimeField(default=timezone.now, editable=False)
    ends_at = models.DateTimeField()
    reason = models.TextField(blank=True, editable=False)
    daily_bytes = models.PositiveBigIntegerField(
        "bytes a day", null=True, blank=True, editable=False, help_text="Empty: as much as everybody (DAILY_BYTES)."
    )
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    never_changes = ("user", "dataset")
    objects = AccessGrantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "dataset"], condition=Q(status="active"), name="one_active_grant_a_dataset"
            ),
            models.CheckConstraint(
                condition=~Q(status="revoked") | (~Q(reason="") & Q(revoked_at__isnull=False)),
                name="grant_revoked_with_reason",
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="grant_ends_after_start"),
        ]
        indexes = [
            models.Index(fields=["ends_at"], condition=Q(status="active"), name="grant_ends"),
            models.Index(fields=["id"], condition=Q(status="revoked"), name="grant_revoked"),
        ]

    def __str__(self) -> str:
        return f"{self.user} has {self.dataset}"

    @property
    def daily_cap(self) -> int:
        """How many bytes may be asked for a day through all its links."""
        return settings.DAILY_BYTES if self.daily_bytes is None else self.daily_bytes

    @property
    def has_ended(self) -> bool:
        return self.ends_at <= timezone.now()

    @property
    def days_left(self) -> int:
        """Days until the day of the end, by the calendar; 0 on that day and after it."""
        return max(0, (self.ends_at.date() - timezone.now().date()).days)
