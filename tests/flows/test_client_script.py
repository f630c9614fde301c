"""download.sh fetches, resumes and verifies, while connections break and bytes are damaged."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.flows.conftest import Offer
from tests.flows.faults import PAGE, Fault, page, slow_down
from tests.flows.script import TRAIN, Script, every_shell, path_without, spoil
from tests.waiting import wait_until


class TestFetching:
    @every_shell
    def test_everything_arrives_verified(self, offer: Offer, script: Script, shell: list[str]) -> None:
        done = script.run(shell=shell)
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(script.data)
        assert done.stdout.splitlines()[-1].startswith(f"{offer.link.release}: all of 3 files verified, 3.30 MB, in ")
        assert done.stderr == ""
        assert script.leftovers() == [f".{script.stem}.verified"]

    @every_shell
    def test_a_second_run_is_quick_and_asks_for_nothing(self, offer: Offer, script: Script, shell: list[str]) -> None:
        script.run(shell=shell)
        offer.plan.seen.clear()
        records = offer.link.records.count()
        done = script.run(shell=shell)
        assert done.returncode == 0, done.stderr
        assert not offer.plan.seen
        assert offer.link.records.count() == records

    def test_a_file_that_was_touched_since_is_read_again(self, offer: Offer, script: Script) -> None:
        script.run()
        spoil(script.data / TRAIN, 5)
        done = script.run()
        assert done.returncode == 0
        assert "kept as" in done.stderr
        assert offer.is_whole(script.data)
        assert (script.data / f"{TRAIN}.old").exists()

    @pytest.mark.parametrize("jobs", ["1", "2", "16"])
    def test_in_parallel_too(self, offer: Offer, script: Script, jobs: str) -> None:
        done = script.run("-j", jobs)
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(script.data)

    def test_only_some_of_them(self, offer: Offer, script: Script) -> None:
        done = script.run("--only", "sample", "--only=*_val*")
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(script.data, "knee_sample.tar", "knee_val.tar.xz")
        assert not (script.data / TRAIN).exists()

    def test_a_script_made_for_a_choice_knows_no_other_file(self, offer: Offer, tmp_path: Path) -> None:
        command = offer.commands(only=("sample",))["script"].replace("sh knee", "sh ./knee")
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(tmp_path, "knee_sample.tar")
        assert not (tmp_path / TRAIN).exists()

    def test_where_only_shasum_is_known_it_serves(self, offer: Offer, script: Script, tmp_path: Path) -> None:
        """As on macOS."""
        script_path = path_without(tmp_path, "sha256sum")
        if not shutil.which("shasum", path=script_path):
            pytest.skip("this machine has no shasum")
        done = script.run(PATH=script_path)
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(script.data)


class TestResuming:
    @every_shell
    def test_connections_that_break(self, offer: Offer, script: Script, shell: list[str]) -> None:
        offer.plan.faults.extend([Fault(cut_after=100_000), Fault(cut_after=50_000), slow_down(), Fault(cut_after=9)])
        done = script.run("-j1", shell=shell)
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(script.data)
        assert "bytes=100000-" in offer.ranges()
        assert "interrupted at 100.00 kB of 300.00 kB" in done.stdout

    def test_an_address_that_expired_in_mid_way(self, offer: Offer, script: Script) -> None:
        offer.plan.faults.append(Fault(cut_after=100_000, wait=4.5))
        assert script.run("-j1").returncode == 0
        assert offer.is_whole(script.data)

    def test_killed_without_a_word_it_goes_on_from_there(self, offer: Offer, script: Script) -> None:
        offer.plan.rate = 300_000
        with script.running() as process:
            script.wait_for_bytes()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        had = script.part().stat().st_size
        offer.plan.rate = float("inf")
        done = script.run()
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(script.data)
        assert f"bytes={had}-" in offer.ranges()

    def test_when_only_the_script_is_killed_what_it_started_ends_too(self, offer: Offer, script: Script) -> None:
        offer.plan.rate = 300_000
        with script.running() as process:
            script.wait_for_bytes()
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.wait()
            assert any("curl" in child.name() for child in children)
            wait_until(lambda: not any(child.is_running() for child in children), "The end of all that it started")

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
    def test_a_signal_ends_it_and_all_that_it_started(
        self, offer: Offer, script: Script, number: signal.Signals, code: int
    ) -> None:
        offer.plan.rate = 300_000
        with script.running() as process:
            script.wait_for_bytes()
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(number)
            output, _ = process.communicate(timeout=10)
        assert process.returncode == code
        assert "Interrupted. Start it again: it resumes." in output
        # At most the second's pause of the one that reported is still there.
        wait_until(lambda: not any(child.is_running() for child in children), "The end of all that it started", 3)
        assert f".{script.stem}.lock" not in script.leftovers()

    def test_what_curl_began_under_the_files_name_is_taken_up(self, offer: Offer, script: Script) -> None:
        (script.data / TRAIN).write_bytes(offer.files[TRAIN][:1_500_000])
        done = script.run("--only", TRAIN)
        assert done.returncode == 0, done.stderr
        assert offer.ranges() == ["bytes=1500000-"]
        assert offer.is_whole(script.data, TRAIN)


class TestDamage:
    @every_shell
    def test_a_damaged_part_is_fetched_again(self, offer: Offer, script: Script, shell: list[str]) -> None:
        content = bytearray(offer.files[TRAIN][:1_000_000])
        content[500_000] ^= 1
        script.part().write_bytes(content)
        done = script.run(shell=shell)
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(script.data)
        assert "its SHA-256 is not the right one; it is fetched once more" in done.stderr

    def test_a_part_that_is_too_long_is_fetched_again(self, offer: Offer, script: Script) -> None:
        script.part().write_bytes(b"x" * 3_000_000)
        assert script.run().returncode == 0
        assert offer.is_whole(script.data)

    def test_a_part_that_was_whole_is_only_verified(self, offer: Offer, script: Script) -> None:
        script.part().write_bytes(offer.files[TRAIN])
        assert script.run("--only", TRAIN).returncode == 0
        assert not offer.plan.seen

    def test_another_file_of_this_name_is_kept(self, offer: Offer, script: Script) -> None:
        other = b"another release of the same name" * 10
        (script.data / TRAIN).write_bytes(other)
        assert script.run("--only", TRAIN).returncode == 0
        assert offer.is_whole(script.data, TRAIN)
        assert (script.data / f"{TRAIN}.old").read_bytes().startswith(other)

    def test_bytes_that_change_on_the_way_are_noticed_and_fetched_again(self, offer: Offer, script: Script) -> None:
        offer.plan.faults.append(Fault(flip_at=123_456))
        done = script.run("-j1")
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(script.data)

    def test_what_is_wrong_twice_is_given_up_and_not_kept_as_data(self, offer: Offer, script: Script) -> None:
        offer.plan.always = Fault(flip_at=123_456)
        done = script.run("--only", TRAIN)
        assert done.returncode == 1
        assert f"{TRAIN}: damaged: its SHA-256 was wrong twice" in done.stderr
        assert not (script.data / TRAIN).exists()

    @every_shell
    def test_a_page_from_in_between_is_never_taken_for_data(
        self, offer: Offer, script: Script, shell: list[str]
    ) -> None:
        script.part().write_bytes(offer.files[TRAIN][:1_000_000])
        offer.plan.faults.extend([page(), page(), page()])
        done = script.run("-j1", shell=shell)
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(script.data)
        # What was there before the page came was not thrown away.
        assert "bytes=1000000-" in offer.ranges()

    def test_when_there_are_only_pages_it_says_so(self, offer: Offer, script: Script) -> None:
        offer.plan.always = page()
        done = script.run("--tries", "3", "--only", "sample")
        assert done.returncode == 1
        assert f"the answer ended at byte {len(PAGE)} of 300001" in done.stderr
        assert not [file for file in script.data.iterdir() if file.is_file()]

    def test_somebody_who_knows_no_ranges_is_met_by_beginning_again(self, offer: Offer, script: Script) -> None:
        script.part().write_bytes(b"y" * 1000)
        whole = Fault(status=200, body=offer.files[TRAIN], kind="application/octet-stream")
        offer.plan.always = whole
        done = script.run("--only", TRAIN)
        assert done.returncode == 0, done.stderr
        assert offer.is_whole(script.data, TRAIN)
