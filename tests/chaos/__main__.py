"""Kill every part of the site at random while people register, sign, and download; then see whether all holds.

    python -m tests.chaos --people 500 --kills 1000 [--seed N]

Exit code 1 when anything does not hold. With the same seed the same parts are chosen in the same order; what they
were doing at that moment is the machine's.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.chaos.kills import Killer
from tests.chaos.person import GaveUp, Person
from tests.chaos.place import Place, place

REPORT_SECONDS = 20
VERDICT = ("-m", "tests.chaos.verdict")


class Run:
    def __init__(self, site: Place, killer: Killer, options: argparse.Namespace) -> None:
        self.site = site
        self.killer = killer
        self.options = options
        self.people = [Person(site, number, patience=options.patience) for number in range(options.people)]
        self.gave_up: list[str] = []
        self.arrived: list[str] = []
        self.ended = threading.Event()

    def go(self) -> dict[str, Any]:
        self.killer.start()
        for task in (self.report, self.watch):
            threading.Thread(target=task, name=task.__name__, daemon=True).start()
        with ThreadPoolExecutor(max_workers=self.options.at_once) as pool:
            list(pool.map(self.send_off, range(self.options.people)))
        self.killer.thread.join()
        self.ended.set()
        say(f"{self.killer.killed.total()} kills, and everybody came to an end. Until all work is done:")
        settled = json.loads(self.site.python(*VERDICT, "settle", read="{}"))
        # The last people were on their way after the last kill; what they caused is done, too.
        settled["seconds"] = time.monotonic() - self.killer.last_at
        say(f"Settled {settled['seconds']:.0f} s after the last kill")
        return {
            "people": {person.email: person.did for person in self.people},
            "delivered": self.site.postbox.deliveries(),
            "met": self.killer.under_way.end(),
            "settled": settled,
        }

    def send_off(self, number: int) -> None:
        """People come as the kills go on, so that these meet every step of theirs."""
        person = self.people[number]
        while self.killer.share < 0.95 * number / len(self.people):
            time.sleep(0.2)
        person.begin()
        try:
            person.go_the_whole_way()
        except GaveUp as why:
            self.gave_up.append(str(why))
            say(f"Given up: {why}")
        self.arrived.append(person.email)

    def pace_the_kills(self) -> None:
        """Not before the people: the kills wait while as many as are on their way at once could not come."""
        behind = self.killer.share * len(self.people) - len(self.arrived)
        if behind > self.options.at_once:
            self.killer.may_go_on.clear()
        else:
            self.killer.may_go_on.set()

    def watch(self) -> None:
        while not self.ended.wait(0.5):
            self.pace_the_kills()

    def report(self) -> None:
        while not self.ended.wait(REPORT_SECONDS):
            reached = dict(Counter((person.did or ["begun"])[-1] for person in self.people if person.has_begun))
            troubles = dict(self.troubles().most_common(4))
            say(f"{self.killer.killed.total()} kills; people: {reached}; failed tries: {troubles}")

    def troubles(self) -> Counter[str]:
        return sum((Counter(person.troubles) for person in self.people), Counter())


BEGAN = time.monotonic()


def say(sentence: str) -> None:
    print(f"{time.monotonic() - BEGAN:7.1f} s  {sentence}", flush=True)


def tell(run: Run, lines: list[dict[str, Any]]) -> bool:
    """The tables; whether everything holds."""
    killed = run.killer.killed
    print(f"\n{killed.total()} kills: " + ", ".join(f"{name} {times}" for name, times in killed.most_common()))
    print(f"Tries that failed and were made again: {run.troubles().total()}\n")
    mistakes = Counter(run.site.mistakes)
    lines = [
        *lines,
        {"promise": "answers that are a mistake of ours (500)", "found": str(mistakes or 0), "holds": not mistakes},
        {"promise": "people who gave up", "found": str(len(run.gave_up)), "holds": not run.gave_up},
    ]
    for line in lines:
        print(f"{'holds' if line['holds'] else 'FAILS':7}{line['promise']:52}{line['found']}")
    return all(line["holds"] for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=500, help="how many go the whole way (default: 500)")
    parser.add_argument("--kills", type=int, default=1_000, help="how many processes are killed (default: 1,000)")
    parser.add_argument("--seed", type=int, default=None, help="of the dice that choose whom")
    parser.add_argument("--pace", type=float, default=1.2, help="mean seconds between kills (default: 1.2)")
    parser.add_argument("--at-once", type=int, default=16, help="people on their way at once (default: 16)")
    parser.add_argument("--patience", type=float, default=1_200, help="of a person, in seconds (default: 1,200)")
    parser.add_argument("--dir", type=Path, default=None, help="the folder of the site, which is then kept")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    say(f"{options.people} people, {options.kills} kills, seed {seed}")
    with place(say, options.dir) as site:
        killer = Killer(site, kills=options.kills, pace=options.pace, dice=random.Random(seed))  # noqa: S311
        run = Run(site, killer, options)
        found = run.go()
        lines = json.loads(site.python(*VERDICT, read=json.dumps(found)))
    return 0 if tell(run, lines) else 1


if __name__ == "__main__":
    sys.exit(main())
