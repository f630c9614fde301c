"""Whether the parts that the site needs answer. Each is asked in a thread of its own, so that one which hangs is told
apart from the others, and within a time that monitors wait for."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import caches
from django.db import DatabaseError, connection
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.models import OutgoingMail
from accounts.models.work import Work, kinds_of_work
from accounts.tasks import SWEPT_KEY
from datasets.exceptions import PartDown
from datasets.storage import bucket

# How long all parts together may take to answer.
PROBE_SECONDS = 3.0
# An answer is shared for so long: asking in a loop must not load the parts.
FRESH_SECONDS = 2.0
# The sweeper runs every 10 s; a worker that is busy with one long task may be late.
WORKER_SECONDS = 60
# Mail, and other work, that has been due for longer than this is late; so is work that is postponed again and again.
LATE = timedelta(minutes=15)
# Parts that refuse no visitor: pages and downloads do not need them.
BEHIND = {"mail", "work"}


@dataclass(frozen=True)
class Readiness:
    """A word for each part. Late mail, and work that is late or failed, is said but refuses no visitor."""

    words: dict[str, str]

    @property
    def is_ready(self) -> bool:
        return all(word == "ok" for part, word in self.words.items() if part not in BEHIND)


def ask_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "down"
    return "ok"


def ask_cache() -> str:
    try:
        caches["server"].set("readyz", "ok", timeout=60)
    except RedisError:
        return "down"
    return "ok"


def ask_bucket() -> str:
    try:
        return "ok" if bucket().reachable() else "down"
    except PartDown:
        return "down"


def ask_worker() -> str:
    """Beat, queue and worker at once: the sweeper runs only when all three do."""
    try:
        swept_at = caches["server"].get(SWEPT_KEY)
    except RedisError:
        return "unknown"
    return "ok" if swept_at is not None and time.time() - swept_at < WORKER_SECONDS else "silent"


def ask_mail() -> str:
    try:
        return "late" if OutgoingMail.objects.due(timezone.now() - LATE).exists() else "ok"
    except DatabaseError:
        return "unknown"


def ask_work() -> str:
    """Which kinds of work are late, or have failed and wait for a maintainer; why is told in the admin alone."""
    try:
        connection.ensure_connection()
        words = [word for kind in kinds_of_work() if kind is not OutgoingMail for word in _words_of(kind)]
    except DatabaseError:
        return "unknown"
    return ", ".join(words) or "ok"


def _words_of(kind: type[Work]) -> list[str]:
    rows = {"late": kind.objects.late(LATE), "failed": kind.objects.failed()}
    return [f"{kind._meta.verbose_name} {word}" for word, found in rows.items() if found.exists()]


class Probe:
    """One question. While its last asking still hangs it is not asked again: no pile of threads."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self.ask = ask
        self.answer = "slow"
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        if self.thread is None or not self.thread.is_alive():
            self.answer = "slow"
            self.thread = threading.Thread(target=self._run, daemon=True)
            self.thread.start()

    def word(self, until: float) -> str:
        if self.thread is not None:
            self.thread.join(max(0.0, until - time.monotonic()))
        return self.answer

    def _run(self) -> None:
        try:
            self.answer = self.ask()
        finally:
            connection.close()


class Panel:
    """All probes of a process, and their last answers."""

    def __init__(self, **questions: Callable[[], str]) -> None:
        self.probes = {part: Probe(ask) for part, ask in questions.items()}
        self.lock = threading.Lock()
        self.asked_at = float("-inf")
        self.last = Readiness({})

    def readiness(self) -> Readiness:
        with self.lock:
            if time.monotonic() - self.asked_at > FRESH_SECONDS:
                until = time.monotonic() + PROBE_SECONDS
                for probe in self.probes.values():
                    probe.start()
                self.last = Readiness({part: probe.word(until) for part, probe in self.probes.items()})
                self.asked_at = time.monotonic()
            return self.last


panel = Panel(
    database=ask_database, cache=ask_cache, bucket=ask_bucket, worker=ask_worker, mail=ask_mail, work=ask_work
)


def readiness() -> Readiness:
    return panel.readiness()
