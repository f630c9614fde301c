"""download.sh ends with an exit code that says why: refused by the portal, no space, another run in the folder."""

import os
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from datasets.models import AccessGrant, Archive, DailyUsage, Release
from tests.factories import AgreementVersionFactory
from tests.flows.conftest import Offer
from tests.flows.faults import Fault, page, slow_down
from tests.flows.script import TRAIN, Script, every_shell
from tests.waiting import wait_until


class TestRefusal:
    """The portal's sentence is printed, and no further attempt is made."""

    def test_a_grant_revoked_in_mid_way(self, offer: Offer, script: Script) -> None:
        offer.plan.always = Fault(cut_after=150_000)
        offer.plan.rate = 150_000
        with script.running("-j1") as process:
            wait_until(lambda: offer.plan.seen, "The first request")
            AccessGrant.objects.update(status="revoked", reason="the project has closed", revoked_at=timezone.now())
            output, _ = process.communicate(timeout=30)
        assert process.returncode == 4
        assert "was ended by its maintainers" in output
        assert "the project has closed" in output
        assert "(The portal answered 403.)" in output
        assert len(offer.plan.seen) == 1

    @pytest.mark.parametrize(
        ("act", "words"),
        [
            (lambda: end_grants(), "Renew it at"),
            (lambda: User.objects.update(is_active=False), "was disabled"),
            (lambda: withdraw(), "two volumes carried dates"),
            (lambda: require_signature(), "Read and sign it at"),
        ],
        ids=["ended", "disabled", "withdrawn", "unsigned"],
    )
    @every_shell
    def test_every_refusal_is_told_once_and_ends_the_run(
        self, offer: Offer, script: Script, act: Callable[[], object], words: str, shell: list[str]
    ) -> None:
        act()
        done = script.run(shell=shell)
        assert done.returncode == 4, done.stderr
        assert done.stderr.count(words) == 1
        assert not offer.plan.seen
        assert not [file for file in script.data.iterdir() if file.is_file()]

    @every_shell
    def test_a_day_that_is_full_is_told_and_ends_the_run(self, offer: Offer, script: Script, shell: list[str]) -> None:
        fill_day()
        done = script.run(shell=shell)
        assert done.returncode == 4, done.stderr
        assert done.stderr.count("Run the same command again after 00:00 UTC") == 1
        assert "(The portal answered 429: not before " in done.stderr
        assert not offer.plan.seen
        DailyUsage.objects.all().delete()
        assert script.run(shell=shell).returncode == 0
        assert offer.is_whole(script.data)

    def test_a_minute_that_is_full_is_waited_for(self, offer: Offer, script: Script) -> None:
        offer.plan.faults.extend([Fault(status=429, body=b"slow down")] * 3)
        assert script.run().returncode == 0
        assert offer.is_whole(script.data)

    def test_after_renewal_the_same_script_goes_on(self, offer: Offer, script: Script) -> None:
        end_grants()
        assert script.run().returncode == 4
        AccessGrant.objects.update(ends_at=timezone.now() + timedelta(days=9))
        assert script.run().returncode == 0
        assert offer.is_whole(script.data)


def end_grants() -> None:
    now = timezone.now()
    AccessGrant.objects.update(starts_at=now - timedelta(days=9), ends_at=now - timedelta(days=1))


def fill_day() -> None:
    for grant in AccessGrant.objects.all():
        DailyUsage.objects.create(grant=grant, day=timezone.now().date(), asked=grant.daily_cap)


def withdraw() -> None:
    Release.objects.update(status="withdrawn", reason="two volumes carried dates", withdrawn_at=timezone.now())


def require_signature() -> None:
    agreement = Release.objects.get().dataset.agreement
    AgreementVersionFactory(agreement=agreement, number=31_000)


class TestDisk:
    def test_too_little_space_is_told_before_anything_is_fetched(self, offer: Offer, script: Script) -> None:
        Archive.objects.filter(name=TRAIN).update(size=10**18)
        subprocess.run(["curl", "-fsSo", script.file, offer.address("download.sh")], check=True)
        done = script.run()
        assert done.returncode == 3
        assert re.search(
            r"There is not enough space in .*: 1000000\.00 TB are needed, [0-9.]+ [TGM]B are free", done.stderr
        )
        assert not offer.plan.seen

    @every_shell
    def test_a_limit_met_on_the_way_is_told(self, offer: Offer, script: Script, shell: list[str]) -> None:
        limited = ["sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", *script.command("-j1", shell=shell)]
        done = subprocess.run(limited, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 3, done.stderr
        assert "Writing failed: the disk is full, or this folder has a quota." in done.stderr
        again = script.run(shell=shell)
        assert again.returncode == 0, again.stderr
        assert offer.is_whole(script.data)

    @pytest.mark.parametrize("df_knows", [True, False])
    def test_a_disk_that_is_full_is_told(self, offer: Offer, script: Script, df_knows: bool) -> None:
        """On a file system of one megabyte, whose free space df tells the script or does not."""
        small, programs = script.folder / "small", script.folder / "programs"
        small.mkdir()
        programs.mkdir()
        if not df_knows:
            (programs / "df").write_text("#!/bin/sh\n")
            (programs / "df").chmod(0o755)
        inside = 'mount -t tmpfs -o size=1m tmpfs "$1" && { sh "$2" --pause 0 --dir "$1"; echo "ended with $?"; }'
        command: list[str] = [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            inside,
            "sh",
            str(small),
            str(script.file),
        ]
        environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if "ended with" not in done.stdout:
            pytest.skip(f"this machine permits no mounts: {done.stderr}")
        assert "ended with 3" in done.stdout, done.stderr
        assert ("There is not enough space" if df_knows else "Writing failed: the disk is full") in done.stderr
        assert bool(offer.plan.seen) is not df_knows

    def test_a_folder_that_may_not_be_written_is_told(self, script: Script) -> None:
        done = subprocess.run(
            [*script.command()[:-1], "/proc/self"], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 3
        assert "cannot be written" in done.stderr


class TestTogether:
    def test_a_second_one_in_the_same_folder_is_sent_away(self, offer: Offer, script: Script) -> None:
        offer.plan.rate = 300_000
        with script.running() as process:
            script.wait_for_bytes()
            done = script.run()
            assert done.returncode == 5
            assert f"Another run is at work in this folder (process {process.pid} " in done.stderr
            offer.plan.rate = float("inf")
            process.communicate(timeout=30)
        assert process.returncode == 0
        assert offer.is_whole(script.data)

    def test_three_at_once_in_folders_of_their_own(self, offer: Offer, script: Script) -> None:
        offer.plan.faults.extend([Fault(cut_after=50_000), slow_down(), Fault(cut_after=70_000), page()])
        folders = [script.folder / name for name in "abc"]
        processes = [
            subprocess.Popen(
                [*script.command()[:-1], str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for folder in folders
        ]
        outputs = [process.communicate(timeout=60)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0], outputs
        assert all(offer.is_whole(folder) for folder in folders)

    def test_a_lock_that_a_dead_run_left_is_taken_over(self, offer: Offer, script: Script) -> None:
        lock = script.data / f".{script.stem}.lock"
        lock.mkdir()
        gone = subprocess.Popen(["true"])
        gone.wait()
        (lock / "owner").write_text(f"{gone.pid} {os.uname().nodename}\n")
        assert script.run().returncode == 0
        assert not lock.exists()

    def test_a_lock_of_another_machine_is_respected(self, script: Script) -> None:
        lock = script.data / f".{script.stem}.lock"
        lock.mkdir()
        (lock / "owner").write_text("1234 another-node\n")
        done = script.run()
        assert done.returncode == 5
        assert f"(process 1234 another-node). If there is none, remove {lock}" in done.stderr
        assert lock.exists()
