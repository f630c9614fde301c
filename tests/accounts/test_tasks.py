"""Hints, and the sweeper that makes up for those that were lost."""

import logging
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from celery import Celery, Task
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as NoConnection

from accounts import tasks
from accounts.models import OutgoingMail
from accounts.tasks import SWEPT_KEY, hint, send_mails, sweep, swept_by
from portal.embedded.state import choose_ports


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tasks that were handed to the broker."""
    names: list[str] = []
    monkeypatch.setattr(Task, "apply_async", lambda task, **_options: names.append(task.name))
    return names


def task_of(broker: str, name: str = "tests.look") -> Task:
    """A task of an application with the site's options and another broker."""
    other = Celery("other", broker=broker, set_as_current=False)
    other.config_from_object("django.conf:settings", namespace="CELERY")
    other.conf.update(broker_url=broker)

    def look() -> None:
        """Nothing."""

    task: Task = other.task(name=name)(look)
    return task


@pytest.mark.django_db(transaction=True)
def test_hint_is_given_after_the_commit_and_not_when_there_is_none(published: list[str]) -> None:
    with transaction.atomic():
        hint(send_mails)
        assert published == []
    assert published == [send_mails.name]
    with transaction.atomic():
        hint(send_mails)
        transaction.set_rollback(True)
    assert published == [send_mails.name]


@pytest.mark.django_db(transaction=True)
def test_broker_that_is_down_neither_fails_nor_holds_up_the_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda _seconds: pytest.fail("it waits for another try"))
    port = choose_ports(("nobody",), {})["nobody"]
    hint(task_of(f"redis://127.0.0.1:{port}/0"))
    assert [record.getMessage() for record in caplog.records if record.name == "accounts.tasks"] == ["hint not sent"]


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("x"), NoConnection("x"), TimeoutError("x")])
def test_what_a_broker_may_raise_is_logged(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_task: Task, **_options: Any) -> None:
        raise error

    monkeypatch.setattr(Task, "apply_async", fail)
    tasks._publish(send_mails)
    assert "hint not sent" in caplog.messages


@pytest.mark.django_db(transaction=True)
def test_sweep_hints_at_mails_that_are_due_or_abandoned_and_at_no_others(published: list[str]) -> None:
    now, facts = timezone.now(), {"template": "x", "to": "a@example.org"}
    OutgoingMail.objects.create(**facts, due_at=now + timedelta(minutes=1))
    OutgoingMail.objects.create(**facts, state="running", leased_until=now + timedelta(minutes=1))
    OutgoingMail.objects.create(**facts, state="done", finished_at=now)
    sweep()
    assert published == []
    due = OutgoingMail.objects.create(**facts)
    sweep()
    assert published == [send_mails.name]
    due.delete()
    OutgoingMail.objects.create(**facts, state="running", leased_until=now - timedelta(seconds=1))
    sweep()
    assert published == [send_mails.name] * 2


@pytest.mark.django_db(transaction=True)
def test_sweep_hints_at_every_kind_of_work_that_is_registered(
    published: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_swept", [])
    due = {"first": True, "second": False}
    for name in due:
        swept_by(partial(due.__getitem__, name))(task_of("memory://", f"tests.{name}"))
    sweep()
    assert published == ["tests.first"]


@pytest.mark.django_db(transaction=True)
def test_sweep_goes_on_when_the_cache_cannot_note_it(
    published: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(*_args: Any, **_options: Any) -> None:
        raise NoConnection("x")

    OutgoingMail.objects.create(template="x", to="a@example.org")
    monkeypatch.setattr("django.core.cache.backends.redis.RedisCache.set", down)
    caplog.set_level(logging.WARNING)
    sweep()
    assert published == [send_mails.name]
    assert "sweep not recorded" in caplog.messages


@pytest.mark.django_db
def test_sweep_notes_when_it_ran() -> None:
    sweep()
    assert time.time() - cache.get(SWEPT_KEY) < 60


@pytest.mark.django_db(transaction=True)
def test_run_that_ended_before_the_mails_did_asks_for_another(
    published: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "deliver_due", lambda seconds: True)
    send_mails()
    monkeypatch.setattr(tasks, "deliver_due", lambda seconds: False)
    send_mails()
    assert published == [send_mails.name]
