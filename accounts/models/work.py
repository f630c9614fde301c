"""Background work as rows: a state, attempts and a lease (design: Work).

A row is written in the transaction of what caused it. A Celery message only hints to look; workers claim
rows with FOR UPDATE SKIP LOCKED, and the sweeper hints again what is due or whose lease ran out.
The times that say who may take a row (due_at, leased_until) are the database's, so that servers whose clocks differ
agree. created_at, and a mail's give_up_at three days later, are those of the server that wrote the row: nothing is
claimed by them.
"""

import logging
import random
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Self, TypeVar

from django.apps import apps
from django.db import models, transaction
from django.db.models import Exists, Q
from django.db.models.functions import Now
from django.utils import timezone

logger = logging.getLogger(__name__)

# A row that killed this many workers is failed rather than given to another.
MAX_DEATHS = 3
# How soon a row is tried again after a worker crashed on it.
CRASH_BASE, CRASH_CEILING = timedelta(seconds=5), timedelta(minutes=5)

# A row that was postponed so often, and waits since so long, is stuck: longer than anything is waited for on purpose (a
# deletion waits an hour for its farewell, and looks every few seconds).
STUCK_ATTEMPTS, STUCK_AGE = 5, timedelta(minutes=70)

Row = TypeVar("Row", bound="Work")


class WorkQuerySet(models.QuerySet[Row], Generic[Row]):
    def due(self, now: datetime | None = None) -> Self:
        """Rows that a worker may take: waiting and due, or running on a lease that ran out."""
        moment = now or Now()
        waiting = Q(state=Work.State.WAITING, due_at__lte=moment)
        abandoned = Q(state=Work.State.RUNNING, leased_until__lte=moment)
        # The first condition is the index's own, word for word.
        return self.filter(state__in=Work.OPEN).filter(waiting | abandoned)

    def stuck(self) -> Self:
        """Rows that are postponed again and again: never due for long, so that nothing else would tell of them.

        What goes on batch by batch is tried often as well, but has no reason. Work that gives up fails by itself."""
        if self.model.gives_up:
            return self.none()
        made = timezone.now() - STUCK_AGE
        tried = self.filter(state__in=Work.OPEN).filter(attempts__gte=STUCK_ATTEMPTS, created_at__lte=made)
        return tried.exclude(reason="")

    def overdue(self, by: timedelta = timedelta(0)) -> Self:
        """Rows that nobody took for so long. Of work that comes in heaps there are none while a worker is at one of
        them: it comes to the others."""
        rows = self.due(timezone.now() - by)
        if not self.model.comes_in_heaps:
            return rows
        held = self.model._base_manager.filter(state__in=Work.OPEN).filter(state=Work.State.RUNNING)
        return rows.filter(~Exists(held.filter(leased_until__gt=Now())))

    def late(self, by: timedelta) -> Self:
        """Rows that nobody took for so long, and those that are stuck."""
        return self.overdue(by) | self.stuck()

    def waiting(self) -> Self:
        return self._open(Work.State.WAITING)

    def running(self) -> Self:
        return self._open(Work.State.RUNNING)

    def _open(self, state: str) -> Self:
        return self.filter(state__in=Work.OPEN).filter(state=state)

    def failed(self) -> Self:
        return self.filter(state=Work.State.FAILED)

    def to_try_again(self) -> Self:
        """What failed, and may go back to the queue."""
        return self.failed()

    def retry_failed(self) -> int:
        """Put all that failed back to the queue; how many there were."""
        return self.to_try_again().update(**self.model.fresh_start())

    def claim(self, *, lease: timedelta) -> Row | None:
        """Take the row that is due longest, committed before anything is done with it; None when none is due.

        Rows on which too many workers died are failed on the way."""
        while True:
            with transaction.atomic(durable=True):
                row = self.due().select_for_update(skip_locked=True, of=("self",)).order_by("due_at", "pk").first()
                if row is None or row._begin(lease):
                    return row


class Work(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    OPEN = (State.WAITING, State.RUNNING)
    # Whether a row that is postponed for too long fails by itself.
    gives_up: ClassVar[bool] = False
    # Whether so many rows are written at once that the last of them rightly wait for hours.
    comes_in_heaps: ClassVar[bool] = False

    state = models.CharField(max_length=10, choices=State, default=State.WAITING, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)
    deaths = models.PositiveSmallIntegerField(default=0, editable=False, help_text="Workers that died on this row.")
    due_at = models.DateTimeField(db_default=Now(), editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    reason = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[Any] = WorkQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(state="running", leased_until__isnull=False)
                | (~Q(state="running") & Q(leased_until__isnull=True)),
                name="%(class)s_lease_while_running",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("done", "failed"), finished_at__isnull=False)
                | (~Q(state__in=("done", "failed")) & Q(finished_at__isnull=True)),
                name="%(class)s_time_when_finished",
            ),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(reason=""), name="%(class)s_failed_with_reason"),
        ]
        indexes = [
            # In the order of claims: rows that are written together are due together, twenty thousand of them perhaps.
            models.Index(fields=["due_at", "id"], condition=Q(state__in=("waiting", "running")), name="%(class)s_open"),
            # What a maintainer looks at, newest first; there should be few.
            models.Index(fields=["id"], condition=Q(state="failed"), name="%(class)s_failed"),
        ]

    def _begin(self, lease: timedelta) -> bool:
        """Begin the next attempt on a locked row; False when too many workers died on it, which fails it."""
        if self.state == self.State.RUNNING:
            self.deaths += self._was_in_hand()
            self.reason = self.reason or "a worker died"
        self.attempts += 1
        self.state, self.finished_at = self.State.RUNNING, None
        row = type(self)._base_manager.filter(pk=self.pk)
        row.update(
            state=self.state,
            attempts=self.attempts,
            deaths=self.deaths,
            reason=self.reason,
            leased_until=Now() + lease,
        )
        if self.deaths >= MAX_DEATHS:
            self.finish(self.State.FAILED, reason=f"{self.deaths} workers died on it. The last said: {self.reason}")
            return False
        return True

    def _was_in_hand(self) -> bool:
        """Whether the worker that died worked on this row, rather than holding it for later."""
        return True

    def _settle(self, **values: Any) -> bool:
        """Write only while this attempt still holds the row: a worker that was too slow must not undo another's."""
        row = type(self)._base_manager.filter(pk=self.pk, state=self.State.RUNNING, attempts=self.attempts)
        held = row.update(**values) == 1
        if held:
            for name, value in values.items():
                setattr(self, name, value)
        else:
            logger.warning("lease lost", extra={"work": self._meta.model_name, "row": self.pk})
        return held

    def renew(self, *, lease: timedelta) -> bool:
        """Hold the row for longer; False when it is no longer held."""
        return self._settle(leased_until=Now() + lease)

    def finish(self, state: str, *, reason: str = "", **values: Any) -> bool:
        return self._settle(state=state, reason=reason, leased_until=None, finished_at=Now(), **values)

    def postpone(self, *, reason: str, base: timedelta, ceiling: timedelta, **values: Any) -> bool:
        """Wait for another attempt: exponential back-off, of which half is jitter, never longer than the ceiling."""
        longest = min(base * 2 ** min(self.attempts - 1, 20), ceiling)
        wait = longest * random.uniform(0.5, 1)  # noqa: S311 (spreads load, guards nothing)
        return self._settle(state=self.State.WAITING, reason=reason, leased_until=None, due_at=Now() + wait, **values)

    def crash(self, *, reason: str) -> bool:
        """A worker crashed on this row but lives to say so: the same as a death, without waiting for the lease."""
        deaths = self.deaths + 1
        if deaths >= MAX_DEATHS:
            return self._settle(
                state=self.State.FAILED, reason=reason, deaths=deaths, leased_until=None, finished_at=Now()
            )
        return self.postpone(reason=reason, base=CRASH_BASE, ceiling=CRASH_CEILING, deaths=deaths)

    def retry(self) -> bool:
        """Put a failed row back to the queue, as a maintainer's decision; False when it may not go there."""
        rows: WorkQuerySet[Any] = type(self).objects.all()
        return rows.filter(pk=self.pk).retry_failed() == 1

    @classmethod
    def fresh_start(cls) -> dict[str, Any]:
        """What a row begins with when it is tried again."""
        return {"state": cls.State.WAITING, "deaths": 0, "due_at": Now(), "finished_at": None}


def kinds_of_work() -> list[type[Work]]:
    """Every kind of work that the installed rooms have."""
    return [model for model in apps.get_models() if issubclass(model, Work)]
