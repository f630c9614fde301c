"""The sandbox with its own child: limits, deaths, and what the child can see."""

import gc
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from datasets.exceptions import BucketDown
from datasets.kspace.errors import (
    FileChangedError,
    NotAVolumeError,
    ReaderDiedError,
    ReaderTimeoutError,
    TooLargeError,
)
from datasets.kspace.process import ROOT, Child
from datasets.kspace.report import Layout, Wish
from datasets.kspace.sandbox import Limits, Sandbox, SandboxError
from tests.kspace import volumes
from tests.kspace.odd_jobs import ODD_JOBS

MEGABYTE = 1 << 20
LIMITS = Limits(memory=200 * MEGABYTE, cpu_seconds=1, wall_seconds=20, jobs=1000)
# What would be a secret, in the environment of a worker.
SECRET = "AWS_SECRET_ACCESS_KEY"


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return volumes.multicoil(tmp_path_factory.mktemp("volume") / "volume.h5")


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(LIMITS, command=ODD_JOBS) as sandbox:
        yield sandbox


def pid_of(sandbox: Sandbox, file: Path) -> int:
    return look(sandbox, file)["pid"]


def look(sandbox: Sandbox, file: Path, outside: str = "/nowhere/file", port: int = 9) -> dict[str, Any]:
    return sandbox.run("look_around", {"outside": outside, "port": port}, file)


def lives(pid: int) -> bool:
    """A zombie is not alive, but not gone either."""
    return Path(f"/proc/{pid}").exists()


def waits_until(wanted: Callable[[], bool]) -> bool:
    for _ in range(200):
        if wanted():
            return True
        time.sleep(0.05)
    return False


class Refusing(io.BytesIO):
    """A file object that is cut off after so many bytes."""

    def __init__(self, content: bytes, *, after: int) -> None:
        super().__init__(content)
        self.left = after

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.left -= len(content)
        if self.left < 0:
            raise BucketDown("The bucket went away.")
        return content


class Zeros(io.BytesIO):
    """A file object that never ends."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return 10**15 if whence == os.SEEK_END else offset

    def read(self, size: int | None = -1, /) -> bytes:
        return bytes(size or 0)


class TestJobs:
    def test_a_volume_on_disk_is_described_and_rendered(self, shared: Sandbox, volume: Path) -> None:
        facts = shared.describe(volume)
        assert facts.layout is Layout.MULTI_COIL
        rendering = shared.render(volume, Wish(format="png"))
        assert rendering.report.facts == facts
        assert {picture.name for picture in rendering.report.pictures} == set(rendering.contents)

    def test_a_file_object_gives_the_same(self, shared: Sandbox, volume: Path) -> None:
        with volume.open("rb") as file:
            assert shared.describe(file) == shared.describe(volume)
            assert shared.run("slice", {"number": 1}, file) == shared.run("slice", {"number": 1}, volume)

    def test_its_bytes_are_those_of_the_file(self, shared: Sandbox, volume: Path) -> None:
        content = os.urandom(40 * MEGABYTE)
        end = len(content)
        for offset, length in (
            (0, 1),
            (16_000, 1000),
            (5, 100_000),
            (MEGABYTE, 33 * MEGABYTE),
            (end - 7, 100),
            (end, 1),
        ):
            found = shared.run("read", {"offset": offset, "length": length}, io.BytesIO(content))
            assert found == sha256(content[offset : offset + length]).hexdigest()

    def test_one_child_does_many_jobs(self, shared: Sandbox, volume: Path) -> None:
        first = pid_of(shared, volume)
        with pytest.raises(NotAVolumeError):
            shared.describe(io.BytesIO(b"<html>no volume</html>"))
        assert pid_of(shared, volume) == first

    def test_after_so_many_it_is_replaced_and_leaves_nothing(self, volume: Path) -> None:
        with Sandbox(LIMITS._replace(jobs=2), command=ODD_JOBS) as sandbox:
            pids = [pid_of(sandbox, volume) for _ in range(4)]
        assert pids[0] == pids[1] != pids[2] == pids[3]
        assert not any(map(lives, pids))

    def test_threads_wait_for_each_other(self, shared: Sandbox, volume: Path) -> None:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: (shared.describe(volume), pid_of(shared, volume)), range(40)))
        assert len(set(found)) == 1

    def test_the_end_of_the_thread_that_started_it_is_not_its_end(self, volume: Path) -> None:
        with Sandbox(LIMITS, command=ODD_JOBS) as sandbox:
            thread = threading.Thread(target=sandbox.start)
            thread.start()
            thread.join()
            first = pid_of(sandbox, volume)
            assert pid_of(sandbox, volume) == first

    def test_what_is_expected_is_told_to_a_file_object_that_wants_to_know(self, shared: Sandbox) -> None:
        class Curious(io.BytesIO):
            heard: tuple[int, int] | None = None

            def expect(self, offset: int, length: int) -> None:
                self.heard = (offset, length)

        large = Curious(bytes(20 * MEGABYTE))
        shared.run("read", {"offset": 7, "length": 17 * MEGABYTE}, large)
        assert large.heard == (7, 17 * MEGABYTE)
        curious = Curious(bytes(1000))
        shared.run("expect", {"offset": 10, "length": 5000}, curious)
        assert curious.heard == (10, 990)
        shared.run("expect", {"offset": 10, "length": 5000}, io.BytesIO(bytes(1000)))

    def test_what_is_no_file_is_not_opened(self, shared: Sandbox, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises(NotAVolumeError, match="folder, a pipe or a device"):
                shared.describe(path)
        with pytest.raises(FileNotFoundError):
            shared.describe(tmp_path / "nowhere")


class TestLimits:
    def test_too_much_of_the_processor(self, shared: Sandbox, volume: Path) -> None:
        with pytest.raises(ReaderTimeoutError, match="processor"):
            shared.run("spin", {}, volume)
        assert shared.describe(volume)

    def test_each_job_has_processor_time_of_its_own(self, volume: Path) -> None:
        with Sandbox(LIMITS._replace(wall_seconds=0.5, cpu_seconds=20), command=ODD_JOBS) as sandbox:
            sandbox.start()
            with pytest.raises(ReaderTimeoutError, match=r"longer than 0\.5 seconds"):
                sandbox.run("spin", {}, volume)

    def test_silence(self, volume: Path) -> None:
        with Sandbox(LIMITS._replace(wall_seconds=0.2), command=ODD_JOBS) as sandbox:
            with pytest.raises(ReaderTimeoutError, match=r"longer than 0\.2 seconds"):
                sandbox.run("sleep", {}, volume)
            assert look(sandbox, volume)

    def test_memory_for_a_file_without_end(self, shared: Sandbox, volume: Path) -> None:
        before = pid_of(shared, volume)
        with pytest.raises(TooLargeError, match="memory"):
            shared.run("eat", {}, Zeros())
        assert pid_of(shared, volume) != before
        assert not lives(before)

    def test_memory_that_is_kept_ends_the_child_but_not_the_job(self, volume: Path) -> None:
        with Sandbox(LIMITS, command=ODD_JOBS) as sandbox:
            before = pid_of(sandbox, volume)
            sandbox.run("keep", {"megabytes": 110}, volume)
            assert pid_of(sandbox, volume) != before

    def test_nothing_can_be_written_and_nobody_be_called(
        self, volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(SECRET, "secret")
        with socket.create_server(("127.0.0.1", 0)) as server, Sandbox(LIMITS, command=ODD_JOBS) as sandbox:
            found = look(sandbox, volume, str(tmp_path / "written"), server.getsockname()[1])
        assert not found["writes"]
        assert {name for name in found["environment"] if name.startswith(("AWS", "DATABASE", "SECRET"))} == set()
        if can_be_shut_in():
            assert not found["connects"]
            assert not found["reads_the_parent"]


def can_be_shut_in() -> bool:
    return subprocess.run(["unshare", "--user", "--net", "true"], check=False, capture_output=True).returncode == 0


class TestDeaths:
    @pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGKILL])
    def test_a_crash_is_an_error_of_the_file_and_the_next_has_a_new_child(
        self, shared: Sandbox, volume: Path, number: signal.Signals
    ) -> None:
        before = pid_of(shared, volume)
        with pytest.raises(ReaderDiedError, match=number.name):
            shared.run("die", {"number": int(number)}, volume)
        assert not lives(before)
        assert shared.describe(volume)

    def test_leaving_is_a_death_too(self, shared: Sandbox, volume: Path) -> None:
        with pytest.raises(ReaderDiedError, match="came to its end"):
            shared.run("leave", {}, volume)

    def test_one_that_died_between_two_jobs_is_replaced_without_a_word(self, shared: Sandbox, volume: Path) -> None:
        before = pid_of(shared, volume)
        os.kill(before, signal.SIGKILL)
        assert waits_until(lambda: Path(f"/proc/{before}/stat").read_text().split()[2] == "Z")
        assert pid_of(shared, volume) != before
        assert not lives(before)

    def test_killed_from_outside_in_the_middle_of_a_job(self, shared: Sandbox, volume: Path) -> None:
        pid = pid_of(shared, volume)
        threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
        with pytest.raises(ReaderDiedError, match="SIGKILL"):
            shared.run("sleep", {}, volume)

    def test_a_fault_of_ours_is_no_error_of_the_file(self, shared: Sandbox, volume: Path) -> None:
        with pytest.raises(SandboxError, match=r"TypeError: a fault of ours \(odd_jobs\.py, line \d+\)"):
            shared.run("err", {}, volume)
        assert shared.describe(volume)

    @pytest.mark.parametrize(
        ("program", "why"),
        [
            (["/bin/true"], r"did not start \(status 0\)"),
            ([sys.executable, "-c", "import h5py2"], "No module named 'h5py2'"),
        ],
    )
    def test_a_child_that_does_not_start_is_no_error_of_the_file(
        self, volume: Path, program: list[str], why: str
    ) -> None:
        with Sandbox(command=program) as sandbox, pytest.raises(SandboxError, match=why):
            sandbox.describe(volume)


class TestTheParentsFile:
    def test_what_it_raises_comes_out_as_it_is_and_the_child_lives_on(self, shared: Sandbox, volume: Path) -> None:
        before = pid_of(shared, volume)
        for after in (0, 1000, 30_000):
            with pytest.raises(BucketDown, match="went away"):
                shared.run("slice", {"number": 1}, Refusing(volume.read_bytes(), after=after))
        assert pid_of(shared, volume) == before

    def test_its_slowness_is_not_held_against_the_file(self, volume: Path) -> None:
        class Slow(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                time.sleep(0.3)
                return super().read(size)

        with Sandbox(LIMITS._replace(wall_seconds=1), command=ODD_JOBS) as sandbox:
            assert sandbox.run("slice", {"number": 1}, Slow(volume.read_bytes()))["shape"]

    def test_it_may_not_be_kept_busy_for_ever_and_the_child_is_used_again(self, volume: Path) -> None:
        with Sandbox(LIMITS._replace(source_seconds=0), command=ODD_JOBS) as sandbox:
            before = pid_of(sandbox, volume)
            with pytest.raises(ReaderTimeoutError, match="took longer than 0 seconds to come"):
                sandbox.describe(io.BytesIO(volume.read_bytes()))
            assert pid_of(sandbox, volume) == before

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError, TimeoutError, ConnectionError, EOFError, ValueError])
    def test_whatever_it_is(self, shared: Sandbox, volume: Path, kind: type[BaseException]) -> None:
        class Interrupted(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                raise kind("of its own")

        before = pid_of(shared, volume)
        with pytest.raises(kind, match="of its own"):
            shared.describe(Interrupted(volume.read_bytes()))
        assert pid_of(shared, volume) == before

    def test_a_file_that_has_become_shorter_has_changed(self, shared: Sandbox, volume: Path) -> None:
        class Shrinking(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(size)[:-1]

        with pytest.raises(FileChangedError):
            shared.describe(Shrinking(b"\x89HDF\r\n\x1a\n"))


# A worker that is told a pid by its child, says it, and then never ends by itself.
WORKER = """
import sys, time
from pathlib import Path
from datasets.kspace.sandbox import Sandbox
from tests.kspace.odd_jobs import ODD_JOBS
sandbox = Sandbox(command=ODD_JOBS)
path = Path(sys.argv[1])
print(sandbox.run("look_around", {"outside": "/nowhere/file", "port": 9}, path)["pid"], flush=True)
sandbox.run(sys.argv[2], {}, path) if sys.argv[2] else time.sleep(60)
"""

# Forked in a process of its own, which has one thread.
FORKING = """
import os, sys
from pathlib import Path
from datasets.kspace.sandbox import Sandbox
from tests.kspace.odd_jobs import ODD_JOBS
sandbox = Sandbox(command=ODD_JOBS)
ask = lambda: sandbox.run("look_around", {"outside": "/nowhere/file", "port": 9}, Path(sys.argv[1]))["pid"]
print(ask(), flush=True)
if not (fork := os.fork()):
    print(ask(), flush=True)
    sys.exit()
os.waitpid(fork, 0)
print(ask())
"""


class TestEnds:
    @pytest.mark.parametrize("job", ["", "sleep", "spin"])
    def test_a_worker_that_is_killed_leaves_no_child(self, volume: Path, job: str) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", WORKER, str(volume), job], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as worker:
            assert worker.stdout
            pid = int(worker.stdout.readline())
            assert lives(pid)
            worker.kill()
        assert waits_until(lambda: not lives(pid))

    def test_a_sandbox_that_nobody_holds_ends_its_child(self, volume: Path) -> None:
        sandbox = Sandbox(command=ODD_JOBS)
        pid = pid_of(sandbox, volume)
        del sandbox
        gc.collect()
        assert not lives(pid)

    def test_a_forked_process_has_a_child_of_its_own(self, volume: Path) -> None:
        printed = subprocess.check_output([sys.executable, "-c", FORKING, str(volume)], cwd=ROOT, text=True)
        before, forked, after = printed.split()
        assert forked != before == after

    def test_a_command_can_start_its_child_before_it_imports_anything_large(self, volume: Path) -> None:
        loaded = "import sys, datasets.kspace.process; print(*sys.modules)"
        names = subprocess.check_output([sys.executable, "-c", loaded], cwd=ROOT, text=True).split()
        assert {"numpy", "h5py", "django", "dataclasses", "pathlib", "json"} & set(names) == set()
        with Sandbox(LIMITS, child=Child(ODD_JOBS, memory=LIMITS.memory)) as sandbox:
            assert sandbox.describe(volume)

    def test_the_parent_imports_neither_numpy_nor_the_site(self) -> None:
        loaded = "import sys, datasets.kspace.sandbox; print(*sys.modules)"
        names = subprocess.check_output([sys.executable, "-c", loaded], cwd=ROOT, text=True).split()
        assert {"numpy", "h5py", "django"} & set(names) == set()
