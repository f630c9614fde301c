"""Runs a module as on a server whose clock is wrong: python -m tests.flows.wrong_clock SECONDS MODULE ARGUMENTS..."""

import runpy
import sys
from datetime import UTC, datetime, timedelta

import time_machine


def main() -> None:
    _this, seconds, module, *arguments = sys.argv
    time_machine.travel(datetime.now(UTC) + timedelta(seconds=float(seconds))).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
