"""The folder of a stack: who holds it, and its ports and secrets, which are chosen once and kept in `stack.json`."""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from portal.embedded.errors import FolderInUseError, PortInUseError, StackError

LOOPBACK = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections, so that none takes ours between two starts.
PORTS = range(20_000, 32_000)
SUBFOLDERS = ("bucket", "hold", "log", "mail", "run")


class Folder:
    """A private folder that one run at a time holds."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: IO[str] | None = None

    @property
    def is_taken(self) -> bool:
        return self._lock is not None

    def take(self) -> None:
        """Make the folder and hold it. The lock ends with this process, however that ends."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in SUBFOLDERS:
            (self.path / name).mkdir(mode=0o700, exist_ok=True)
        lock = (self.path / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise FolderInUseError(
                f"{self.path} is in use by another run (process {holder}). Stop that one, or name another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def write_private(path: Path, text: str) -> None:
    """Put a file in place in one step, readable by its owner alone."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def load(path: Path) -> dict[str, dict[str, str | int]]:
    """What `stack.json` holds; empty before the first run."""
    try:
        content: dict[str, dict[str, str | int]] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise StackError(f"{path} cannot be read. Put it right, or remove the folder to begin anew.") from None
    return content


def make_secrets(kept: Mapping[str, str | int]) -> dict[str, str]:
    """The secrets of a stack: those of its first run, and new ones for what has none yet."""
    fresh = {
        "secret_key": secrets.token_urlsafe(64),
        "link_keys": f"a:{secrets.token_hex(32)}",
        "postgres_admin": secrets.token_urlsafe(24),
        "postgres_owner": secrets.token_urlsafe(24),
        "postgres_application": secrets.token_urlsafe(24),
        "valkey": secrets.token_urlsafe(24),
        "bucket_key_id": f"AK{secrets.token_hex(9).upper()}",
        "bucket_secret": secrets.token_urlsafe(30),
        "maintainer_password": secrets.token_urlsafe(15),
        "maintainer_totp": _base32_secret(),
    }
    return fresh | {name: str(value) for name, value in kept.items()}


def _base32_secret() -> str:
    return "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(32))


def choose_ports(names: tuple[str, ...], kept: Mapping[str, str | int]) -> dict[str, int]:
    """A port for each name: the last run's where it is still free, otherwise another free one."""
    chosen: dict[str, int] = {}
    for name in names:
        last = int(kept.get(name, 0))
        chosen[name] = last if last and is_free(last) else _free_port(set(chosen.values()))
    return chosen


def _free_port(taken: set[int]) -> int:
    for _try in range(200):
        port = secrets.choice(PORTS)
        if port not in taken and is_free(port):
            return port
    raise PortInUseError(f"No free port was found between {PORTS.start} and {PORTS.stop} on {LOOPBACK}.")


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a port whose last connections are still fading counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(port: int) -> None:
    if not 1 <= port <= 65_535:
        raise PortInUseError(f"{port} is no port: choose one between 1024 and 65535.")
    if not is_free(port):
        raise PortInUseError(
            f"Port {port} on {LOOPBACK} is in use, or not yours to use. Stop what listens there, or choose another."
        )
