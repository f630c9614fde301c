"""Measure in alternating rounds and print a table of ratios."""

import argparse
import os
import platform
from statistics import median

from tests.benchmarks import presigning
from tests.benchmarks.loader import Load, ask
from tests.benchmarks.site import Site, request, running

WARM_UP = 3.0
LEGEND = """
requests/s, of empty   medians of the rounds; what else runs on this machine disturbs them
µs, of empty           processor time an answer, of gunicorn, PostgreSQL and Valkey together: hardly disturbed
client                 share of one processor that the measuring took; well below 100 %, it does not limit"""


def measure(site: Site, rounds: int, seconds: float) -> dict[str, list[Load]]:
    """For each kind of request, its load of every round. The empty view is measured in each round, first and again
    last, so that what else the machine does meets it and them alike."""
    targets = {"an empty Django view": (site.empty_port, [request("/")], 200)}
    targets["link: 302, recorded"] = (site.port, [request(path) for path in site.links], 302)
    for name, path in site.pages.items():
        targets[name] = (site.port, [request(path)], 200)
    for port, requests, status in targets.values():
        ask(port, requests, status=status, seconds=WARM_UP)
    loads: dict[str, list[Load]] = {name: [] for name in targets}
    for number in range(rounds):
        order = list(targets) if number % 2 == 0 else list(reversed(targets))
        for name in order:
            port, requests, status = targets[name]
            loads[name].append(ask(port, requests, status=status, seconds=seconds))
        print(f"round {number + 1} of {rounds} is measured", flush=True)
    return loads


def show(loads: dict[str, list[Load]], queries: dict[str, int]) -> None:
    empty = loads["an empty Django view"]
    heads = f"{'requests/s':>11}{'of empty':>10}{'from … to':>18}{'µs':>7}{'of empty':>10}{'client':>8}{'queries':>9}"
    print(f"\n{'':24}{heads}")
    for name, found in loads.items():
        ratios = sorted(load.rate / base.rate for load, base in zip(found, empty, strict=True))
        costs = [base.cost / load.cost for load, base in zip(found, empty, strict=True)]
        rate, cost, client = (
            median(getattr(load, field) for load in found) for field in ("rate", "cost", "client_share")
        )
        spread = f"{ratios[0]:.1%} … {ratios[-1]:.1%}"
        print(
            f"{name:24}{rate:>11.0f}{median(ratios):>10.1%}{spread:>18}{cost:>7.0f}{median(costs):>10.1%}"
            f"{client:>8.0%}{queries.get(name.split(':')[0], ''):>9}"
        )
    print(LEGEND)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default: 4)")
    options = parser.parse_args()
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} processors; gunicorn with 2 workers, production settings"
    )
    with running() as site:
        loads = measure(site, options.rounds, options.seconds)
        show(loads, site.queries)
    ours, theirs = presigning.measure()
    print(f"\nA presigned URL: {ours:.0f} µs; the boto3 client: {theirs:.0f} µs; {theirs / ours:.1f} times as fast.")


if __name__ == "__main__":
    main()
