"""Do with the bundle what Elastic Beanstalk does, on this machine, and see whether the site holds.

    python -m tests.rehearsal [--before REF] [--dir D]

The bundle before, on a worker's instance and two of web, of which one leads; then this one on the same data, while
requests run; then back to the one before, while requests run. Exit code 1 when anything does not hold.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from portal.embedded.process import interrupt
from portal.embedded.stack import Stack
from tests.chaos.names import ARCHIVE, SLUG
from tests.rehearsal import proofs
from tests.rehearsal.account import Account
from tests.rehearsal.balancer import Balancer
from tests.rehearsal.bundles import Bundle, bundle_before, bundle_of
from tests.rehearsal.clients import Address, Site
from tests.rehearsal.environment import Cloud, Fleet, Wires, open_rows
from tests.rehearsal.load import Load, Wish
from tests.rehearsal.machine import StepError
from tests.rehearsal.proofs import Proof, Reader
from tests.waiting import wait_until

HOST = "portal.example.org"
WORK_SECONDS = 240
BEGAN = time.monotonic()


def say(sentence: str) -> None:
    print(f"{time.monotonic() - BEGAN:7.1f} s  {sentence}", flush=True)


class Rehearsal:
    def __init__(self, folder: Path, stack: Stack) -> None:
        self.folder, self.stack = folder, stack
        self.balancer = Balancer(folder / "balancer", HOST)
        ports = self.balancer.ports
        self.address = Address(HOST, ports["secure"], ports["plain"], self.balancer.certificate)
        self.site = Site(self.address, stack.mail_folder)
        self.wires = Wires(list(stack.ports.values()))
        self.account = Account(stack, HOST)
        self.cloud = Cloud(folder / "instances", self.wires.folder, self.account, say)
        self.proofs: list[Proof] = []
        self.readers: list[Reader] = []

    def prove(self, *found: Proof) -> None:
        self.proofs += found
        for proof in found:
            say(f"{'holds' if proof.holds else 'FAILS'}: {proof.what}: {proof.found}")

    def go(self, now: Bundle, before: Bundle) -> None:
        """From the bundle before to this one, and back: so migrations are met by requests, and newer tables by older
        code. Where none is older, all three are the same."""
        fleet = self.first(before)
        fleet = self.again(fleet, now, f"redeploy of {now.name}", "2.0")
        fleet = self.again(fleet, before, f"rollback to {before.name}", "3.0")
        self.at_the_end(fleet)

    def first(self, bundle: Bundle) -> Fleet:
        """On an empty database: the leader migrates, the others do not."""
        fleet = self.cloud.deploy(bundle, "first")
        self.cloud.newest = bundle
        self.prove(proofs.of_the_leaders(fleet.deployments))
        self.balancer.point_to(fleet.doors())
        self.cloud.rows("catalogue")
        self.prove(*proofs.of_the_door(self.address, fleet.doors()[0]))
        ping = fleet.worker[0].run("celery", "-A", "portal.celery", "inspect", "ping", "--timeout=10")
        self.prove(proofs.of_the_worker(ping))
        self.main_job("first.reader@example.org")
        addresses = json.loads(self.cloud.rows("records", self.readers[0].email))
        self.prove(proofs.of_addresses(addresses), proofs.of_readiness(fleet.doors()[0]))
        return fleet

    def again(self, old: Fleet, bundle: Bundle, what: str, version: str) -> Fleet:
        """On the same data, while requests run and workers are in the midst of work."""
        with Load(self.address, self.wishes()) as load:
            new = self.cloud.deploy(bundle, what.split()[0])
            if what.startswith("redeploy"):
                self.cloud.newest = bundle
            self.cloud.rows("release", version)
            wait_until(lambda: self.cloud.standing()["datasets.ingest"]["running"], "Reading the archive", 60)
            self.balancer.point_to([*old.doors(), *new.doors()])
            self.balancer.point_to(new.doors())
            took = old.stop()
        self.prove(proofs.of_the_load(what, load), proofs.of_the_stop(what, took))
        wait_until(lambda: not open_rows(self.cloud.standing()), "The end of all work", WORK_SECONDS)
        self.prove(proofs.of_the_work(what, self.cloud.standing()))
        self.main_job(f"{what.split()[0]}.reader@example.org")
        return new

    def main_job(self, email: str) -> None:
        reader, proof = proofs.go_the_whole_way(self.site, email, self.folder)
        self.readers.append(reader)
        self.prove(proof)

    def wishes(self) -> list[Wish]:
        link = self.readers[0].link
        return [
            Wish("GET", "/", 200),
            Wish("GET", f"{link}{ARCHIVE}", 302),
            Wish("GET", f"/datasets/{SLUG}/", 200),
            Wish("HEAD", f"{link}{ARCHIVE}", 200),
            Wish("GET", f"{link}SHA256SUMS", 200),
            Wish("GET", "/accounts/login/", 200),
            Wish("GET", f"{link}{ARCHIVE}", 302),
        ]

    def at_the_end(self, fleet: Fleet) -> None:
        said = fleet.worker[0].run("python", "manage.py", "verify_evidence")
        self.prove(
            Proof("the chain of signatures", said.strip().splitlines()[-1], True), proofs.of_the_mails(self.site)
        )
        self.prove(proofs.of_the_stop("the end", fleet.stop()))
        hidden = [*(reader.token for reader in self.readers), *self.stack.secrets.values(), self.account.secret_key]
        self.prove(proofs.of_the_logs(self.cloud.made, hidden))

    def stop(self) -> None:
        self.cloud.stop()
        self.balancer.stop()
        self.wires.stop()


def rehearse(folder: Path, ref: str) -> list[Proof]:
    now = bundle_of("HEAD", folder / "bundles")
    say(f"The bundle of HEAD: {now.path.name}, {now.path.stat().st_size:,} bytes")
    before = bundle_before(folder / "bundles", ref)
    say(f"The bundle before: {before.name}")
    stack = Stack(folder / "stand-ins", say=say)
    stack.start(say)
    rehearsal = Rehearsal(folder, stack)
    try:
        rehearsal.go(now, before)
    finally:
        rehearsal.stop()
        stack.stop()
    return rehearsal.proofs


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.rehearsal", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--before",
        default="",
        metavar="REF",
        help="the commit to go back to (default: the last tag, or the last commit with other migrations)",
    )
    parser.add_argument("--dir", type=Path, default=None, help="a new folder for all of it, which is then kept")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    folder = options.dir.resolve() if options.dir else Path(tempfile.mkdtemp(prefix="portal-rehearsal-"))
    try:
        found = rehearse(folder, options.before)
    except (StepError, AssertionError) as error:
        say(f"The rehearsal ends here. {error}")
        return 1
    except KeyboardInterrupt:
        say("Stopped before its end.")
        return 130
    finally:
        if not options.dir:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{proofs.table(found)}")
    return 0 if all(proof.holds for proof in found) else 1


if __name__ == "__main__":
    sys.exit(main())
