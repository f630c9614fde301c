"""The admin's page of background work: how it stands, why it failed, and trying all of it again."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import OutgoingMail
from accounts.services.work import COUNTED, standing_of
from datasets.models import EvidenceAnchor
from portal import health
from portal.templatetags import waiting
from tests.factories import StaffFactory, UserFactory
from tests.maintainers import let_in, maintainer, with_second_factor
from tests.owner import as_owner

pytestmark = pytest.mark.django_db
WORK, MAILS = "/admin/work/", "accounts.outgoingmail"


def mails(number: int, **facts: object) -> list[OutgoingMail]:
    return OutgoingMail.objects.bulk_create(
        OutgoingMail(template="access/link", to="a@example.org", **facts) for _each in range(number)
    )


def failed(number: int = 1, reason: str = "550 no such user") -> list[OutgoingMail]:
    facts = {"state": "failed", "attempts": 3, "deaths": 3, "give_up_at": timezone.now() - timedelta(days=2)}
    return mails(number, reason=reason, finished_at=timezone.now(), **facts)


def read(client: Client, path: str = WORK) -> tuple[int, str]:
    with CaptureQueriesContext(connection) as seen:
        response = client.get(path)
    assert response.status_code == 200
    return len(seen), " ".join(response.content.decode().split())


def test_page_says_what_waits_since_when_what_runs_and_what_failed_and_why(client: Client) -> None:
    maintainer(client)
    mails(4, due_at=timezone.now() - timedelta(hours=3))
    mails(2, state="running", leased_until=timezone.now() + timedelta(minutes=1))
    failed(reason="550 no such user")
    _queries, page = read(client)
    assert "waiting; the oldest has been due for 3 hours" in page
    for state, number in (("waiting", 4), ("running", 2), ("failed", 1)):
        address = f"/admin/accounts/outgoingmail/?state__exact={state}"
        assert f'<a href="{address}" class="is-bad">{number}</a>' in page or f'<a href="{address}">{number}</a>' in page
    assert "550 no such user" in page
    # Rows hold no secret, and the page not even whom they are for.
    assert "a@example.org" not in page


def test_all_that_failed_goes_back_to_the_queue_with_patience_anew(client: Client) -> None:
    by = maintainer(client)
    failed(30)
    done = mails(1, state="done", finished_at=timezone.now())[0]
    page = client.post(WORK, {"kind": MAILS}, follow=True).content.decode()
    assert "30 mails went back to the queue." in page
    again = OutgoingMail.objects.waiting()
    assert again.count() == 30
    assert not again.exclude(deaths=0, finished_at=None, give_up_at__gt=timezone.now()).exists()
    assert OutgoingMail.objects.due().count() == 30
    done.refresh_from_db()
    assert done.state == "done"
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr) == (by, "30 mails that had failed")


def test_asking_twice_retries_once(client: Client) -> None:
    maintainer(client)
    failed(1)
    client.post(WORK, {"kind": MAILS})
    page = client.post(WORK, {"kind": MAILS}, follow=True).content.decode()
    assert "No mails had failed any more." in page
    assert LogEntry.objects.count() == 1


def test_chosen_ones_are_tried_again_from_the_list(client: Client) -> None:
    maintainer(client)
    first, second, _third = failed(3)
    chosen = {"action": "retry", "_selected_action": [first.pk, second.pk], "decided": "yes"}
    client.post("/admin/accounts/outgoingmail/", chosen)
    assert set(OutgoingMail.objects.waiting()) == {first, second}


def test_work_that_is_not_there_or_not_theirs_is_nobodys(client: Client) -> None:
    maintainer(client)
    assert client.post(WORK, {"kind": "accounts.user"}).status_code == 404
    let_in(client, with_second_factor(StaffFactory(is_superuser=False)))
    assert client.get(WORK).status_code == 403
    assert client.post(WORK, {"kind": MAILS}).status_code == 403
    client.force_login(UserFactory())
    assert client.get(WORK).status_code == 403


def test_who_may_only_look_finds_no_button(client: Client) -> None:
    failed()
    staff = with_second_factor(StaffFactory(is_superuser=False))
    staff.user_permissions.add(Permission.objects.get(codename="view_outgoingmail"))
    let_in(client, staff)
    _queries, page = read(client)
    assert "550 no such user" in page
    assert "Try all again" not in page
    assert client.post(WORK, {"kind": MAILS}).status_code == 403
    assert OutgoingMail.objects.failed().count() == 1


def test_page_needs_the_same_queries_however_much_there_is_and_counts_so_far(client: Client) -> None:
    maintainer(client)
    failed(2)
    few, _page = read(client)
    failed(COUNTED)
    many, page = read(client)
    assert few == many
    assert f"more than {COUNTED:,}" in page


def anchor(**facts: Any) -> EvidenceAnchor:
    """One that the bucket has refused five times, and that is not due now."""
    given = {
        "attempts": 5,
        "reason": "AccessDenied: the policy of the bucket",
        "created_at": timezone.now() - timedelta(hours=2),
        "due_at": timezone.now() + timedelta(minutes=25),
    }
    return EvidenceAnchor.objects.create(day=timezone.now().date(), **given | facts)


def test_work_that_is_postponed_again_and_again_is_late_and_says_why(client: Client) -> None:
    maintainer(client)
    anchor()
    _queries, page = read(client)
    assert '<a href="/admin/datasets/evidenceanchor/?state__exact=waiting" class="is-bad">1</a>' in page
    assert "tried again and again" in page
    assert "AccessDenied: the policy of the bucket" in page
    assert health.ask_work() == f"{EvidenceAnchor._meta.verbose_name} late"
    [figure] = waiting._bad_work(EvidenceAnchor)
    assert figure.says.endswith("is late by more than 10 minutes")


@pytest.mark.parametrize(
    "facts",
    [
        {"attempts": 4},
        {"created_at": timezone.now() - timedelta(hours=1)},
        # Goes on batch by batch.
        {"reason": ""},
        {"state": "failed", "finished_at": timezone.now()},
    ],
    ids=["tried less often", "waits on purpose", "goes on", "failed"],
)
def test_other_work_that_was_tried_often_is_not_late(facts: dict[str, object]) -> None:
    anchor(**facts)
    assert "late" not in health.ask_work()
    assert not standing_of(EvidenceAnchor).is_late


def test_a_mail_that_is_tried_for_hours_is_not_late_because_it_gives_up_in_time() -> None:
    mails(1, attempts=9, reason="greylisted", created_at=timezone.now() - timedelta(hours=5), due_at=timezone.now())
    assert not standing_of(OutgoingMail).is_late


def test_work_is_counted_by_the_indexes_of_what_is_open_and_of_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    # As other work, which is asked for one thing more.
    monkeypatch.setattr(OutgoingMail, "gives_up", False)
    mails(3_000, state="done", finished_at=timezone.now(), created_at=timezone.now() - timedelta(days=1))
    failed(3)
    mails(3)
    # Only a table's owner may.
    with as_owner() as cursor:
        cursor.execute("ANALYZE accounts_outgoingmail")
    with CaptureQueriesContext(connection) as seen:
        standing_of(OutgoingMail)
        assert not OutgoingMail.objects.late(timedelta(minutes=10)).exists()
    for query in seen.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "outgoingmail_open" in plan or "outgoingmail_failed" in plan, plan
        assert "Seq Scan" not in plan


def test_index_leads_to_the_page_and_says_what_went_wrong(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    maintainer(client)
    assert f'<a href="{WORK}">All background work' in read(client, "/admin/")[1]
    # As if mails were another kind, for mails have lines of their own.
    monkeypatch.setattr(waiting, "OutgoingMail", None)
    assert not [figure for kind in (OutgoingMail,) for figure in waiting._bad_work(kind)]
    failed(2)
    mails(1, due_at=timezone.now() - timedelta(hours=1))
    assert [(figure.number, figure.says) for figure in waiting._bad_work(OutgoingMail)] == [
        ("2", "mails failed"),
        ("1", "mail is late by more than 10 minutes"),
    ]


def test_readyz_names_the_kind_that_is_late_or_failed_and_not_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert health.ask_work() == "ok"
    failed()
    assert health.ask_work() == "ok"
    # As if mails were another kind, for late mails have a word of their own.
    monkeypatch.setattr(health, "OutgoingMail", None)
    assert health.ask_work() == "mail failed"
    mails(1, due_at=timezone.now() - timedelta(minutes=20))
    assert health.ask_work() == "mail late, mail failed"
    assert health.Readiness({"database": "ok", "mail": "late", "work": "mail failed"}).is_ready
