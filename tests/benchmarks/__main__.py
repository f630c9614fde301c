"""Measure in alternating rounds and print a table of ratios."""

import argparse
import os
import platform
from statistics import median

from tests.benchmarks import ingest, notices, presigning
from tests.benchmarks.kspace import table as previews
from tests.benchmarks.loader import Load, ask
from tests.benchmarks.site import Site, request, running

WARM_UP = 3.0
LEGEND = """
requests/s, of empty   medians of the rounds; what else runs on this machine disturbs them
µs, of empty           processor time an answer, of gunicorn, PostgreSQL and Valkey together: hardly disturbed
client                 share of one processor that the measuring took; well below 100 %, it does not limit"""
NUMBERS_LEGEND = """
ms                     an answer's share of the time, of 16 that are under way: medians of the rounds
times, from … to       how many times as long at size, round by round; most: what is promised
µs times               the same of the processor time, of gunicorn, PostgreSQL and Valkey together: hardly disturbed"""
FIELDS = ("rate", "cost", "client_share")


Measured = dict[tuple[str, str], list[Load]]
EMPTY = ("", "an empty Django view")


def measure(site: Site, rounds: int, seconds: float) -> Measured:
    """Of each world and kind of request, the load of every round. A round asks each kind of one world and then of the
    other, and the empty view first and last, so that what else the machine does meets them alike."""
    asked: dict[tuple[str, str], tuple[int, list[bytes], int]] = {EMPTY: (site.empty_port, [request("/")], 200)}
    for name, target in site.targets.items():
        for world in site.worlds:
            asked[world.name, name] = (world.port, target.requests(), target.status)
    # Pages of the admin are many, and dear enough to be measured soon.
    long = {key: seconds / (4 if "admin" in key[1] else 1) for key in asked}
    for key, (port, requests, status) in asked.items():
        ask(port, requests, status=status, seconds=min(WARM_UP, long[key]))
    loads: Measured = {key: [] for key in asked}
    for number in range(rounds):
        for key in list(asked) if number % 2 == 0 else list(reversed(asked)):
            port, requests, status = asked[key]
            loads[key].append(ask(port, requests, status=status, seconds=long[key]))
        print(f"round {number + 1} of {rounds} is measured", flush=True)
    return loads


def ratios(loads: list[Load], bases: list[Load], field: str) -> list[float]:
    """Round by round, of the answers a second or the processor time of each."""
    return sorted(getattr(load, field) / getattr(base, field) for load, base in zip(loads, bases, strict=True))


def show_speed(site: Site, loads: Measured) -> None:
    """What the site costs on the nearly empty database, against a Django view that does nothing."""
    empty, world = loads[EMPTY], site.worlds[0]
    heads = f"{'requests/s':>11}{'of empty':>10}{'from … to':>18}{'µs':>7}{'of empty':>10}{'client':>8}{'queries':>9}"
    print(f"\n{'':24}{heads}")
    for name in (EMPTY[1], *(name for name in site.targets if "admin" not in name)):
        found = loads[EMPTY if name == EMPTY[1] else (world.name, name)]
        rates = ratios(found, empty, "rate")
        rate, cost, client = (median(getattr(load, field) for load in found) for field in FIELDS)
        print(
            f"{name:24}{rate:>11.0f}{median(rates):>10.1%}{f'{rates[0]:.1%} … {rates[-1]:.1%}':>18}{cost:>7.0f}"
            f"{1 / median(ratios(found, empty, 'cost')):>10.1%}{client:>8.0%}{world.queries.get(name, ''):>9}"
        )
    print(LEGEND)


def show_numbers(site: Site, loads: Measured) -> None:
    """The same requests on both databases."""
    few, many = site.worlds
    print(
        f"\n{'':34}{'ms, few':>9}{'ms, many':>9}{'times':>7}{'from … to':>15}{'µs times':>10}{'most':>6}{'queries':>10}"
    )
    for name, target in site.targets.items():
        base, found = loads[few.name, name], loads[many.name, name]
        slower = sorted(1 / ratio for ratio in ratios(found, base, "rate"))
        dearer = median(ratios(found, base, "cost"))
        times = [1000 / median(load.rate for load in each) for each in (base, found)]
        queries = f"{few.queries[name]} → {many.queries[name]}"
        print(
            f"{name:34}{times[0]:>9.2f}{times[1]:>9.2f}{median(slower):>7.2f}"
            f"{f'{slower[0]:.2f} … {slower[-1]:.2f}':>15}{dearer:>10.2f}{target.most or '':>6}{queries:>10}"
        )
    print(NUMBERS_LEGEND)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default: 4)")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of 100,000 people, 1 million links, 5 million downloads; 0: without"
    )
    parser.add_argument("--only", choices=["site", "previews", "ingest", "notices"], help="leave the others out")
    options = parser.parse_args()
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} processors; gunicorn with 2 workers, production settings"
    )
    if options.only in (None, "previews"):
        previews.show()
    if options.only in (None, "ingest"):
        ingest.show(rounds=options.rounds)
    if options.only in (None, "notices"):
        notices.show(rounds=options.rounds)
    if options.only in (None, "site"):
        show_site(options)


def show_site(options: argparse.Namespace) -> None:
    with running(share=options.share) as site:
        loads = measure(site, options.rounds, options.seconds)
        show_speed(site, loads)
        if len(site.worlds) > 1:
            show_numbers(site, loads)
    ours, theirs = presigning.measure()
    print(f"\nA presigned URL: {ours:.0f} µs; the boto3 client: {theirs:.0f} µs; {theirs / ours:.1f} times as fast.")


if __name__ == "__main__":
    main()
