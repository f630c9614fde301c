"""Keeps the parts running: starts them in order, starts a crashed one again, stops them in the opposite order."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from portal.embedded.process import Part, Running, end_group

CRASHES = 3
WITHIN_SECONDS = 60
LOOK_EVERY_SECONDS = 0.2


class Kept:
    """A part that is being kept running, with what has happened to it."""

    def __init__(self, part: Part, running: Running, *, patient: bool) -> None:
        self.part = part
        self.running = running
        self.patient = patient
        self.crashes: deque[float] = deque(maxlen=CRASHES)
        self.again_at: float | None = None
        self.recovering = False
        self.held = False
        self._question: threading.Thread | None = None
        self._answers = False
        # Not before it was ready for the first time, and no longer when it is given up.
        self.watched = False

    def answers(self) -> bool:
        """Whether the part is ready, as far as is known: it is asked in a thread of its own, because one part that does
        not say must not keep the others from being started again."""
        if self._question is not None and self._question.is_alive():
            return False
        answers, self._answers = self._answers, False
        if not answers:
            self._question = threading.Thread(target=self._ask, name=f"is {self.part.name} ready", daemon=True)
            self._question.start()
        return answers

    def _ask(self) -> None:
        self._answers = self.part.ready()

    def crashed_too_often(self) -> bool:
        return (
            not self.patient and len(self.crashes) == CRASHES and self.crashes[-1] - self.crashes[0] <= WITHIN_SECONDS
        )


class Supervisor:
    """Watches the parts of one folder from a thread of its own.

    While the file `hold/NAME` exists that part is kept stopped: so a test, or a person, takes one part away for a time.
    On Linux a part ends when the thread that started it ends, so start() belongs in a thread that outlives the stack.
    A patient one gives no part up, however often it crashes: where somebody kills them on purpose.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], *, patient: bool = False) -> None:
        self.folder = folder
        self.say = say
        self.patient = patient
        self.kept: dict[str, Kept] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self, *parts: Part) -> None:
        """Start parts at the same time and return when all are ready; PartFailedError when one does not become so."""
        with self._lock:
            started = [Kept(part, Running(part, self.folder), patient=self.patient) for part in parts]
            self.kept |= {kept.part.name: kept for kept in started}
        for kept in started:
            kept.running.wait_until_ready()
            kept.watched = True
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="stack-watcher", daemon=True)
            self._watcher.start()

    def stop(self, seconds: float = 25) -> None:
        """Stop every part, those of the highest stage first; what does not end in time is ended by force."""
        self._stopping.set()
        deadline = time.monotonic() + seconds
        with self._lock:
            by_stage = sorted(self.kept.values(), key=lambda kept: -kept.part.stage)
            for _stage, group in groupby(by_stage, key=lambda kept: kept.part.stage):
                self._stop_together(list(group), deadline)
            self.kept.clear()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None

    def _stop_together(self, group: Iterable[Kept], deadline: float) -> None:
        for kept in group:
            kept.running.ask_to_stop()
        for kept in group:
            kept.running.wait_until_stopped(min(kept.part.stop_seconds, deadline - time.monotonic()))

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_SECONDS):
            with self._lock:
                for kept in self.kept.values():
                    if kept.watched and not self._stopping.is_set():
                        self._look_at(kept)

    def _look_at(self, kept: Kept) -> None:
        hold = (self.folder / "hold" / kept.part.name).exists()
        if hold != kept.held:
            self._change_hold(kept, hold=hold)
        elif kept.held:
            return
        elif kept.again_at is not None:
            if time.monotonic() >= kept.again_at:
                self._start_again(kept)
        elif kept.running.ended():
            self._note_crash(kept)
        elif kept.recovering and kept.answers():
            kept.recovering = False
            self.say(f"{kept.part.name} runs again.")

    def _change_hold(self, kept: Kept, *, hold: bool) -> None:
        kept.held = hold
        if hold:
            kept.running.ask_to_stop()
            kept.running.wait_until_stopped(kept.part.stop_seconds)
            self.say(
                f"{kept.part.name} is held: it stays stopped while {self.folder / 'hold' / kept.part.name} exists."
            )
        else:
            self._start_again(kept)

    def _note_crash(self, kept: Kept) -> None:
        name, how = kept.part.name, kept.running.how_it_ended()
        # What it had started would go on without it, beside what the next one starts.
        end_group(kept.running.process.pid)
        kept.crashes.append(time.monotonic())
        if kept.crashed_too_often():
            kept.watched = False
            self.say(
                f"{name} ended with {how}, for the third time within a minute, and is given up. "
                f"See {kept.running.log}; then stop the stack and start it again."
            )
            return
        self.say(f"{name} ended with {how}; it is started again.")
        # A moment for what the dead one held: its port, and PostgreSQL's shared memory.
        kept.again_at = time.monotonic() + 0.5 * len(kept.crashes)

    def _start_again(self, kept: Kept) -> None:
        kept.again_at = None
        kept.recovering = True
        kept.running = Running(kept.part, self.folder)
