"""Beat on several hosts, of which one sends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from celery import Celery
from celery.schedules import schedule
from django.conf import settings

from accounts.tasks import HINT_SECONDS
from portal.beat import PatientScheduler
from portal.embedded.state import choose_ports

EVERY_TICK = {"look": {"task": "tests.look", "schedule": schedule(timedelta(seconds=0))}}


class Beat:
    """A beat process without its loop: what its ticks send is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, url: str = "") -> None:
        app = Celery("beat", broker="memory://", set_as_current=False)
        app.conf.update(
            redbeat_redis_url=url or settings.REDIS_URL,
            redbeat_redis_options={"socket_connect_timeout": 1},
            beat_schedule=EVERY_TICK,
            result_expires=None,
        )
        self.sent: list[str] = []
        self.scheduler = PatientScheduler(app, max_interval=5)
        monkeypatch.setattr(self.scheduler, "apply_async", self._note)

    def _note(self, entry: Any, **_: Any) -> None:
        self.sent.append(entry.name)
        self.scheduler.reserve(entry).save()

    def tick(self) -> float:
        return self.scheduler.tick()


@pytest.fixture
def valkey() -> redis.Redis:
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    return client


@pytest.mark.parametrize("name", list(settings.CELERY_BEAT_SCHEDULE))
def test_what_no_worker_takes_does_not_pile_up_and_outlives_the_difference_of_clocks(name: str) -> None:
    entry: dict[str, Any] = settings.CELERY_BEAT_SCHEDULE[name]
    seconds = entry["schedule"].run_every.total_seconds()
    assert entry["options"]["expires"] == max(seconds, HINT_SECONDS)


@pytest.mark.usefixtures("valkey")
def test_one_of_two_sends_and_the_other_takes_over_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Beat(monkeypatch), Beat(monkeypatch)
    for beat in (first, second, first, second):
        beat.tick()
    assert (first.sent, second.sent) == (["look", "look"], [])
    first.scheduler.close()
    second.tick()
    assert second.sent == ["look"]


def test_a_schedule_that_redis_lost_without_a_word_is_written_again(
    monkeypatch: pytest.MonkeyPatch, valkey: redis.Redis
) -> None:
    """A server that was killed and came back between two ticks: no connection failed, and the lock may be had."""
    beat = Beat(monkeypatch)
    valkey.flushdb()
    beat.tick()
    assert beat.sent == ["look"]
    valkey.delete("redbeat::schedule", *valkey.keys("redbeat:look"))
    beat.tick()
    assert beat.sent == ["look", "look"]


def test_beat_that_died_is_followed_by_another_when_its_lock_has_run_out(
    monkeypatch: pytest.MonkeyPatch, valkey: redis.Redis
) -> None:
    dead, second = Beat(monkeypatch), Beat(monkeypatch)
    dead.tick()
    assert second.tick() == 5
    assert 0 < valkey.ttl("redbeat::lock") <= 25
    valkey.delete("redbeat::lock")
    second.tick()
    assert second.sent == ["look"]


def test_lock_and_schedule_that_were_lost_in_a_restart_are_made_again(
    monkeypatch: pytest.MonkeyPatch, valkey: redis.Redis
) -> None:
    beat = Beat(monkeypatch)
    beat.tick()
    valkey.flushdb()
    assert beat.tick() == 5
    beat.tick()
    assert beat.sent == ["look", "look"]
    assert valkey.zcard("redbeat::schedule") == 1


@pytest.mark.usefixtures("valkey")
def test_beat_goes_on_when_the_one_before_it_had_a_clock_that_was_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=10)):
        ahead = Beat(monkeypatch)
        ahead.tick()
        ahead.scheduler.close()
    assert ahead.sent == ["look"]
    beat = Beat(monkeypatch)
    for _turn in range(2):
        beat.tick()
    assert beat.sent == ["look", "look"]


def test_beat_starts_and_waits_while_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    port = choose_ports(("nobody",), {})["nobody"]
    beat = Beat(monkeypatch, url=f"redis://127.0.0.1:{port}/0")
    assert beat.tick() == 5
    beat.scheduler.close()
    assert beat.sent == []
