"""The printed commands of curl, wget and aria2, run as people run them, while the bucket fails in several ways."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from datasets.models import AccessGrant, DailyUsage
from tests.flows.conftest import SIGNED_LIFETIME, Offer
from tests.flows.faults import Fault, slow_down
from tests.waiting import wait_until

CLIENTS = ["curl", "wget", "aria2"]
every_client = pytest.mark.parametrize("client", CLIENTS)


def run(command: str, folder: Path, seconds: float = 90) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=seconds, check=False
    )


def command_of(offer: Offer, client: str, folder: Path) -> str:
    """The last line of a printed command, after those before it have fetched the list."""
    prepare, _, fetch = offer.commands()[client].rpartition("\n")
    done = run(prepare, folder)
    assert done.returncode == 0, done.stderr
    for list_ in folder.glob("*.aria2"):
        list_.write_text(list_.read_text().replace("retry-wait=10", "retry-wait=1"))
    # aria2 writes down how far it is once a minute; these files would be here before.
    return fetch.replace("aria2c ", "aria2c --auto-save-interval=1 ")


@every_client
def test_all_files_arrive_and_the_printed_check_agrees(offer: Offer, client: str, tmp_path: Path) -> None:
    done = run(command_of(offer, client, tmp_path), tmp_path)
    assert done.returncode == 0, done.stderr
    assert offer.is_whole(tmp_path)
    check = run(offer.commands()["check"], tmp_path)
    assert check.returncode == 0
    assert check.stdout.count(": OK") == 3
    assert offer.link.records.count() >= 3


@every_client
def test_what_holds_the_link_is_for_its_owner_alone(offer: Offer, client: str, tmp_path: Path) -> None:
    command_of(offer, client, tmp_path)
    kept = [file for file in tmp_path.iterdir() if file.is_file()]
    assert len(kept) == 2
    assert {oct(file.stat().st_mode & 0o777) for file in kept} == {"0o600"}


@every_client
def test_a_second_run_is_content_with_what_is_there(offer: Offer, client: str, tmp_path: Path) -> None:
    command = command_of(offer, client, tmp_path)
    run(command, tmp_path)
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert offer.is_whole(tmp_path)


@every_client
def test_connections_that_break_are_resumed_where_they_broke(offer: Offer, client: str, tmp_path: Path) -> None:
    offer.plan.faults.extend([Fault(cut_after=200_000), Fault(cut_after=150_000), Fault(cut_after=300_000)])
    done = run(command_of(offer, client, tmp_path), tmp_path)
    assert done.returncode == 0, done.stderr
    assert offer.is_whole(tmp_path)
    assert any(found and not found.startswith("bytes=0-") for found in offer.ranges())


@every_client
def test_killed_in_mid_file_it_goes_on_from_there(offer: Offer, client: str, tmp_path: Path) -> None:
    command = command_of(offer, client, tmp_path)
    offer.plan.rate = 300_000
    process = subprocess.Popen(["sh", "-c", command], cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL)
    wait_until(lambda: size_of(tmp_path / "knee_train.tar.gz") > 700_000, "A good third of the largest file")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (tmp_path / "knee_train.tar.gz").read_bytes() != offer.files["knee_train.tar.gz"]
    offer.plan.rate = float("inf")
    offer.plan.seen.clear()
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert offer.is_whole(tmp_path)
    assert any(found and not found.startswith("bytes=0-") for found in offer.ranges())


def size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def size_of_any(folder: Path) -> int:
    return sum(size_of(file) for file in folder.glob("knee_*"))


@every_client
def test_an_address_that_expired_in_mid_way_is_replaced_through_the_portal(
    offer: Offer, client: str, tmp_path: Path
) -> None:
    """The connection hangs until the presigned URL has expired, and then breaks."""
    offer.plan.faults.extend([Fault(cut_after=100_000, wait=SIGNED_LIFETIME + 1.5)])
    done = run(command_of(offer, client, tmp_path), tmp_path)
    assert done.returncode == 0, done.stderr
    assert offer.is_whole(tmp_path)


def test_an_expired_address_of_the_bucket_is_worth_nothing(offer: Offer) -> None:
    class Kept(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    with pytest.raises(urllib.error.HTTPError) as redirect:
        urllib.request.build_opener(Kept).open(offer.address("knee_sample.tar"))
    with redirect.value as answer:
        location = answer.headers["Location"]
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == offer.files["knee_sample.tar"]
    time.sleep(SIGNED_LIFETIME + 1)
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(location)
    with refusal.value as answer:
        assert answer.code in (400, 403)


@every_client
def test_a_storage_that_asks_to_slow_down_is_asked_again(offer: Offer, client: str, tmp_path: Path) -> None:
    offer.plan.faults.extend([slow_down(), slow_down()])
    done = run(command_of(offer, client, tmp_path), tmp_path)
    assert done.returncode == 0, done.stderr
    assert offer.is_whole(tmp_path)


@every_client
def test_a_grant_revoked_in_mid_way_ends_the_command_with_an_error(offer: Offer, client: str, tmp_path: Path) -> None:
    command = command_of(offer, client, tmp_path).replace("seq 9", "seq 3")
    offer.plan.faults.extend([Fault(cut_after=100_000, wait=2)] * 9)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, command, tmp_path)
        wait_until(lambda: offer.plan.seen, "The first request")
        AccessGrant.objects.update(status="revoked", reason="the project has closed", revoked_at=timezone.now())
        done = running.result()
    assert done.returncode != 0
    assert "403" in done.stderr + done.stdout
    records = offer.link.records.count()
    assert run(command, tmp_path).returncode != 0
    assert offer.link.records.count() == records


@every_client
def test_a_refusal_is_never_saved_as_data(offer: Offer, client: str, tmp_path: Path) -> None:
    command = command_of(offer, client, tmp_path).replace("seq 9", "seq 2")
    now = timezone.now()
    AccessGrant.objects.update(starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))
    done = run(command, tmp_path)
    assert done.returncode != 0
    assert size_of_any(tmp_path) == 0


@every_client
def test_a_day_that_is_full_ends_the_command_with_an_error(offer: Offer, client: str, tmp_path: Path) -> None:
    DailyUsage.objects.create(grant=offer.link.grant, day=timezone.now().date(), asked=offer.link.grant.daily_cap)
    done = run(command_of(offer, client, tmp_path), tmp_path)
    assert done.returncode != 0
    assert not offer.plan.seen
    assert not list(tmp_path.glob("knee_*"))


@every_client
def test_what_all_connections_of_a_command_ask_for_counts_once(offer: Offer, client: str, tmp_path: Path) -> None:
    offer.plan.faults.extend([Fault(cut_after=50_000), Fault(cut_after=70_000), slow_down()])
    assert run(command_of(offer, client, tmp_path), tmp_path).returncode == 0
    size = sum(len(content) for content in offer.files.values())
    # Connections that begin at the same moment do not see each other, and may each count what they share.
    assert size <= offer.link.grant.usage.get().asked <= 2.5 * size


def test_three_clients_at_once_get_what_one_gets(offer: Offer, tmp_path: Path) -> None:
    folders = {client: tmp_path / client for client in CLIENTS}
    for folder in folders.values():
        folder.mkdir()
    fetches = {client: command_of(offer, client, folder) for client, folder in folders.items()}
    offer.plan.faults.extend([Fault(cut_after=90_000), slow_down(), Fault(cut_after=400_000)])
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda client: run(fetches[client], folders[client]), CLIENTS))
    assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]
    assert all(offer.is_whole(folder) for folder in folders.values())


def test_head_says_what_get_will_give(offer: Offer, tmp_path: Path) -> None:
    address = offer.address("knee_val.tar.xz")
    head = run(f"curl -sfI '{address}'; wget -q --spider '{address}' && echo there", tmp_path)
    assert "content-length: 1000007" in head.stdout.lower()
    assert "there" in head.stdout
    assert not offer.link.records.exists()
    assert not offer.plan.seen


def test_aria2_with_sixteen_connections_never_meets_the_limit(offer: Offer, tmp_path: Path) -> None:
    offer.plan.faults.extend([Fault(cut_after=20_000)] * 30)
    address = offer.address("knee_train.tar.gz")
    done = run(f"aria2c -c -x16 -s16 -k1M --min-split-size=1M --retry-wait=1 -m0 '{address}'", tmp_path)
    assert done.returncode == 0, done.stdout
    assert offer.is_whole(tmp_path, "knee_train.tar.gz")
    assert offer.link.records.count() > 15
    assert "status=429" not in done.stdout


def test_aria2_notices_bytes_that_changed_on_the_way_and_heals_them_next_time(offer: Offer, tmp_path: Path) -> None:
    command = command_of(offer, "aria2", tmp_path)
    offer.plan.faults.append(Fault(flip_at=200_000))
    assert run(command, tmp_path).returncode == 32
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stdout
    assert offer.is_whole(tmp_path)


@pytest.mark.parametrize("client", ["curl", "wget"])
def test_the_printed_check_notices_what_curl_and_wget_cannot(offer: Offer, client: str, tmp_path: Path) -> None:
    offer.plan.faults.append(Fault(flip_at=200_000))
    assert run(command_of(offer, client, tmp_path), tmp_path).returncode == 0
    check = run(offer.commands()["check"], tmp_path)
    assert check.returncode == 1
    assert "knee_sample.tar: FAILED" in check.stdout
