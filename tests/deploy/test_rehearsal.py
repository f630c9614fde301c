"""What `make rehearse` rests on: instances that are machines of their own, and the platform's order."""

import http.server
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portal.embedded.state import choose_ports
from tests.rehearsal.beanstalk import Deployment, configs, procfile
from tests.rehearsal.environment import Wires
from tests.rehearsal.machine import Machine, StepError
from tests.waiting import wait_until

COMMANDS = """
container_commands:
  20_second: {command: "echo second >> /var/log/order"}
  10_first: {command: "echo first >> /var/log/order"}
  90_leads: {command: "echo leads $EB_IS_COMMAND_LEADER >> /var/log/order", leader_only: true}
  30_never: {command: "echo never >> /var/log/order", test: "false"}
  40_may_fail: {command: "exit 3", ignoreErrors: true}
"""


@contextmanager
def a_machine(folder: Path, *services: int) -> Iterator[tuple[Machine, int]]:
    door = choose_ports(("door",), {})["door"]
    wires = Wires(services)
    machine = Machine("rehearsed-web1", folder, wires.folder)
    try:
        machine.power_on(services=services, door=door)
        yield machine, door
    finally:
        machine.stop()
        wires.stop()


@pytest.fixture
def a_service() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def page_at(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_an_instance_has_its_own_name_folders_and_ports(tmp_path: Path, a_service: int) -> None:
    asked = f"curl -s -o /dev/null -w %{{http_code}} http://127.0.0.1:{a_service}/"
    with a_machine(tmp_path, a_service) as (machine, door):
        said = machine.run(["sh", "-ec", f"hostname; pwd; ls /var/app; {asked}"], environment={}, cwd="/var/app")
        machine.start("web", ["python3", "-m", "http.server", "80"], environment={}, cwd="/var/log")
        page = wait_until(lambda: page_at(door), "An answer of the instance")
        took = machine.stop()
    assert said.split() == ["rehearsed-web1", "/var/app", "200"]
    assert "web.stdout.log" in page
    assert set(took) == {"web"}
    assert (tmp_path / "var" / "log" / "eb-engine.log").exists()


def test_a_command_that_fails_ends_the_deployment_with_what_it_said(tmp_path: Path) -> None:
    with a_machine(tmp_path) as (machine, _door), pytest.raises(StepError, match="ended with 7") as refused:
        machine.run(["sh", "-c", "echo why it failed; exit 7"], environment={}, cwd="/var/app")
    assert "why it failed" in str(refused.value)


@pytest.mark.parametrize("is_leader", [True, False])
def test_what_only_the_leader_runs_comes_before_the_others(tmp_path: Path, is_leader: bool) -> None:
    bundle = tmp_path / "bundle.zip"
    with zipfile.ZipFile(bundle, "w") as zipped:
        zipped.writestr(".ebextensions/commands.config", COMMANDS)
    with a_machine(tmp_path / "instance") as (machine, door):
        deployment = Deployment(machine, bundle, {}, is_leader, door, say=lambda _sentence: None)
        deployment.unpack()
        deployment.run_container_commands()
        order = (machine.var / "log" / "order").read_text().splitlines()
    assert order == [*(["leads true"] if is_leader else []), "first", "second"]


def test_what_the_rehearsal_does_not_do_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".ebextensions").mkdir()
    (tmp_path / ".ebextensions" / "a.config").write_text("packages: {yum: {git: []}}")
    with pytest.raises(StepError, match=r"a\.config has packages"):
        list(configs(tmp_path))


def test_a_line_that_the_platform_does_not_take_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: gunicorn\nnot a line\n")
    with pytest.raises(StepError, match="not a line"):
        list(procfile(tmp_path))
