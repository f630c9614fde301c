"""Background work as rows: a state, attempts and a lease (design: Work).

A row is written in the transaction of what caused it. A Celery message only hints to look; workers claim
rows with FOR UPDATE SKIP LOCKED, and the sweeper hints again what is due or whose lease ran out.
"""

import random
from datetime import datetime, timedelta
from typing import Self

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

# A row that killed this many workers is failed rather than given to a fourth.
MAX_DEATHS = 3


class WorkQuerySet(models.QuerySet):
    def due(self, now: datetime | None = None) -> Self:
        """Rows that a worker may take: waiting and due, or running on a lease that ran out."""
        now = now or timezone.now()
        waiting = Q(state=Work.State.WAITING, due_at__lte=now)
        abandoned = Q(state=Work.State.RUNNING, leased_until__lte=now)
        return self.filter(waiting | abandoned)

    def claim(self, *, lease: timedelta) -> "models.Model | None":
        """Take the row that has been due longest, committed before anything is done with it; None when none is due."""
        with transaction.atomic(durable=True):
            row = self.due().select_for_update(skip_locked=True, of=("self",)).order_by("due_at", "pk").first()
            if row is None:
                return None
            row._take(lease)
            return row


class Work(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    state = models.CharField(max_length=10, choices=State, default=State.WAITING, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    deaths = models.PositiveSmallIntegerField(default=0, editable=False, help_text="Workers that died on this row.")
    due_at = models.DateTimeField(default=timezone.now, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    reason = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = WorkQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(state="running", leased_until__isnull=False)
                | (~Q(state="running") & Q(leased_until__isnull=True)),
                name="%(class)s_lease_while_running",
            ),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(reason=""), name="%(class)s_failed_with_reason"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=("waiting", "running")), name="%(class)s_open")
        ]

    def _take(self, lease: timedelta) -> None:
        """Begin the next attempt, or fail a row on which too many workers died (state then is FAILED)."""
        if self.state == self.State.RUNNING:
            self.deaths += 1
        if self.deaths >= MAX_DEATHS:
            self.finish(
                self.State.FAILED,
                reason=f"{self.deaths} workers died on this row; the last reason: {self.reason or 'none'}",
            )
            return
        self.state = self.State.RUNNING
        self.attempts = F("attempts") + 1
        self.leased_until = timezone.now() + lease
        self.save(update_fields=["state", "attempts", "deaths", "leased_until"])
        self.refresh_from_db(fields=["attempts"])

    def finish(self, state: str, *, reason: str = "") -> None:
        self.state, self.reason, self.leased_until, self.finished_at = state, reason, None, timezone.now()
        self.save(update_fields=["state", "reason", "leased_until", "finished_at", "deaths"])

    def postpone(self, *, reason: str, base: timedelta, ceiling: timedelta) -> None:
        """Wait for another attempt: exponential back-off with full jitter, never longer than the ceiling."""
        longest = min(base * 2 ** min(self.attempts, 20), ceiling)
        self.state, self.reason, self.leased_until = self.State.WAITING, reason, None
        self.due_at = timezone.now() + longest * random.uniform(0.5, 1)
        self.save(update_fields=["state", "reason", "leased_until", "due_at"])

    def retry(self) -> None:
        """Put a failed row back to the queue, as a maintainer's decision."""
        self.state, self.deaths, self.due_at, self.finished_at = self.State.WAITING, 0, timezone.now(), None
        self.save(update_fields=["state", "deaths", "due_at", "finished_at"])
