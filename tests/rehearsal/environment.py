"""The environments that are rehearsed: web with two instances and a worker's with one, over the same stand-ins."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from portal.embedded.process import end_group, launched
from portal.embedded.state import LOOPBACK, choose_ports
from tests.rehearsal.account import Account
from tests.rehearsal.beanstalk import Deployment
from tests.rehearsal.bundles import Bundle
from tests.rehearsal.machine import WIRE, Machine, StepError, is_laid, plain

# The processes of an environment, and how many instances it has; the first is its leader. The worker's comes first: as
# docs/operating.md has it, and so that no page asks for work that nobody knows yet.
ENVIRONMENTS = {"worker": 1, "web": 2}
# Which of them has the right to the secret of the database's owner.
MIGRATES = "worker"


@dataclass
class Fleet:
    """All instances that run one bundle."""

    web: list[Deployment] = field(default_factory=list)
    worker: list[Deployment] = field(default_factory=list)

    @property
    def deployments(self) -> list[Deployment]:
        return [*self.worker, *self.web]

    @property
    def machines(self) -> list[Machine]:
        return [deployment.machine for deployment in self.deployments]

    def doors(self) -> list[int]:
        return [deployment.door for deployment in self.web]

    def stop(self) -> dict[str, float]:
        """As the platform ends instances: all their processes at once; the seconds that each took."""
        with ThreadPoolExecutor() as pool:
            took = pool.map(lambda machine: machine.stop(), self.machines)
        return {
            f"{machine.name} {name}": seconds
            for machine, seconds_of in zip(self.machines, took, strict=True)
            for name, seconds in seconds_of.items()
        }


class Wires:
    """The outer ends of the wires to the stand-ins, one process for all instances."""

    def __init__(self, ports: Sequence[int]) -> None:
        # Names of sockets are short.
        self.folder = Path(tempfile.mkdtemp(prefix="wires-"))
        wires = [f"unix:{self.folder}/{port}=tcp:{LOOPBACK}:{port}" for port in ports]
        command = launched([sys.executable, "-I", "-S", str(WIRE), *wires])
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        if not is_laid(self.process):
            raise StepError("The wires to the stand-ins cannot be laid.")

    def stop(self) -> None:
        end_group(self.process.pid)
        self.process.wait()
        shutil.rmtree(self.folder)


@dataclass
class Cloud:
    """Where bundles are deployed: the stand-ins' addresses, and the folder of the instances."""

    folder: Path
    sockets: Path
    account: Account
    say: Callable[[str], None]
    made: list[Machine] = field(default_factory=list)
    newest: Bundle | None = None
    """The newest code that the database was changed by: an operator's commands are of it."""

    def deploy(self, bundle: Bundle, version: str) -> Fleet:
        """New instances for every environment, as an immutable deployment makes them: the leader of each first."""
        fleet = Fleet()
        for processes, number in ENVIRONMENTS.items():
            for index in range(number):
                deployment = self._deployment(bundle.path, f"{version}-{processes}{index + 1}", processes, index == 0)
                getattr(fleet, processes).append(deployment)
                deployment.carry_out()
        return fleet

    def _deployment(self, bundle: Path, name: str, processes: str, is_leader: bool) -> Deployment:
        door = choose_ports(("door",), {})["door"]
        machine = Machine(name, self.folder / name, self.sockets)
        self.made.append(machine)
        machine.power_on(services=list(self.account.stack.ports.values()), door=door)
        if processes == MIGRATES:
            self.account.give_owners_secret(machine)
        properties = self.account.properties(processes, bundle)
        return Deployment(machine, bundle, properties, is_leader, door, self.say)

    def stop(self) -> None:
        for machine in self.made:
            machine.stop()

    def rows(self, *arguments: str) -> str:
        """Run tests.rehearsal.rows of the newest code, as somebody who has what the worker has."""
        if self.newest is None:
            raise StepError("Nothing is deployed yet.")
        done = subprocess.run(
            [sys.executable, "-m", "tests.rehearsal.rows", *arguments],
            cwd=self.newest.checkout,
            env=plain(self.account.properties("worker", self.newest.path)),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def standing(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = json.loads(self.rows("standing"))
        return found


def open_rows(standing: Mapping[str, Mapping[str, int]]) -> int:
    return sum(rows["open"] for rows in standing.values())
