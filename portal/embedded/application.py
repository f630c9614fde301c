"""The site's own processes on top of the services: workers, beat and web server, and the commands run before them."""

import http.client
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from portal.embedded.errors import PartFailedError
from portal.embedded.process import Part, end_group, launched
from portal.embedded.state import LOOPBACK

ROOT = Path(__file__).resolve().parent.parent.parent
STAGE = 1


def application_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, in which the stack's names win: SITE_NAME and the like can be given to the demo."""
    return {**os.environ, **environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def worker(environment: Mapping[str, str]) -> Part:
    return _celery_worker("worker", environment, queue="celery", concurrency=2)


def renderer(environment: Mapping[str, str]) -> Part:
    """The worker of previews, and of archives that are read: mails need not wait for it, and pages come first where the
    processor is busy."""
    nice = shutil.which("nice")
    first = (nice, "-n", "10") if nice else ()
    return _celery_worker("renderer", environment, queue="previews,ingest", concurrency=1, first=first)


def _celery_worker(
    name: str, environment: Mapping[str, str], *, queue: str, concurrency: int, first: Sequence[str] = ()
) -> Part:
    command = [
        *first,
        *(sys.executable, "-m", "celery", "-A", "portal.celery", "worker"),
        # Named, so that neither takes what is the other's.
        *(f"--queues={queue}", f"--hostname={node(name)}", f"--concurrency={concurrency}"),
        # Neither worker has anybody to greet or to follow.
        *("--without-mingle", "--without-gossip", "--loglevel=INFO"),
    ]
    return Part(
        name=name,
        command=command,
        ready=lambda: a_worker_answers(environment["REDIS_URL"], node(name)),
        environment=application_environment(environment),
        stop_seconds=12,
        stage=STAGE,
    )


def node(name: str) -> str:
    """By which a worker is asked; each folder has a broker of its own, so that the machine's name is not needed."""
    return f"{name}@portal"


def beat(environment: Mapping[str, str]) -> Part:
    return Part(
        name="beat",
        command=[sys.executable, "-m", "celery", "-A", "portal.celery", "beat", "--pidfile=", "--loglevel=INFO"],
        # It answers no questions; when it ends, the supervisor sees that.
        ready=lambda: True,
        environment=application_environment(environment),
        stage=STAGE,
    )


def web(environment: Mapping[str, str], port: int) -> Part:
    command = [
        sys.executable, "-m", "gunicorn", "portal.wsgi", "--config=python:portal.gunicorn",
        # As in production, but that it stops within the time that the stack has.
        f"--bind={LOOPBACK}:{port}", "--graceful-timeout=8",
    ]  # fmt: skip
    return Part(
        name="web",
        command=command,
        ready=lambda: is_healthy(port),
        environment=application_environment(environment),
        stop_seconds=12,
        stage=STAGE,
    )


def a_worker_answers(broker: str, node: str) -> bool:
    # Without these it would try for ever to reach a broker that is away, and the supervisor with it.
    options = {"socket_connect_timeout": 1, "socket_timeout": 2, "max_retries": 0}
    with Celery(broker=broker, broker_transport_options=options, set_as_current=False) as app:
        try:
            return bool(app.control.ping(destination=[node], timeout=1, limit=1))
        except (OperationalError, RedisError, OSError):
            # Asking and being answered are two connections, and only the first one's errors are kombu's own.
            return False


def is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def run_command(*arguments: str, environment: Mapping[str, str], log: Path, progress: Callable[[str], None]) -> None:
    """Run a command of manage.py to its end and pass on what it says, a line at a time."""
    process = subprocess.Popen(
        launched([sys.executable, str(ROOT / "manage.py"), *arguments]),
        env=application_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said, failed = [], False
    try:
        with log.open("a") as file:
            for line in process.stdout or ():
                file.write(line)
                said.append(line.rstrip())
                failed = failed or line.startswith("Traceback")
                if line.strip() and not failed:
                    progress(line.rstrip())
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            end_group(process.pid)
        raise
    if code != 0:
        raise PartFailedError(
            "\n".join([f"{arguments[0]} ended with exit code {code}; {log} has it all.", *said[-12:]])
        )
