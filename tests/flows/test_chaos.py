"""A small chaos run, and its judge: what the big one (`make chaos`) promises is seen when it does not hold."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import OutgoingMail
from datasets.models import AccessGrant, DownloadLink, DownloadRecord
from portal.embedded.application import ROOT
from tests.access import granted, offered
from tests.chaos.verdict import judge
from tests.demo import clean_environment
from tests.factories import DownloadRecordFactory, UserFactory
from tests.owner import tamper
from tests.receipts import make_all_receipts

Given = dict[str, Any]
WAY = ["registered", "signed", "linked", "downloaded"]


def test_five_people_go_the_whole_way_through_ten_kills() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--people", "5", "--kills", "10", "--at-once", "5"]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n10 kills: " in done.stdout
    assert done.stdout.count("\nholds  ") == 19
    assert "\nFAILS" not in done.stdout


@pytest.fixture
def given(transactional_db: None) -> Given:
    """Three people who went the whole way, and all of their mails in the sink."""
    dataset = offered()
    people = UserFactory.create_batch(3)
    for person in people:
        link = granted(person, dataset).links.get()
        DownloadRecordFactory(link=link, archive=link.release.archives.get())
    make_all_receipts()
    OutgoingMail.objects.update(state="done", finished_at=timezone.now())
    return {
        "people": {person.email: list(WAY) for person in people},
        "delivered": {mail.message_id: 1 for mail in OutgoingMail.objects.all()},
        "met": {},
        "settled": {"seconds": 3.0, "longest_due": 2.0, "open": {"mail": 0}},
    }


def broken(given: Given) -> set[str]:
    return {line.promise for line in judge(given) if not line.holds}


def test_what_holds_holds(given: Given) -> None:
    assert broken(given) == set()


def mail_of(template: str) -> OutgoingMail:
    mail = OutgoingMail.objects.filter(template=template).first()
    assert mail is not None
    return mail


def lose_row(given: Given) -> None:
    mail_of("agreement/receipt").delete()


def lose_document(given: Given) -> None:
    tamper(
        "DELETE FROM accounts_receiptdocument WHERE receipt_id = (SELECT max(receipt_id) FROM accounts_receiptdocument)"
    )


def lose_link_mail(given: Given) -> None:
    mail = mail_of("access/link")
    del given["delivered"][mail.message_id]
    mail.delete()


def lose_delivery(given: Given) -> None:
    del given["delivered"][mail_of("access/link").message_id]


def double_delivery(given: Given) -> None:
    given["delivered"][mail_of("access/link").message_id] = 2


def fail_row(given: Given) -> None:
    OutgoingMail.objects.filter(pk=mail_of("access/link").pk).update(state="failed", reason="3 workers died on it")
    del given["delivered"][mail_of("access/link").message_id]


def lose_signature(given: Given) -> None:
    given["people"][UserFactory().email] = list(WAY)


def lose_grant(given: Given) -> None:
    AccessGrant.objects.filter(pk=AccessGrant.objects.latest("pk").pk).update(
        status="revoked", reason="No.", revoked_at=timezone.now()
    )


def lose_link(given: Given) -> None:
    DownloadLink.objects.filter(pk=DownloadLink.objects.latest("pk").pk).update(
        status="replaced", ended_at=timezone.now()
    )


def lose_person(given: Given) -> None:
    given["people"]["nobody@example.org"] = ["registered"]


def leave_row_stuck(given: Given) -> None:
    given["settled"] |= {"longest_due": 61.0}


def leave_row_open(given: Given) -> None:
    given["settled"] |= {"open": {"mail": 1}}


LINK_MAIL, RECEIPT_MAIL = "grant with its link mail", "signature with its receipt mail"
GRANT, STUCK = "signature with its grant", "no row of work is stuck"


@pytest.mark.parametrize(
    ("harm", "promises"),
    [
        (lose_row, {RECEIPT_MAIL, "deliveries whose row was lost"}),
        (lose_document, {"signature with its stored receipt"}),
        (lose_link_mail, {LINK_MAIL}),
        (lose_delivery, {"mails done that were delivered"}),
        (double_delivery, {"deliveries doubled by a kill alone"}),
        (fail_row, {LINK_MAIL, "no row of work has failed"}),
        (lose_signature, {"signatures that were answered for and are there", "people who downloaded and are recorded"}),
        (lose_grant, {GRANT, LINK_MAIL, "grant with its live link"}),
        (lose_link, {"grant with its live link"}),
        (lose_person, {"people who went the whole way", "people whom the site knows"}),
        (leave_row_stuck, {STUCK}),
        (leave_row_open, {STUCK}),
    ],
)
def test_what_does_not_hold_is_seen(given: Given, harm: Callable[[Given], None], promises: set[str]) -> None:
    harm(given)
    assert broken(given) == promises


def test_delivery_doubled_by_a_kill_is_counted_and_forgiven(given: Given) -> None:
    double_delivery(given)
    given["met"] = {str(mail_of("access/link").uuid): 1}
    assert broken(given) == set()
    assert "1 doubled, 1 in flight at a kill" in next(line.found for line in judge(given) if "doubled" in line.promise)
    assert DownloadRecord.objects.count() == 3
