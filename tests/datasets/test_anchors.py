"""The daily anchors of the chain of signatures, in a bucket of their own."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AgreementVersion, Signature
from datasets.models import EvidenceAnchor
from datasets.services.anchors import make_anchors, plan_anchor
from datasets.storage import evidence_bucket
from datasets.tasks import anchor_evidence
from tests.accounts.test_tampering import remove, sign
from tests.factories import AgreementVersionFactory
from tests.owner import tamper
from tests.receipts import make_all_receipts

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 25)
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
def version() -> AgreementVersion:
    return AgreementVersionFactory()


@pytest.fixture
def chain(version: AgreementVersion) -> list[Signature]:
    signatures = [sign(version) for _ in range(3)]
    make_all_receipts()
    return signatures


def anchored(day: date) -> EvidenceAnchor:
    row = plan_anchor(day)
    make_anchors(seconds=30)
    row.refresh_from_db()
    return row


def stored(key: str) -> dict[str, Any]:
    bucket = evidence_bucket()
    content: dict[str, Any] = json.loads(bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read())
    return content


def test_length_and_head_of_the_chain_are_written_outside(chain: list[Signature], settings: Settings) -> None:
    settings.SITE_URL = "https://portal.example.org"

    row = anchored(TODAY)

    assert (row.state, row.count, row.head) == ("done", 3, chain[2].record_hash)
    assert row.key == "anchors/2026/2026-11-25.json"
    file = stored(row.key)
    assert (file["format"], file["site"]) == (1, "https://portal.example.org")
    assert (file["count"], file["head"]) == (3, chain[2].record_hash)
    assert datetime.fromisoformat(file["moment"]) == row.moment
    assert "note" not in file
    # The embedded server keeps no versions; the row does not hide it.
    assert row.reason == "The bucket keeps no versions, so nothing in it is locked."


def test_an_empty_chain_has_its_anchor_too() -> None:
    assert (anchored(TODAY).count, anchored(TODAY).head) == (0, "0" * 64)


def test_a_day_has_one_anchor_however_often_it_is_asked_for(chain: list[Signature], version: AgreementVersion) -> None:
    first = anchored(TODAY)
    sign(version)

    again = anchored(TODAY)

    assert (again.pk, again.count, again.attempts) == (first.pk, 3, 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        EvidenceAnchor.objects.create(day=TODAY)


def test_the_next_day_goes_on_where_the_chain_grew(chain: list[Signature], version: AgreementVersion) -> None:
    anchored(YESTERDAY)
    newest = sign(version)

    row = anchored(TODAY)

    assert (row.state, row.count, row.head) == ("done", 4, newest.record_hash)


def test_a_chain_that_lost_its_tail_is_not_anchored_and_says_why(chain: list[Signature]) -> None:
    anchored(YESTERDAY)
    remove(chain[2])

    row = anchored(TODAY)

    assert row.state == "failed"
    assert "Not written. the chain ends after 2 records, and 3 were anchored" in row.reason
    assert (row.count, row.key) == (None, "")


def test_a_chain_that_goes_another_way_is_not_anchored(chain: list[Signature], version: AgreementVersion) -> None:
    anchored(YESTERDAY)
    remove(chain[2])
    other = sign(version)

    row = anchored(TODAY)

    assert row.state == "failed"
    assert f"Signature {other.pk}: record 3 has another hash than the one that was anchored" in row.reason


def test_a_chain_that_does_not_hold_is_not_anchored(chain: list[Signature]) -> None:
    tamper("UPDATE accounts_signature SET typed_name = 'Somebody Else' WHERE id = %s", chain[1].pk)

    row = anchored(TODAY)

    assert row.state == "failed"
    assert f"Signature {chain[1].pk}: a personal value is not the one" in row.reason


def test_a_bucket_that_is_away_delays_the_anchor(chain: list[Signature], settings: Settings) -> None:
    there = settings.BUCKET_ENDPOINT_URL
    settings.BUCKET_ENDPOINT_URL = "http://127.0.0.1:9"
    row = anchored(TODAY)
    assert row.state == "waiting"
    assert "Could not connect" in row.reason

    settings.BUCKET_ENDPOINT_URL = there
    EvidenceAnchor.objects.filter(pk=row.pk).update(due_at=timezone.now() - timedelta(seconds=1))

    assert anchored(TODAY).state == "done"


def test_a_worker_that_died_after_writing_leaves_a_row_that_another_finishes(chain: list[Signature]) -> None:
    row = plan_anchor(TODAY)
    past = timezone.now() - timedelta(seconds=1)
    EvidenceAnchor.objects.filter(pk=row.pk).update(state="running", attempts=1, leased_until=past)
    evidence_bucket().put_locked("anchors/2026/2026-11-25.json", b"{}", retain_until=datetime(2036, 1, 1, tzinfo=UTC))

    row = anchored(TODAY)

    assert (row.state, row.deaths) == ("done", 1)
    assert stored(row.key)["count"] == 3


def test_the_daily_task_plans_the_day_once() -> None:
    anchor_evidence()
    anchor_evidence()

    assert EvidenceAnchor.objects.get().day == timezone.now().date()


def test_the_schedule_has_it(settings: Settings) -> None:
    assert "datasets.tasks.anchor_evidence" in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


class TestCommand:
    def test_what_it_wrote_is_what_verify_evidence_takes(
        self, chain: list[Signature], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("anchor_evidence")
        assert f"3 records, head {chain[2].record_hash}, in anchors/" in capsys.readouterr().out
        file = tmp_path / "anchor.json"
        file.write_text(json.dumps(stored(EvidenceAnchor.objects.get().key)))
        call_command("verify_evidence", head=str(file))

        remove(chain[2])

        with pytest.raises(SystemExit) as end:
            call_command("verify_evidence", head=str(file))
        assert end.value.code == 1
        assert "1 at its end were cut off" in capsys.readouterr().out

    def test_a_loss_is_refused_until_somebody_says_why(
        self, chain: list[Signature], version: AgreementVersion, capsys: pytest.CaptureFixture[str]
    ) -> None:
        anchored(timezone.now().date() - timedelta(days=1))
        remove(chain[2])
        with pytest.raises(CommandError, match="2 records, and 3 were anchored") as refusal:
            call_command("anchor_evidence")
        assert refusal.value.returncode == 1

        call_command("anchor_evidence", despite="Restored from the backup of last night.")

        assert "2 records" in capsys.readouterr().out
        row = EvidenceAnchor.objects.latest("day")
        assert stored(row.key)["note"] == "Restored from the backup of last night."
        sign(version)
        assert anchored(row.day + timedelta(days=1)).state == "done"

    def test_a_chain_that_does_not_hold_is_anchored_despite_nothing(self, chain: list[Signature]) -> None:
        tamper("UPDATE accounts_signature SET agent = '' WHERE id = %s", chain[0].pk)
        with pytest.raises(CommandError, match="a personal value"):
            call_command("anchor_evidence")

        with pytest.raises(CommandError, match="a personal value"):
            call_command("anchor_evidence", despite="I say so.")

    def test_a_note_is_for_one_that_failed(self) -> None:
        with pytest.raises(CommandError, match="has not failed"):
            call_command("anchor_evidence", despite="For no reason.")

    def test_a_bucket_that_is_away_is_said(self, settings: Settings) -> None:
        settings.BUCKET_ENDPOINT_URL = "http://127.0.0.1:9"

        with pytest.raises(CommandError, match="a worker tries again") as later:
            call_command("anchor_evidence")

        assert later.value.returncode == 2


class TestChecks:
    def problems(self) -> list[str]:
        return [str(each.id) for each in run_checks(tags=["datasets"], include_deployment_checks=True)]

    def test_a_bucket_of_their_own_is_asked_for(self, settings: Settings) -> None:
        assert self.problems() == []
        settings.EVIDENCE_BUCKET_NAME = ""
        assert self.problems() == ["datasets.E001"]
        settings.EVIDENCE_BUCKET_NAME = settings.BUCKET_NAME
        assert self.problems() == ["datasets.E002"]
