"""A notice to many people, against a bare loop with one SMTP connection that sends the same mails to the same sink.

    python -m tests.benchmarks.notices [--people 20000] [--rounds 5]

The portal's part is all that a worker does: the batches of the notice, and of each mail the claim, the rendering, the
sending and the record that it has left, committed durably before the next one leaves. The loop has its mails ready in
memory. Both run in the same process, one after the other, and send to the sink of the demo, which is another process
and stores each mail durably before it says so.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median

from portal.embedded.stack import Stack
from tests.benchmarks.site import analyze, production, run

PROMISED = 0.5


def measure(people: int, rounds: int) -> dict[str, list[float]]:
    """Seconds a mail: of queueing all of them, and round by round of delivering and of the loop, and of the processor
    what the process took for each."""
    folder = Path(tempfile.mkdtemp(prefix="portal-bench-"))
    stack = Stack(folder / "stack")
    try:
        stack.start()
        environment = production(stack)
        owner = stack.owners_environment()["DATABASE_OWNER_URL"]
        run(environment | {"DATABASE_OWNER_URL": owner}, "manage.py", "migrate", "-v0")
        run(environment, "-m", "tests.benchmarks.noticing", "fill", str(people))
        analyze(owner)
        found: dict[str, list[float]] = {"queueing": [json.loads(say(environment, "queue", people))]}
        # As autovacuum does within a minute.
        analyze(owner)
        return found | json.loads(say(environment, "send", rounds))
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


def say(environment: dict[str, str], work: str, number: int) -> str:
    """The last line that a process of the site prints; what it logs is left."""
    lines = run(environment, "-m", "tests.benchmarks.noticing", work, str(number), stderr=subprocess.DEVNULL)
    return lines.splitlines()[-1]


def show(people: int = 20_000, rounds: int = 5) -> None:
    found = measure(people, rounds)
    (queueing,) = found["queueing"]
    pairs = list(zip(found["delivering"], found["loop"], strict=True))
    ratios = sorted(loop / (queueing + delivering) for delivering, loop in pairs)
    print(f"\nA notice to {people:,} people, one worker, mails a second:")
    print(f"  queueing them         {1 / queueing:>8.0f}")
    print(f"  delivering them       {1 / median(found['delivering']):>8.0f}")
    print(f"  both                  {1 / (queueing + median(found['delivering'])):>8.0f}")
    print(f"  a bare loop           {1 / median(found['loop']):>8.0f}")
    print(
        f"  processor time        {1e3 * median(found['delivering_cpu']):>8.2f}  ms a mail; of the loop"
        f" {1e3 * median(found['loop_cpu']):.2f}"
    )
    print(
        f"  both, of the loop     {median(ratios):>8.2f}  ({ratios[0]:.2f} … {ratios[-1]:.2f}; at least {PROMISED} is"
        " promised)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.notices", description=__doc__)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    show(options.people, options.rounds)
