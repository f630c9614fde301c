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

from portal.embedded.application import ROOT, application_environment
from portal.embedded.process import end_group, launched
from portal.embedded.state import LOOPBACK, choose_ports, write_private
from tests.rehearsal.beanstalk import Deployment
from tests.rehearsal.machine import WIRE, Machine, StepError, is_laid

# The processes of an environment, and how many instances it has; the first is its leader. The worker's comes first: as
# docs/operating.md has it, and so that no page asks for work that nobody knows yet.
ENVIRONMENTS = {"worker": 1, "web": 2}
# Which of them has the secret of the database's owner.
MIGRATES = "worker"
SECRET = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:portal/rehearsal/database-owner-AbCdEf"
# Stands for the provider's program, and knows this one secret.
AWS = """#!/bin/sh
case "$*" in
  "secretsmanager get-secret-value --region eu-central-1 --secret-id {arn} "*) cat /var/bin/secret ;;
  *) echo "the rehearsal has no such secret: $*" >&2; exit 255 ;;
esac
"""


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
    properties: Mapping[str, str]
    owner_url: str
    services: Sequence[int]
    """The ports of the stand-ins."""
    say: Callable[[str], None]
    made: list[Machine] = field(default_factory=list)

    def deploy(self, bundle: Path, version: str) -> Fleet:
        """New instances for every environment, as an immutable deployment makes them: the leader of each first."""
        fleet = Fleet()
        for processes, number in ENVIRONMENTS.items():
            for index in range(number):
                deployment = self._deployment(bundle, f"{version}-{processes}{index + 1}", processes, index == 0)
                getattr(fleet, processes).append(deployment)
                deployment.carry_out()
        return fleet

    def _deployment(self, bundle: Path, name: str, processes: str, is_leader: bool) -> Deployment:
        door = choose_ports(("door",), {})["door"]
        machine = Machine(name, self.folder / name, self.sockets)
        self.made.append(machine)
        machine.power_on(services=self.services, door=door)
        properties = {**self.properties, "PORTAL_PROCESSES": processes}
        if processes == MIGRATES:
            give_secret(machine, self.owner_url)
            properties["DATABASE_OWNER_SECRET"] = SECRET
        return Deployment(machine, bundle, properties, is_leader, door, self.say)

    def stop(self) -> None:
        for machine in self.made:
            machine.stop()

    def rows(self, *arguments: str) -> str:
        """Run tests.rehearsal.rows, as somebody who has the site's addresses."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.rehearsal.rows", *arguments],
            cwd=ROOT,
            env=application_environment(self.properties),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def standing(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = json.loads(self.rows("standing"))
        return found


def give_secret(machine: Machine, value: str) -> None:
    program, secret = machine.var / "bin" / "aws", machine.var / "bin" / "secret"
    program.write_text(AWS.format(arn=SECRET))
    program.chmod(0o755)
    write_private(secret, value)


def open_rows(standing: Mapping[str, Mapping[str, int]], kinds: Sequence[str] = ()) -> int:
    return sum(rows["open"] for kind, rows in standing.items() if not kinds or kind in kinds)
