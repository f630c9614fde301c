"""The one command: it starts everything, names what crashes, stops cleanly, and continues after a kill."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import psutil
import psycopg2
import pytest

from tests.demo import ROOT, Demo, clean_environment

PARTS = {"postgres", "valkey", "bucket", "mailsink", "worker", "renderer", "beat", "web"}


def test_demo_serves_the_site_and_its_mails(demo: Demo) -> None:
    with urlopen(f"{demo.url}/healthz") as answer:
        assert answer.status == 200
    page = re.search(r"Mails\s+(http://127\.0\.0\.1:\d+/)", demo.output())
    assert page
    with urlopen(page[1]) as answer:
        assert "Mails" in answer.read().decode()


def test_demo_prints_each_step_with_its_seconds_and_the_login(demo: Demo) -> None:
    steps = re.findall(r"^ +\d+\.\d s  (.+)$", demo.output(), re.MULTILINE)
    for word in ("PostgreSQL", "Valkey", "bucket", "mail sink", "migrated", "static files", "maintainer", "worker"):
        assert any(word in step for step in steps), word
    for fact in (demo.url, "maintainer@example.org", demo.secrets["maintainer_password"], str(demo.mail_folder)):
        assert fact in demo.output()


def test_demo_listens_on_loopback_alone(demo: Demo) -> None:
    places = set()
    for pid in demo.pids().values():
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            listening = (c for c in process.net_connections() if c.status == psutil.CONN_LISTEN)
            places |= {connection.laddr.ip for connection in listening}
    assert places == {"127.0.0.1"}


def test_site_workers_and_beat_log_in_as_the_application_and_never_see_the_owners_password(demo: Demo) -> None:
    for name in ("web", "worker", "renderer", "beat"):
        given = psutil.Process(demo.pids()[name]).environ()
        assert given["DATABASE_URL"].startswith("postgres://portal_app:"), name
        assert demo.secrets["postgres_owner"] not in "".join(given.values()), name
    with urlopen(f"{demo.url}/datasets/") as answer:
        assert answer.status == 200
    asked = "SELECT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with closing(psycopg2.connect(demo.environment["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute(asked)
        assert {user for (user,) in cursor.fetchall()} == {"portal_app"}
    said = demo.command("check", "--database", "default", "--fail-level", "WARNING").stdout
    assert "no issues" in said


def test_killed_worker_is_named_and_started_again(demo: Demo) -> None:
    before = demo.pids()["worker"]
    os.kill(before, signal.SIGKILL)
    demo.wait_for_word("worker runs again.", 60)
    assert "worker ended with signal SIGKILL; it is started again." in demo.output()
    assert demo.pids()["worker"] != before


def test_part_taken_away_for_a_time_comes_back(demo: Demo) -> None:
    with demo.without("mailsink"):
        assert "mailsink" not in demo.pids()
    assert "mailsink" in demo.pids()


def test_port_in_use_is_said_before_anything_starts(demo: Demo, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(demo.port), "--dir", str(tmp_path / "d")]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert f"Port {demo.port} on 127.0.0.1 is in use" in done.stderr
    assert not (tmp_path / "d").exists()


def test_killed_demo_leaves_nothing_running_and_the_next_run_continues(demo: Demo) -> None:
    demo.command("shell", "-c", "from accounts.models import User; User.objects.create_user('kept@example.org')")
    left, secrets = demo.pids(), demo.secrets
    demo.stop(signal.SIGKILL)
    demo.start()
    assert set(left) == set(demo.pids()) == PARTS
    assert not [name for name, pid in left.items() if psutil.pid_exists(pid)]
    assert demo.secrets == secrets
    count = "from accounts.models import User; print(User.objects.filter(email='kept@example.org').count())"
    assert demo.command("shell", "-v", "0", "-c", count).stdout.strip() == "1"
    assert "The sample data are loaded already" in demo.output()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_stops_all_of_it_within_thirty_seconds(demo: Demo, number: signal.Signals) -> None:
    began, parts = time.monotonic(), demo.pids()
    assert demo.stop(number) == 0
    seconds = time.monotonic() - began
    alive = [name for name, pid in parts.items() if psutil.pid_exists(pid)]
    demo.start()
    assert not alive
    assert seconds < 30
