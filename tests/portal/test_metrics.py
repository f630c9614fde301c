"""How work stands, as numbers for alarms: what they say, and that every alarm asks for one that is written."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from django.utils import timezone
from pytest_django import Settings

from accounts.models import OutgoingMail, Receipt
from accounts.models.work import kinds_of_work
from accounts.services.work import standing_of
from portal.deployment.reading import read_yaml
from portal.metrics import numbers
from portal.tasks import measure_work

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent.parent
NOW = timezone.now()


def told(now: Any = NOW) -> dict[str, float]:
    found = numbers([standing_of(kind) for kind in kinds_of_work()], now)
    return {
        " ".join([number["MetricName"], *(part["Value"] for part in number.get("Dimensions", []))]): number["Value"]
        for number in found
    }


def mails(number: int, **facts: Any) -> None:
    OutgoingMail.objects.bulk_create(
        OutgoingMail(template="access/link", to="a@example.org", **facts) for _ in range(number)
    )


def test_where_nothing_is_to_be_done_all_numbers_are_zero() -> None:
    found = told()
    assert set(found.values()) == {0}
    assert {"WorkWaiting", "WorkOverdue", "WorkFailed accounts.outgoingmail", "WorkFailed datasets.ingest"} <= set(
        found
    )
    assert len(found) == 2 + len(kinds_of_work())


def test_what_failed_long_ago_hides_nothing_that_fails_today() -> None:
    mails(2, state="failed", reason="550 no such user", finished_at=NOW - timedelta(hours=25))
    assert told()["WorkFailed accounts.outgoingmail"] == 0
    mails(1, state="failed", reason="550 no such user", finished_at=NOW - timedelta(hours=23))
    assert told()["WorkFailed accounts.outgoingmail"] == 1


def test_numbers_say_what_waits_how_long_and_what_failed() -> None:
    mails(2, due_at=NOW - timedelta(hours=2))
    mails(3, due_at=NOW + timedelta(hours=2))
    mails(1, state="failed", reason="550 no such user", finished_at=NOW)
    found = told()
    assert found["WorkWaiting"] == 5
    assert found["WorkOverdue"] == 7_200
    assert found["WorkFailed accounts.outgoingmail"] == 1
    assert found["WorkFailed datasets.ingest"] == 0


def test_work_that_is_tried_in_vain_is_overdue_since_it_was_made() -> None:
    standing = standing_of(Receipt)
    row = Receipt(created_at=NOW - timedelta(hours=3))
    found = numbers([type(standing)(Receipt, 1, 0, 0, NOW + timedelta(hours=1), [], [row])], NOW)
    assert {"MetricName": "WorkOverdue", "Value": 10_800.0, "Unit": "Seconds"} in found


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Stubber]:
    """The real client, which looks at each request as it would be sent, up to the network."""
    settings.METRICS_NAMESPACE, settings.BUCKET_REGION = "portal-tests", "eu-central-1"
    client = boto3.client("cloudwatch", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    made = {("cloudwatch", "eu-central-1"): client}
    monkeypatch.setattr(boto3, "client", lambda name, region_name, config: made[name, region_name])
    with Stubber(client) as stub:
        yield stub


def test_a_worker_writes_them_every_minute(cloudwatch: Stubber) -> None:
    expected = numbers([standing_of(kind) for kind in kinds_of_work()], NOW)
    cloudwatch.add_response("put_metric_data", {}, {"Namespace": "portal-tests", "MetricData": expected})
    measure_work()
    cloudwatch.assert_no_pending_responses()


def test_numbers_that_cannot_be_written_hold_nobody_up(cloudwatch: Stubber, caplog: pytest.LogCaptureFixture) -> None:
    cloudwatch.add_client_error("put_metric_data", "AccessDenied", "no right to do so")
    with caplog.at_level(logging.WARNING):
        measure_work()
    assert [(record.message, vars(record)["error"]) for record in caplog.records] == [
        ("numbers not written", "ClientError")
    ]


def test_a_network_that_is_away_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_args: Any, **_options: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://monitoring.example.org")

    monkeypatch.setattr(boto3, "client", refuse)
    with caplog.at_level(logging.WARNING):
        measure_work()
    assert [record.message for record in caplog.records] == ["numbers not written"]


@pytest.mark.parametrize(("namespace", "planned"), [("", False), ("portal-tests", True)])
def test_only_where_somebody_looks(namespace: str, planned: bool) -> None:
    script = (
        "import json; from portal.celery import app; app.loader.import_default_modules();"
        "tasks = {entry['task'] for entry in app.conf.beat_schedule.values()};"
        "print(json.dumps(['portal.tasks.measure_work' in tasks, sorted(tasks - set(app.tasks))]))"
    )
    environment = {**os.environ, "METRICS_NAMESPACE": namespace, "DJANGO_SETTINGS_MODULE": "portal.settings.testing"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [planned, []]


def test_every_alarm_of_work_asks_for_a_number_that_is_written() -> None:
    written = {
        (number["MetricName"], *(part["Value"] for part in number.get("Dimensions", [])))
        for number in numbers([standing_of(kind) for kind in kinds_of_work()], NOW)
    }
    alarms = read_yaml((ROOT / "ebextensions" / "alarms.config").read_text())["Resources"]
    asked = {
        (alarm["Properties"]["MetricName"], *(part["Value"] for part in alarm["Properties"].get("Dimensions", [])))
        for alarm in alarms.values()
        if isinstance(alarm["Properties"]["Namespace"], dict)
    }
    assert asked <= written
    # What somebody waits for, or must be told of: mails, archives, the evidence, and who wants to be forgotten.
    failures = {"accounts.outgoingmail", "datasets.ingest", "datasets.evidenceanchor", "accounts.deletion"}
    assert asked == {("WorkWaiting",), ("WorkOverdue",), *(("WorkFailed", kind) for kind in failures)}
