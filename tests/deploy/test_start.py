"""Which processes an environment runs, and what those do that it does not want."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from portal.alive import application
from portal.embedded.state import choose_ports
from portal.start import ASLEEP, COMMANDS, command_of
from tests.deploy.project import ROOT
from tests.waiting import wait_until


def start(process: str, wanted: str, **more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PORTAL_PROCESSES": wanted, **more}
    command = [sys.executable, "-m", "portal.start", process]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def test_the_procfile_starts_every_process_by_its_name() -> None:
    lines = (ROOT / "ebextensions" / "Procfile").read_text().splitlines()
    assert lines == [f"{name}: python -m portal.start {name}" for name in COMMANDS["all"]]
    assert all(list(commands) == list(COMMANDS["all"]) for commands in COMMANDS.values())


def test_web_works_on_nothing_and_a_worker_serves_nothing() -> None:
    assert {name for name, command in COMMANDS["web"].items() if command != ASLEEP} == {"web"}
    assert COMMANDS["worker"]["web"][-1] == "portal.alive"
    assert COMMANDS["all"]["web"][-1] == "portal.wsgi"
    assert COMMANDS["worker"].items() - COMMANDS["all"].items() == {("web", COMMANDS["worker"]["web"])}


def test_every_queue_has_a_worker() -> None:
    queues = [part for command in COMMANDS["worker"].values() for part in command if part.startswith("--queues=")]
    assert queues == ["--queues=celery", "--queues=previews,ingest"]


@pytest.mark.parametrize(("process", "wanted"), [("web", ""), ("web", "Web"), ("web", "webworker")])
def test_an_environment_that_nobody_knows_starts_nothing(process: str, wanted: str) -> None:
    with pytest.raises(SystemExit, match=f"PORTAL_PROCESSES is '{wanted}': set web, worker or all."):
        command_of(process, wanted)


def test_a_process_that_nobody_knows_is_not_started() -> None:
    process = start("flower", "all")
    _out, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == "There is no process 'flower': web, worker, renderer, beat.\n"


def test_a_process_that_is_not_wanted_sleeps_until_it_is_told_to_end() -> None:
    process = start("beat", "web")
    wait_until(lambda: b"sleep\0infinity" in command_line(process.pid), "falling asleep")
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_worker_says_that_it_is_alive_and_serves_nothing_else() -> None:
    port = choose_ports(("web",), {})["web"]
    process = start("web", "worker", GUNICORN_CMD_ARGS=f"--bind=127.0.0.1:{port}")

    def status(path: str, method: str = "GET") -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:
            return 0

    try:
        wait_until(lambda: status("/healthz") == 200, "the answer of /healthz", seconds=60)
        assert status("/healthz", "HEAD") == 200
        assert [status(path) for path in ("/", "/admin/", "/healthz/", "/readyz")] == [404, 404, 404, 404]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_what_is_alive_says_so_in_plain_text() -> None:
    said: list[tuple[str, dict[str, str]]] = []
    body = application({"PATH_INFO": "/healthz"}, lambda status, headers: said.append((status, dict(headers))))
    assert b"".join(body) == b"ok\n"
    assert said[0][0] == "200 OK"
    assert said[0][1]["Cache-Control"] == "no-store"
