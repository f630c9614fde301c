"""Parts are kept running, named when they crash, and given up when that does not help."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from portal.embedded.errors import PartFailedError
from portal.embedded.process import Part, end_leftovers, remember
from portal.embedded.supervisor import Supervisor
from tests.waiting import wait_until


class Parts:
    """A supervisor in a folder of its own, with what it said."""

    def __init__(self, folder: Path) -> None:
        for name in ("log", "run", "hold"):
            (folder / name).mkdir()
        self.folder = folder
        self.said: list[str] = []
        self.supervisor = Supervisor(folder, self.said.append)

    def start(self, name: str, script: str = "sleep 600", stage: int = 0) -> None:
        self.supervisor.start(Part(name=name, command=["/bin/sh", "-c", script], ready=lambda: True, stage=stage))

    def pid(self, name: str) -> int:
        return self.supervisor.kept[name].running.process.pid

    def crash(self, name: str) -> None:
        """Kill a part and wait until the supervisor has started it again or given it up."""
        before, told = self.pid(name), len(self.said)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: len(self.said) > told, "A word about the crash")
        if "given up" not in self.said[-1]:
            wait_until(lambda: self.pid(name) != before, "The new start")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    made = Parts(tmp_path)
    yield made
    made.supervisor.stop()


def test_killed_part_is_named_and_started_again(parts: Parts) -> None:
    parts.start("clock")
    parts.crash("clock")
    assert parts.said[0] == "clock ended with signal SIGKILL; it is started again."
    assert wait_until(lambda: "clock runs again." in parts.said, "The return")
    assert psutil.pid_exists(parts.pid("clock"))


def test_third_crash_within_a_minute_gives_the_part_up_and_leaves_the_others(parts: Parts) -> None:
    parts.start("clock")
    parts.start("other")
    for _crash in range(3):
        parts.crash("clock")
    assert "clock ended with signal SIGKILL, for the third time within a minute, and is given up." in parts.said[-1]
    assert parts.supervisor.kept["clock"].running.ended()
    assert not parts.supervisor.kept["other"].running.ended()


def test_patient_supervisor_gives_nothing_up(parts: Parts) -> None:
    parts.supervisor.patient = True
    parts.start("clock")
    for _crash in range(4):
        parts.crash("clock")
    assert not [sentence for sentence in parts.said if "given up" in sentence]


def test_part_that_does_not_say_whether_it_is_ready_keeps_no_other_from_its_new_start(parts: Parts) -> None:
    silent, asked = threading.Event(), []

    def ready() -> bool:
        # At its first start it answers.
        asked.append(1)
        return len(asked) == 1 or silent.wait(30)

    parts.supervisor.start(Part(name="mute", command=["/bin/sleep", "600"], ready=ready))
    parts.start("clock")
    parts.crash("mute")
    wait_until(lambda: len(asked) > 1, "The question")
    parts.crash("clock")
    assert wait_until(lambda: "clock runs again." in parts.said, "The return")
    assert "mute runs again." not in parts.said
    silent.set()
    assert wait_until(lambda: "mute runs again." in parts.said, "The other's return")


def test_part_that_cannot_start_is_refused_with_the_end_of_its_log(parts: Parts) -> None:
    part = Part(name="clock", command=["/bin/sh", "-c", "echo No spring >&2; exit 3"], ready=lambda: False)
    with pytest.raises(PartFailedError, match=r"clock ended with exit code 3\.\n[^\n]+\n +No spring"):
        parts.supervisor.start(part)


def test_part_that_stays_silent_is_refused(parts: Parts) -> None:
    part = Part(name="clock", command=["/bin/sleep", "600"], ready=lambda: False, start_seconds=0.1)
    with pytest.raises(PartFailedError, match=r"clock did not answer within 0\.1 seconds"):
        parts.supervisor.start(part)


def test_held_part_stays_stopped_until_it_is_let_go(parts: Parts) -> None:
    parts.start("clock")
    first = parts.pid("clock")
    (parts.folder / "hold" / "clock").touch()
    wait_until(lambda: parts.said, "A word about the hold")
    assert not psutil.pid_exists(first)
    (parts.folder / "hold" / "clock").unlink()
    wait_until(lambda: parts.pid("clock") != first, "The new start")
    assert not parts.supervisor.kept["clock"].crashes


def test_application_is_stopped_before_what_it_stands_on(parts: Parts) -> None:
    order = parts.folder / "order"
    for name, stage in (("database", 0), ("site", 1)):
        script = f"trap 'echo {name} >> \"{order}\"; exit' TERM; echo up >&2; while :; do sleep 0.05; done"
        parts.start(name, script, stage)
        log = parts.folder / "log" / f"{name}.log"
        wait_until(lambda log=log: "up" in log.read_text(), "The trap")  # type: ignore[misc]
    parts.supervisor.stop()
    assert order.read_text().split() == ["site", "database"]


def test_part_that_will_not_stop_is_ended_with_all_its_children(parts: Parts) -> None:
    child = parts.folder / "child"
    script = f"trap '' TERM; sleep 600 & echo $! > \"{child}\"; wait; wait"
    part = Part(name="clock", command=["/bin/sh", "-c", script], ready=child.exists, stop_seconds=0.2)
    parts.supervisor.start(part)
    wait_until(child.read_text, "The child")
    parts.supervisor.stop()
    assert wait_until(lambda: not psutil.pid_exists(int(child.read_text())), "The end of the child")


def test_what_a_crashed_part_had_started_ends_before_it_starts_again(parts: Parts) -> None:
    child = parts.folder / "child"
    parts.start("clock", f'sleep 600 & echo $! >> "{child}"; wait')
    first = int(wait_until(lambda: child.read_text() if child.exists() else "", "The child"))
    parts.crash("clock")
    wait_until(lambda: not psutil.pid_exists(first), "The end of the child")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's word at a parent's death is Linux's")
def test_part_ends_when_the_stack_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from portal.embedded.process import Part\n"
        "from portal.embedded.supervisor import Supervisor\n"
        "folder = Path(sys.argv[1])\n"
        "for name in ('log', 'run', 'hold'): (folder / name).mkdir()\n"
        "supervisor = Supervisor(folder, print)\n"
        "supervisor.start(Part(name='clock', command=['/bin/sleep', '600'], ready=lambda: True))\n"
        "print(supervisor.kept['clock'].running.process.pid, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        pid = int(process.stdout.readline()) if process.stdout else 0
        assert psutil.pid_exists(pid)
        process.kill()
    wait_until(lambda: not psutil.pid_exists(pid), "The end of the part")


def test_what_a_killed_run_left_is_ended_and_named(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as left:
        remember(tmp_path / "clock.pid", left.pid, signal.SIGTERM)
        assert end_leftovers(tmp_path) == ["clock"]
        assert not psutil.pid_exists(left.pid)
    assert not list(tmp_path.iterdir())


def test_a_foreign_process_with_the_number_of_a_part_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as foreign:
        (tmp_path / "clock.pid").write_text(f"{foreign.pid} 1000.5 15\n")
        assert end_leftovers(tmp_path) == []
        assert foreign.poll() is None
        foreign.kill()
