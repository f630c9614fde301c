"""Pytest plugin: the real PostgreSQL, Valkey, bucket and mail sink, once for the whole run.

It starts them before Django reads its settings, and hands their addresses on in the environment, which the workers of
xdist inherit. Each worker has a test database of its own (pytest-django), and here a Valkey database and a bucket.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

import pytest

from portal.embedded.stack import Stack, evidence_bucket, preview_bucket

# Where the workers find the folder of the stack that the controller started.
FOLDER = "TEST_STACK_FOLDER"
BUCKET = "portal-tests"


class Started:
    """The one stack of this process."""

    stack: Stack | None = None


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    options = early_config.known_args_namespace
    if options.help or options.version:
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        _start()
    else:
        _take_own_share(worker)


def _start() -> None:
    folder = Path(tempfile.mkdtemp(prefix="portal-tests-"))
    stack = Started.stack = Stack(folder, buckets=[BUCKET], durable=False, say=_say)
    atexit.register(_stop)
    signal.signal(signal.SIGTERM, _interrupt)
    # Under nohup these are ignored, also by all that the tests start: then no test could see what ends a script.
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    stack.start()
    os.environ.update(stack.owners_environment() | {FOLDER: str(folder)})


def _take_own_share(worker: str) -> None:
    """A worker's own Valkey database and bucket: gw0 has number 1."""
    number = int(worker.removeprefix("gw")) + 1
    address, _slash, _database = os.environ["REDIS_URL"].rpartition("/")
    bucket = f"{BUCKET}-{worker}"
    evidence, previews = evidence_bucket(bucket), preview_bucket(bucket)
    for name in (bucket, evidence, previews):
        (Path(os.environ[FOLDER]) / "bucket" / name).mkdir(mode=0o700, exist_ok=True)
    names = {"BUCKET_NAME": bucket, "EVIDENCE_BUCKET_NAME": evidence, "PREVIEW_BUCKET_NAME": previews}
    os.environ |= {"REDIS_URL": f"{address}/{number}", **names}


def pytest_unconfigure() -> None:
    _stop()


def _stop() -> None:
    stack, Started.stack = Started.stack, None
    if stack is not None:
        stack.stop()
        shutil.rmtree(stack.path, ignore_errors=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(sentence: str) -> None:
    print(f"\nstack: {sentence}", file=sys.__stderr__)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of the one running demo go to one worker, so that it is started once."""
    for item in items:
        if "demo" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("demo"))


def pytest_report_header() -> str | None:
    return f"stack: {Started.stack.path}" if Started.stack else None
