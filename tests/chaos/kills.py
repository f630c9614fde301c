"""Who is killed, and which mails were under way then."""

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress

import psutil
import psycopg2

from tests.chaos.place import Place

# How likely each is. A part is killed as a whole, or one of the processes that it has started.
VICTIMS = {
    "web": 2,
    "a process of web": 3,
    "worker": 2,
    "a process of worker": 5,
    "renderer": 1,
    "a process of renderer": 2,
    "beat": 2,
    "valkey": 4,
    "mailsink": 5,
    "bucket": 4,
    "postgres": 3,
    "a backend of postgres": 3,
}
# Deaths of others leave a mail that is being sent alone.
CARRIERS = ("worker", "mailsink", "postgres")
BACKEND = "postgres: portal"
SAMPLE_SECONDS = 0.05
UNDER_WAY = "SELECT uuid::text FROM accounts_outgoingmail WHERE state = 'running'"


class UnderWay:
    """Looks all the time which mails are being sent, and notes those around each kill: seen last before it, or first
    after it."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.kills_met: Counter[str] = Counter()
        self._now: set[str] = set()
        self._met: list[set[str]] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="under way", daemon=True)
        self._thread.start()

    def note_kill(self) -> None:
        with self._lock:
            self._met.append(set(self._now))

    def end(self) -> Counter[str]:
        """How many kills each mail met."""
        self._ended.set()
        self._thread.join()
        self._count(set())
        return self.kills_met

    def _watch(self) -> None:
        while not self._ended.is_set():
            with suppress(psycopg2.Error):
                connection = psycopg2.connect(self.database, connect_timeout=2)
                try:
                    self._look(connection)
                finally:
                    connection.close()
            time.sleep(SAMPLE_SECONDS)

    def _look(self, connection: psycopg2.extensions.connection) -> None:
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not self._ended.is_set():
                cursor.execute(UNDER_WAY)
                self._count({row[0] for row in cursor.fetchall()})
                time.sleep(SAMPLE_SECONDS)

    def _count(self, now: set[str]) -> None:
        with self._lock:
            for met in self._met:
                self.kills_met.update(met | now)
            self._met, self._now = [], now


class Killer:
    """Kills somebody every so many seconds until there were so many kills."""

    def __init__(self, place: Place, *, kills: int, pace: float, dice: random.Random) -> None:
        self.place = place
        self.wanted = kills
        self.pace = pace
        self.dice = dice
        self.killed: Counter[str] = Counter()
        self.last_at = time.monotonic()
        # Cleared while the people are behind: the kills are to meet all of them, not the first ones alone.
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.under_way = UnderWay(place.environment["DATABASE_URL"])
        self.thread = threading.Thread(target=self._run, name="killer", daemon=True)

    @property
    def share(self) -> float:
        """How much of its work is done."""
        return self.killed.total() / self.wanted if self.wanted else 1.0

    def start(self) -> None:
        self.thread.start()

    def _run(self) -> None:
        while self.killed.total() < self.wanted:
            time.sleep(self.dice.uniform(0.5, 1.5) * self.pace)
            self.may_go_on.wait()
            victim = self.dice.choices(list(VICTIMS), weights=list(VICTIMS.values()))[0]
            if self._kill(victim):
                self.killed[victim] += 1
                self.last_at = time.monotonic()

    def _kill(self, victim: str) -> bool:
        """Whether there was somebody to kill: a part that has not answered yet since its last death is left alone."""
        part = victim.rpartition(" ")[2]
        pid = self.place.pids().get(part)
        if pid is None or self.place.is_starting(part):
            return False
        target = self._child(pid, part) if " " in victim else pid
        if target is None:
            return False
        if part in CARRIERS:
            self.under_way.note_kill()
        try:
            if psutil.Process(target).status() == psutil.STATUS_ZOMBIE:
                return False
            os.kill(target, signal.SIGKILL)
        except (psutil.NoSuchProcess, ProcessLookupError):
            return False
        return True

    def _child(self, pid: int, part: str) -> int | None:
        try:
            children = psutil.Process(pid).children()
            if part == "postgres":
                children = [child for child in children if " ".join(child.cmdline()).startswith(BACKEND)]
        except psutil.NoSuchProcess:
            return None
        return self.dice.choice(children).pid if children else None
