"""What the platform does with a bundle on an instance, in its order (Python on Amazon Linux 2023).

Prebuild hooks, the virtual environment, the proxy's files, container commands (those of the leader before the others),
predeploy hooks, from staging to current, the Procfile's processes, the proxy, three answers to the health check, and
postdeploy hooks. A step that fails ends the deployment."""

import os
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.rehearsal import proxy
from tests.rehearsal.clients import ask_instance
from tests.rehearsal.machine import PATH, Machine, Process, StepError, of_the_registry

STAGING, CURRENT = "/var/app/staging", "/var/app/current"
VENV = "/var/app/venv/staging-LQM1lest"
LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*([^\s].*)$")
HEALTHY_IN_A_ROW, HEALTH_SECONDS = 3, 90
# The platform knows these as well; the bundle does not use them, and the rehearsal would not do them.
NOT_REHEARSED = ("packages", "groups", "users", "sources", "services")


@dataclass
class Deployment:
    """One bundle on one instance."""

    machine: Machine
    bundle: Path
    properties: Mapping[str, str]
    """The environment's properties, with what the secrets' ARNs stand for."""
    is_leader: bool
    door: int
    """The instance's port 80, as it is reached from outside."""
    say: Callable[[str], None]
    steps: list[tuple[str, float]] = field(default_factory=list)

    @property
    def staging(self) -> Path:
        return self.machine.app / "staging"

    def carry_out(self) -> None:
        self._step("unpack the bundle", self.unpack)
        self._hooks("prebuild", STAGING)
        self._step("virtual environment", self._install)
        self._step("proxy's files", partial(proxy.configure, self.machine))
        self.run_container_commands()
        self._hooks("predeploy", STAGING)
        self._step("staging becomes current", self._move)
        self._step("Procfile", self._start)
        self._step("proxy", partial(proxy.start, self.machine))
        self._step("health", self._wait_until_healthy)
        self._hooks("postdeploy", CURRENT)
        self._require_all_to_run()

    def environment(self) -> dict[str, str]:
        return {"PATH": f"{VENV}/bin:{PATH}", **self.properties}

    def run(self, *command: str, **names: str) -> str:
        """A command of the deployed site, as an operator gives it on the instance."""
        return self.machine.run(command, environment={**self.environment(), **names}, cwd=CURRENT)

    # Steps ------------------------------------------------------------------------------------------------------

    def _step(self, name: str, do: Callable[[], None]) -> None:
        began = time.monotonic()
        do()
        self.steps.append((name, time.monotonic() - began))
        self.say(f"{self.machine.name}: {name} ({self.steps[-1][1]:.1f} s)")

    def unpack(self) -> None:
        self.staging.mkdir()
        with zipfile.ZipFile(self.bundle) as zipped:
            for entry in zipped.infolist():
                path = Path(zipped.extract(entry, self.staging))
                # extract() leaves modes out; unzip does not.
                mode = entry.external_attr >> 16
                if mode and not entry.is_dir():
                    path.chmod(mode & 0o777)

    def _hooks(self, kind: str, cwd: str) -> None:
        folder = self.machine.app / Path(cwd).name / ".platform" / "hooks" / kind
        for hook in sorted(folder.iterdir()) if folder.exists() else []:
            if not os.access(hook, os.X_OK):
                raise StepError(f"{kind}/{hook.name} is not executable.")
            path = f"{cwd}/.platform/hooks/{kind}/{hook.name}"
            self._step(f"{kind} hook {hook.name}", partial(self._run, [path], cwd))

    def _run(self, command: list[str], cwd: str, **names: str) -> None:
        self.machine.run(command, environment={**self.environment(), **names}, cwd=cwd)

    def _install(self) -> None:
        base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.machine.run([str(base), "-m", "venv", VENV], environment={}, cwd=STAGING)
        pip = [f"{VENV}/bin/pip", "install", "-q", "-r", "requirements.txt"]
        self.machine.run(pip, environment=of_the_registry(), cwd=STAGING, is_online=True)

    def run_container_commands(self) -> None:
        for name, command in self._container_commands():
            self._step(f"container command {name}", partial(self._container_command, command))

    def _container_commands(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Those that only the leader runs come first, whatever their names."""
        found = [
            (name, command)
            for config in configs(self.staging)
            for name, command in sorted(config.get("container_commands", {}).items())
        ]
        leaders = [pair for pair in found if pair[1].get("leader_only")]
        if self.is_leader:
            yield from leaders
        yield from (pair for pair in found if pair not in leaders)

    def _container_command(self, command: Mapping[str, Any]) -> None:
        names = {"EB_IS_COMMAND_LEADER": "true"} if self.is_leader else {}
        names |= {name: str(value) for name, value in command.get("env", {}).items()}
        cwd = command.get("cwd", STAGING)
        try:
            if "test" in command:
                self._run(["bash", "-c", command["test"]], cwd, **names)
        except StepError:
            return
        try:
            self._run(["bash", "-c", command["command"]], cwd, **names)
        except StepError:
            if not command.get("ignoreErrors"):
                raise

    def _move(self) -> None:
        shutil.move(self.staging, self.machine.app / "current")

    def _start(self) -> None:
        for name, command in procfile(self.machine.app / "current"):
            self.machine.start(name, ["bash", "-c", f"exec {command}"], environment=self.environment(), cwd=CURRENT)

    def _wait_until_healthy(self) -> None:
        """The instance's address is the Host, as the balancer's health checks have it."""
        in_a_row, end, said = 0, time.monotonic() + HEALTH_SECONDS, "nothing"
        while in_a_row < HEALTHY_IN_A_ROW:
            self._require_all_to_run()
            if time.monotonic() > end:
                raise StepError(f"{self.machine.name} is not healthy: /healthz said {said}.")
            try:
                said = str(ask_instance(self.door, "/healthz", {"Host": "10.0.12.34"}).status)
            except OSError as error:
                said = repr(error)
            in_a_row = in_a_row + 1 if said == "200" else 0
            time.sleep(0.3)

    def _require_all_to_run(self) -> None:
        ended = [process for process in self.machine.processes if process.has_ended()]
        if ended:
            raise StepError("\n".join(f"{self.machine.name}: {told(process)}" for process in ended))


def told(process: Process) -> str:
    end = "\n".join(process.log.read_text(errors="replace").splitlines()[-15:])
    return f"{process.name} ended with {process.popen.returncode}. {end}"


def configs(staging: Path) -> Iterator[dict[str, Any]]:
    """The configuration files, in their order."""
    for path in sorted((staging / ".ebextensions").glob("*.config")):
        config = yaml.safe_load(path.read_text()) or {}
        left = [key for key in NOT_REHEARSED if key in config]
        if left:
            raise StepError(f"{path.name} has {', '.join(left)}, which this rehearsal does not do.")
        yield config


def procfile(folder: Path) -> Iterator[tuple[str, str]]:
    for line in (folder / "Procfile").read_text().splitlines():
        found = LINE.fullmatch(line)
        if found is None:
            raise StepError(f"The Procfile has a line that the platform does not take: {line!r}")
        yield found[1], found[2]
