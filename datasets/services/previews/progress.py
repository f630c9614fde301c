"""How far the previews are that were asked for together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q

from datasets.models import Preview

# Failures that are told with their reasons.
TOLD = 100


@dataclass(frozen=True)
class Progress:
    asked_at: datetime
    done: int
    failed: int
    running: int
    waiting: int
    last_finished_at: datetime | None
    failures: Sequence[Preview]
    """The first that failed, with their volumes and archives."""

    @property
    def total(self) -> int:
        return self.done + self.failed + self.running + self.waiting

    @property
    def finished(self) -> int:
        return self.done + self.failed

    @property
    def is_over(self) -> bool:
        return self.finished == self.total

    @property
    def remaining(self) -> timedelta | None:
        """As long as the others would take at the pace of those that are finished; None while none is."""
        if self.last_finished_at is None or self.is_over:
            return None
        each = (self.last_finished_at - self.asked_at) / self.finished
        return each * (self.total - self.finished)


def progress_of(asked_at: datetime) -> Progress:
    rows = Preview.objects.filter(asked_at=asked_at)
    state = Preview.State
    counts = rows.aggregate(
        last_finished_at=Max("finished_at"), **{name: Count("pk", filter=Q(state=name)) for name in state.values}
    )
    failed = rows.filter(state=state.FAILED).select_related("volume__archive__release__dataset").order_by("pk")
    left_out = ("report", "volume__archive__part_hashes", "volume__archive__release__notes")
    return Progress(asked_at=asked_at, failures=list(failed.defer(*left_out)[:TOLD]), **counts)
