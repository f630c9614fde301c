"""/healthz and /readyz."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from redis.exceptions import RedisError

from accounts.models import OutgoingMail
from accounts.tasks import SWEPT_KEY, sweep
from datasets.exceptions import PartDown
from portal import health
from portal.health import Panel, panel

FINE = {"database": "ok", "cache": "ok", "bucket": "ok", "worker": "ok", "mail": "ok", "work": "ok"}


@pytest.fixture(autouse=True)
def _ask_anew() -> Iterator[None]:
    panel.asked_at = float("-inf")
    yield
    panel.asked_at = float("-inf")


@pytest.fixture
def _worker_lives() -> None:
    cache.set(SWEPT_KEY, time.time())


def test_process_is_alive_whatever_the_host_and_without_a_part_being_asked(
    settings: Settings,
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    for host in ("10.0.12.7", "evil.example", "bad_host:port"):
        answer = Client().get("/healthz", headers={"host": host})
        assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert Client().head("/healthz").status_code == 200
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_health_is_only_read(address: str) -> None:
    answer = Client().post(address)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_worker_lives")
def test_site_is_ready_when_every_part_answers() -> None:
    answer = Client().get("/readyz", headers={"host": "10.0.12.7"})
    assert (answer.status_code, answer.json()) == (200, FINE)
    assert "Retry-After" not in answer


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_worker_lives")
@pytest.mark.parametrize(
    ("part", "patched", "error"),
    [
        ("cache", "django.core.cache.backends.redis.RedisCache.set", RedisError("secret words")),
        ("bucket", "portal.health.bucket", PartDown("secret words")),
    ],
)
def test_part_that_is_down_is_named_without_a_detail(
    part: str, patched: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(patched, down)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert answer.json() == FINE | {part: "down"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_worker_lives")
def test_database_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_args: object) -> None:
        raise OperationalError("password authentication failed")

    monkeypatch.setattr(DatabaseWrapper, "get_new_connection", down)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        FINE | {"database": "down", "mail": "unknown", "work": "unknown"},
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seen", [None, health.WORKER_SECONDS + 1])
def test_worker_that_has_not_swept_for_long_is_silent(seen: float | None) -> None:
    if seen is not None:
        cache.set(SWEPT_KEY, time.time() - seen)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, FINE | {"worker": "silent"})


@pytest.mark.django_db(transaction=True)
def test_sweep_tells_that_a_worker_lives() -> None:
    sweep()
    assert Client().get("/readyz").json()["worker"] == "ok"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_worker_lives")
def test_late_mail_is_said_and_refuses_nobody() -> None:
    OutgoingMail.objects.create(template="x", to="a@example.org", due_at=timezone.now() - timedelta(minutes=16))
    OutgoingMail.objects.create(template="x", to="a@example.org", due_at=timezone.now())
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, FINE | {"mail": "late"})


def test_part_that_hangs_is_slow_and_is_not_asked_again_while_it_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
    asked, free = [], threading.Event()

    def hang() -> str:
        asked.append(1)
        free.wait(10)
        return "ok"

    own = Panel(quick=lambda: "ok", hanging=hang)
    assert own.readiness().words == {"quick": "ok", "hanging": "slow"}
    assert own.readiness().words == {"quick": "ok", "hanging": "slow"}
    assert len(asked) == 1
    free.set()
    thread = own.probes["hanging"].thread
    assert thread is not None
    thread.join()
    assert own.readiness().words == {"quick": "ok", "hanging": "ok"}


def test_parts_are_asked_once_for_many_who_ask_at_once() -> None:
    asked = []

    def count() -> str:
        asked.append(1)
        return "ok"

    own = Panel(part=count)
    threads = [threading.Thread(target=own.readiness) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    assert own.readiness().is_ready
