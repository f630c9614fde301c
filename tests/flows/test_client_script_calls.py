"""download.sh: how it is called, and that it keeps the link to itself."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.flows.conftest import Offer
from tests.flows.script import TRAIN, Script, every_shell, path_without, spoil


class TestPrivacy:
    def test_the_link_is_on_no_command_line_and_in_no_file_for_others(self, offer: Offer, script: Script) -> None:
        token = offer.address().rstrip("/").rpartition("/")[2]
        offer.plan.rate = 300_000
        seen: set[str] = set()
        with script.running() as process:
            end = time.monotonic() + 2
            while time.monotonic() < end:
                for child in psutil.Process(process.pid).children(recursive=True):
                    try:
                        seen.add(" ".join([*child.cmdline(), *child.environ().values()]))
                    except psutil.Error:
                        continue
        assert any(line.startswith("curl") for line in seen)
        assert not [line for line in seen if token in line]
        assert oct(script.file.stat().st_mode & 0o777) == "0o600"

    def test_a_script_that_everybody_could_read_is_closed(self, script: Script) -> None:
        script.file.chmod(0o755)
        script.run("--list")
        assert oct(script.file.stat().st_mode & 0o777) == "0o700"

    def test_the_data_keep_the_mode_that_the_user_wants(self, script: Script) -> None:
        subprocess.run(["sh", "-c", 'umask 027; exec "$@"', "sh", *script.command()], check=True, timeout=60)
        assert oct((script.data / TRAIN).stat().st_mode & 0o777) == "0o640"

    def test_nothing_is_left_in_the_temporary_folder(self, script: Script, tmp_path: Path) -> None:
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        script.run(TMPDIR=str(temporary))
        script.run("--check", TMPDIR=str(temporary))
        script.run("--only", "nothing", TMPDIR=str(temporary))
        assert not list(temporary.iterdir())


class TestCalls:
    @every_shell
    def test_help_list_and_check_fetch_nothing(self, offer: Offer, script: Script, shell: list[str]) -> None:
        help_ = script.run("--help", shell=shell)
        assert help_.returncode == 0
        assert "--only PATTERN" in help_.stdout
        listed = script.run("--list", "--only", "sample", shell=shell)
        assert (listed.returncode, listed.stdout) == (0, " 300.00 kB  knee_sample.tar\n")
        check = script.run("--check", shell=shell)
        assert check.returncode == 1
        assert check.stderr.count(": missing") == 3
        assert not offer.plan.seen

    @every_shell
    def test_check_reads_every_byte_again(self, script: Script, shell: list[str]) -> None:
        script.run(shell=shell)
        file = script.data / TRAIN
        times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
        spoil(file, 77)
        os.utime(file, ns=times)
        assert script.run(shell=shell).returncode == 0, "size and time are as they were"
        done = script.run("--check", shell=shell)
        assert done.returncode == 1
        assert f"{TRAIN}: damaged" in done.stderr
        assert script.run(shell=shell).returncode == 0
        assert script.run("--check", shell=shell).returncode == 0

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--nonsense"],
            ["extra"],
            ["-j"],
            ["-j", "0"],
            ["-j", "17"],
            ["-jx"],
            ["-j", "1; id"],
            ["--only"],
            ["--only="],
            ["--only", "no such file"],
            ["--tries", "-1"],
            ["--pause", "99999999999999999999"],
            ["--dir="],
        ],
        ids=" ".join,
    )
    @every_shell
    def test_wrong_calls_are_told(self, offer: Offer, script: Script, arguments: list[str], shell: list[str]) -> None:
        done = subprocess.run(
            [*shell, str(script.file), *arguments],
            cwd=script.data,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1
        assert not list(script.data.iterdir())
        assert not offer.plan.seen

    def test_a_program_that_is_missing_is_named(self, script: Script, tmp_path: Path) -> None:
        done = script.run(PATH=path_without(tmp_path, "curl"))
        assert done.returncode == 6
        assert "The program curl is needed" in done.stderr

    def test_a_portal_that_is_away_is_given_up_after_some_tries(self, script: Script) -> None:
        script.file.write_text(re.sub(r"(address=http://127\.0\.0\.1):\d+", r"\1:9", script.file.read_text()))
        done = script.run("--tries", "2", "-j1")
        assert done.returncode == 1
        assert "not fetched: curl: (7)" in done.stderr
        assert "Start it again: it resumes." in done.stderr

    @pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
    def test_shellcheck_finds_nothing(self, script: Script) -> None:
        for dialect in ("sh", "dash", "busybox"):
            done = subprocess.run(
                ["shellcheck", "-s", dialect, script.file], capture_output=True, text=True, check=False
            )
            if "Unknown shell" not in done.stderr + done.stdout:
                assert done.stdout == ""

    @pytest.mark.parametrize(
        "name", ["Knee's", '"Knee"', "$(touch evil)", "`touch evil`", "a\nexit 9\n", "\\", "{{ x }}"]
    )
    def test_whatever_the_dataset_is_called_is_text_to_the_shell(self, offer: Offer, script: Script, name: str) -> None:
        dataset = offer.link.release.dataset
        dataset.name = name
        dataset.save()
        subprocess.run(["curl", "-fsSo", script.file, offer.address("download.sh")], check=True)
        done = subprocess.run(
            ["sh", script.file, "--help"], cwd=script.data, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0
        assert done.stdout.startswith(" ".join(f"{name} {offer.link.release.version}".split()))
        assert not list(script.data.iterdir())
