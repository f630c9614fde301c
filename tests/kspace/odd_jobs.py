"""The sandbox's own child with a few more jobs, which do what a file that has taken it over might do.

Sandbox(command=ODD_JOBS).run("spin", {}, path)
"""

import os
import socket
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from datasets.kspace import child
from datasets.kspace.process import COMMAND

ODD_JOBS = (*COMMAND[:-1], "tests.kspace.odd_jobs")
kept: list[Any] = []


def spin(_file: child.Foreign) -> child.Answer:
    while True:
        pass


def sleep(_file: child.Foreign) -> child.Answer:
    time.sleep(60)
    return None, {}


def die(_file: child.Foreign, number: int) -> child.Answer:
    os.kill(os.getpid(), number)
    return None, {}


def leave(_file: child.Foreign) -> child.Answer:
    os._exit(0)


def eat(file: child.Foreign) -> child.Answer:
    """All of a file object, however large it is."""
    assert not isinstance(file, Path)
    file.seek(0)
    return len(file.read()), {}


def keep(_file: child.Foreign, megabytes: int) -> child.Answer:
    kept.append(np.ones(megabytes << 17))
    return None, {}


def err(_file: child.Foreign) -> child.Answer:
    raise TypeError("a fault of ours")


def look_around(file: child.Foreign, outside: str, port: int) -> child.Answer:
    """What a process in there finds of its surroundings."""
    return {
        "pid": os.getpid(),
        "environment": sorted(os.environ),
        "writes": _tries(lambda: Path(outside).write_text("x")),
        "connects": _tries(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close()),
        "reads_the_parent": _tries(Path(f"/proc/{os.getppid()}/environ").read_bytes),
        "file": str(file),
    }, {}


def read(file: child.Foreign, offset: int, length: int) -> child.Answer:
    assert not isinstance(file, Path)
    file.seek(offset)
    return sha256(file.read(length)).hexdigest(), {}


def expect(file: child.Foreign, offset: int, length: int) -> child.Answer:
    assert isinstance(file, child.ParentFile)
    file.expect(offset, length)
    return None, {}


def _tries(act: Any) -> bool:
    try:
        act()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    child.JOBS |= {job.__name__: job for job in (spin, sleep, die, leave, eat, keep, err, look_around, read, expect)}
    child.main()
    sys.exit()
