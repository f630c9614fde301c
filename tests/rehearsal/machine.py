"""An instance: a machine with nothing on it but what the platform puts there.

It is this machine seen through namespaces. /var is a folder of the instance's own, so that the platform's absolute
paths (/var/app/current) are the real ones; so is 127.0.0.1, so that every instance has a port 80 and a port 8000; its
name is its own, too. Two instances do not see each other, nothing of this machine's own /var is touched, and the
stand-ins for database, cache and buckets answer at the ports at which they answer outside (wire.py).
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portal.embedded.process import end_group, launched
from portal.embedded.state import LOOPBACK

FOLDERS = ("app", "bin", "cache", "lib/nginx", "lock", "log/nginx/healthd", "run", "spool", "tmp")
WIRE = Path(__file__).with_name("wire.py")
# As systemd would be told to: later, what has not ended is killed.
STOP_SECONDS = 30.0
# $0 is the instance's /var, $1 its name; what follows keeps the namespaces there, and is the wire's inner end.
MAKE = 'mount --bind "$0" /var && echo "$1" > /proc/sys/kernel/hostname && cd / && shift && exec "$@"'
# How this machine's pip and its TLS find their registry: no matter of the bundle.
OF_THE_REGISTRY = ("PIP_", "SSL_CERT_", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# Programs that the instance has beside this machine's own.
PATH = "/var/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class StepError(Exception):
    """A step of the platform failed; what it said."""


@dataclass
class Process:
    """A line of the Procfile that runs."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def has_ended(self) -> bool:
        return self.popen.poll() is not None

    def stop(self) -> float:
        """SIGTERM to all of it, as systemd sends it to a unit; the seconds it took, STOP_SECONDS and more if killed."""
        began = time.monotonic()
        if not self.has_ended():
            os.killpg(self.popen.pid, signal.SIGTERM)
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            end_group(self.popen.pid)
            self.popen.wait()
        return time.monotonic() - began


@dataclass
class Machine:
    name: str
    folder: Path
    sockets: Path
    """A folder with a short path, for the wires."""
    processes: list[Process] = field(default_factory=list)
    holders: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in FOLDERS:
            (self.var / name).mkdir(parents=True, exist_ok=True)

    @property
    def var(self) -> Path:
        return self.folder / "var"

    @property
    def app(self) -> Path:
        """/var/app, as it is called from outside."""
        return self.var / "app"

    def power_on(self, *, services: Sequence[int], door: int) -> None:
        """Make the namespaces. The instance reaches these ports of this machine; its own port 80 is `door` outside."""
        inner = f"unix:{self.sockets}/{self.name}"
        out = [f"tcp:{LOOPBACK}:{port}=unix:{self.sockets}/{port}" for port in services]
        wire = [sys.executable, "-I", "-S", str(WIRE)]
        make = [*unshared(), "sh", "-ec", MAKE, str(self.var), self.name]
        self._hold([*make, *wire, "--loopback", f"{inner}=tcp:{LOOPBACK}:80", *out])
        self._hold([*wire, f"tcp:{LOOPBACK}:{door}={inner}"])

    def _hold(self, command: Sequence[str]) -> None:
        holder = subprocess.Popen(launched(command), env=plain({}), stdout=subprocess.PIPE, start_new_session=True)
        self.holders.append(holder)
        if not is_laid(holder):
            raise StepError(f"{self.name} cannot be made: namespaces of one's own are not to be had on this machine.")

    def run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: str,
        is_online: bool = False,
        seconds: float = 600,
    ) -> str:
        """Run to the end, as the platform would, and return what it printed. StepError when it fails. Only what
        installs from a registry is online."""
        done = subprocess.run(
            self.inside(command, cwd, is_online=is_online),
            env=plain(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        with (self.var / "log" / "eb-engine.log").open("a") as log:
            log.write(f"$ {shlex.join(command)}\n{done.stdout}")
        if done.returncode:
            said = "\n".join(done.stdout.splitlines()[-30:])
            raise StepError(f"{self.name}: {shlex.join(command)} ended with {done.returncode}.\n{said}")
        return done.stdout

    def start(self, name: str, command: Sequence[str], *, environment: Mapping[str, str], cwd: str) -> None:
        """Start what runs on, with a log as journald would keep it."""
        path = self.var / "log" / f"{name}.stdout.log"
        with path.open("ab") as log:
            popen = subprocess.Popen(
                launched(self.inside(command, cwd)),
                env=plain(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(Process(name, popen, path))

    def inside(self, command: Sequence[str], cwd: str, *, is_online: bool = False) -> list[str]:
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        network = () if is_online else ("--net",)
        enter = ["/usr/bin/nsenter", "--target", str(self.holders[0].pid), "--mount", "--uts", *network, *user, "--"]
        return [*enter, "sh", "-ec", 'cd "$0" && exec "$@"', cwd, *command]

    def stop(self) -> dict[str, float]:
        """End all that runs, as at the instance's end: the seconds that each took."""
        took = {process.name: process.stop() for process in reversed(self.processes)}
        self.processes.clear()
        for holder in self.holders:
            end_group(holder.pid)
            holder.wait()
        self.holders.clear()
        return took

    def logs(self) -> list[Path]:
        return [path for path in (self.var / "log").rglob("*") if path.is_file()]


def is_laid(wire: subprocess.Popen[bytes]) -> bool:
    """Whether the wire says so. It says nothing else."""
    if wire.stdout is None:
        return False
    with wire.stdout as said:
        return said.readline().strip() == b"laid"


def unshared() -> list[str]:
    """How to make namespaces of one's own: root may, others need a user namespace besides."""
    program = "/usr/bin/unshare"
    if not sys.platform.startswith("linux") or not Path(program).exists():
        raise StepError("The rehearsal needs Linux with util-linux: its instances are namespaces.")
    return [program, "--mount", "--uts", "--net", *(() if os.geteuid() == 0 else ("--map-root-user",))]


def plain(environment: Mapping[str, str]) -> dict[str, str]:
    """Of this process's environment nothing."""
    return {"PATH": PATH, "LANG": "C.UTF-8", **environment}


def of_the_registry() -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if name.upper().startswith(OF_THE_REGISTRY)}
    # Where pip's own configuration and its cache of wheels are.
    return {**found, "HOME": str(Path.home())}
