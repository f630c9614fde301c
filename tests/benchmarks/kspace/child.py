"""A process with one way in it: `python -m tests.benchmarks.kspace.child by_numpy slice FILE`.

For each line that comes in it reconstructs once, and says how many seconds that took, how many of the processor's, and
how much memory it has held at most, in MB. A line that names a file has the picture of the middle slice written there.
"""

import importlib
import json
import sys
import time
from pathlib import Path

import h5py
import numpy as np

from tests.benchmarks.kspace.memory import most_memory


def main(way: str, task: str, file: str) -> None:
    path = Path(file)
    module = importlib.import_module(f"tests.benchmarks.kspace.{way}")
    with h5py.File(path) as opened:
        middle = len(opened["kspace"]) // 2
    print("ready", flush=True)
    for line in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        made = module.picture(path, middle) if task == "slice" else module.pictures(path)
        seconds, used = time.perf_counter() - began, time.process_time() - used
        if line.strip():
            np.save(line.strip(), made if task == "slice" else made[len(made) // 2])
        del made
        print(json.dumps([seconds, used, most_memory()]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
