"""Mails of a notice, which a worker takes along some at a time: a kill, an outage and a code in their midst."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.utils import timezone
from pytest_django import Settings

from accounts.exceptions import ServerDown
from accounts.mail import Content, Courier, Obsolete, deliver_due, deliver_next, delivery, queue, queue_all, rounds
from accounts.mail.outbox import ASKERS, RENDERERS, Renderer
from accounts.models import Bounce, OutgoingMail
from accounts.models.work import MAX_DEATHS
from tests.factories import UserFactory
from tests.killing import Killed, killed_at
from tests.letters import NAME, parsed, plain
from tests.mailserver import MailServer, mail_server

pytestmark = pytest.mark.django_db


def announced(number: int) -> list[OutgoingMail]:
    """So many mails of a notice, in their order."""
    people = UserFactory.create_batch(number)
    queue_all(NAME, to={user: f"notice:{user.pk}" for user in people}, notice=1)
    return list(OutgoingMail.objects.filter(to_many=True).order_by("pk"))


def delivered(server: MailServer) -> list[str]:
    """The recipients, in the order in which their mails arrived."""
    return [envelope.rcpt_tos[0] for envelope in server.delivered]


def standing(mails: list[OutgoingMail]) -> list[tuple[str, int, int]]:
    for mail in mails:
        mail.refresh_from_db()
    return [(mail.state, mail.attempts, mail.deaths) for mail in mails]


def let_leases_run_out() -> None:
    OutgoingMail.objects.filter(state="running").update(leased_until=timezone.now() - timedelta(days=1))


def broken_for(mail: OutgoingMail, error: type[BaseException]) -> Renderer:
    def render(asked: OutgoingMail) -> Content:
        if asked.pk == mail.pk:
            raise error
        return plain()(asked)

    return render


def test_each_leaves_once_over_one_connection_in_their_order(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "ROUND", 3)
    mails = announced(7)
    assert not deliver_due(seconds=60)
    assert delivered(server) == [mail.to for mail in mails]
    assert server.sessions == 1
    assert standing(mails) == [("done", 1, 0)] * 7


def test_what_they_say_is_asked_once_for_all_and_one_statement_records_each(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def ask(mails: Any) -> Renderer:
        asked.append(len(mails))
        return plain()

    monkeypatch.setitem(ASKERS, NAME, ask)
    counts = []
    for number in (2, 12):
        announced(number)
        with killed_at(-1) as statements:
            deliver_due(seconds=60)
        counts.append(statements[0])
        OutgoingMail.objects.all().delete()
    assert asked == [2, 12]
    assert counts[1] - counts[0] == 10


def test_a_worker_killed_before_any_statement_loses_none_and_doubles_only_the_mail_in_hand(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "ROUND", 3)
    statement, kills, doubled = 0, True, Counter[int]()
    while kills:
        statement += 1
        mails = announced(4)
        kills = False
        try:
            with killed_at(statement):
                deliver_due(seconds=60)
        except Killed:
            kills = True
        before = len(server.delivered)
        recorded = OutgoingMail.objects.filter(state="done").count()
        let_leases_run_out()
        assert not deliver_due(seconds=60)

        arrived = Counter(parsed(each.content)["Message-ID"] for each in server.delivered)  # type: ignore[arg-type]
        assert set(arrived) == {mail.message_id for mail in mails}, f"killed at {statement}"
        again = [key for key, times in arrived.items() if times > 1]
        assert sum(arrived.values()) - 4 == before - recorded == len(again), f"killed at {statement}"
        assert len(again) <= 1
        assert {(state, deaths) for state, _attempts, deaths in standing(mails)} == {("done", 0)}
        doubled[len(again)] += 1
        server.delivered.clear()
        OutgoingMail.objects.all().delete()
    # Once before the record of each mail, and else not.
    assert doubled[1] == 4
    assert doubled[0] > 4


def test_mail_on_which_every_worker_dies_fails_alone_and_the_others_leave(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = announced(4)
    poison = mails[2]
    monkeypatch.setitem(RENDERERS, NAME, broken_for(poison, Killed))
    died = 0
    while OutgoingMail.objects.exclude(state__in=("done", "failed")).exists():
        try:
            deliver_due(seconds=60)
        except Killed:
            died += 1
            let_leases_run_out()
    # The first one held the others as well, so that nobody could say who it was.
    assert died == 1 + MAX_DEATHS
    assert [(state, deaths) for state, _attempts, deaths in standing(mails)] == [
        ("done", 0),
        ("done", 0),
        ("failed", MAX_DEATHS),
        ("done", 0),
    ]
    assert set(delivered(server)) == {mail.to for mail in mails if mail != poison}


def test_mistake_in_the_next_mail_is_told_at_its_turn_and_hides_nothing(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = announced(3)
    monkeypatch.setitem(RENDERERS, NAME, broken_for(mails[1], KeyError))
    with pytest.raises(KeyError):
        deliver_due(seconds=60)
    assert standing(mails) == [("done", 1, 0), ("waiting", 1, 1), ("waiting", 0, 0)]
    assert not deliver_due(seconds=60)
    assert delivered(server) == [mails[0].to, mails[2].to]


def test_mail_that_has_nothing_to_say_any_more_is_left_out(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    mails = announced(3)
    monkeypatch.setitem(RENDERERS, NAME, broken_for(mails[1], Obsolete))
    assert not deliver_due(seconds=60)
    assert standing(mails) == [("done", 1, 0)] * 3
    assert delivered(server) == [mails[0].to, mails[2].to]


def test_server_that_goes_down_gives_those_back_that_nobody_tried(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Courier.send

    def send_two(courier: Courier, *given: Any) -> str:
        if len(server.delivered) == 2:
            raise ServerDown("It does not answer.")
        return send(courier, *given)

    mails = announced(5)
    due = mails[0].due_at
    monkeypatch.setattr(Courier, "send", send_two)
    assert not deliver_due(seconds=60)
    assert standing(mails) == [("done", 1, 0)] * 2 + [("waiting", 1, 0)] + [("waiting", 0, 0)] * 2
    assert [mail.reason for mail in mails] == ["", "", "It does not answer.", "", ""]
    assert [mail.due_at for mail in mails[3:]] == [due, due]


def test_address_that_is_refused_in_a_round_is_marked_and_the_others_leave(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = announced(3)
    gone = mails[1]
    answer = server.handle_RCPT

    async def refuse_one(smtp: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address == gone.to:
            return "550 5.1.1 No such person here"
        return await answer(smtp, session, envelope, address, options)

    monkeypatch.setattr(server, "handle_RCPT", refuse_one)
    assert not deliver_due(seconds=60)
    assert [state for state, _attempts, _deaths in standing(mails)] == ["done", "failed", "done"]
    assert delivered(server) == [mails[0].to, mails[2].to]
    assert [(bounce.user, bounce.mail) for bounce in Bounce.objects.all()] == [(gone.user, gone)]


def test_what_was_given_back_is_given_back_once(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database takes what is given back, but its answer is lost; another worker has the mails by then."""
    mails = announced(3)
    update = QuerySet.update

    def lost(rows: QuerySet, **values: Any) -> int:
        number = update(rows, **values)
        if values.get("state") == "waiting" and values.get("attempts") == 0:
            monkeypatch.setattr(QuerySet, "update", update)
            assert OutgoingMail.objects.claim(lease=timedelta(minutes=1)) == mails[1]
            raise OperationalError
        return number

    monkeypatch.setattr(QuerySet, "update", lost)
    # The connection is the test's own.
    monkeypatch.setattr(connection, "close", lambda: None)
    with pytest.raises(OperationalError):
        deliver_due(seconds=0)
    assert standing(mails) == [("done", 1, 0), ("running", 1, 0), ("waiting", 0, 0)]


def test_run_ends_in_the_midst_of_a_round_when_its_time_is_up(server: MailServer) -> None:
    mails = announced(3)
    assert deliver_due(seconds=0)
    assert standing(mails) == [("done", 1, 0), ("waiting", 0, 0), ("waiting", 0, 0)]


class Held:
    """A worker with a round, of which the server has the first mail and says nothing yet."""

    def __init__(self, server: MailServer) -> None:
        self.server = server
        server.answering.clear()
        self.thread = threading.Thread(target=self._deliver)
        self.thread.start()
        assert server.arrived.wait(10)

    def _deliver(self) -> None:
        deliver_due(seconds=60)
        connection.close()

    def go_on(self) -> None:
        self.server.answering.set()
        self.thread.join()


@pytest.mark.django_db(transaction=True)
def test_code_leaves_after_the_mail_in_hand_and_not_after_the_round(server: MailServer) -> None:
    mails = announced(4)
    worker = Held(server)
    code = queue(NAME, to="code@example.org")
    worker.go_on()
    assert code is not None
    assert delivered(server) == [mails[0].to, code.to, *(mail.to for mail in mails[1:])]
    assert standing([*mails, code]) == [("done", 1, 0)] * 5


@pytest.mark.django_db(transaction=True)
def test_code_leaves_at_once_through_another_worker(server: MailServer, settings: Settings) -> None:
    mails = announced(4)
    worker = Held(server)
    queue(NAME, to="code@example.org")
    with mail_server() as other:
        settings.EMAIL_PORT = other.port
        assert deliver_next()
        assert delivered(other) == ["code@example.org"]
    worker.go_on()
    assert delivered(server) == [mail.to for mail in mails]


@pytest.mark.django_db(transaction=True)
def test_worker_whose_leases_ran_out_sends_nothing_that_another_took(server: MailServer, settings: Settings) -> None:
    mails = announced(3)
    worker = Held(server)
    rest = OutgoingMail.objects.filter(pk__in=[mail.pk for mail in mails[1:]])
    rest.update(leased_until=timezone.now() - timedelta(seconds=1))
    with mail_server() as other:
        settings.EMAIL_PORT = other.port
        assert deliver_next()
        assert deliver_next()
        worker.go_on()
        assert delivered(other) == [mail.to for mail in mails[1:]]
    assert delivered(server) == [mails[0].to]
    assert standing(mails) == [("done", 1, 0), ("done", 2, 0), ("done", 2, 0)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fresh", [0.0, 60.0])
def test_what_was_asked_long_ago_is_asked_anew_before_the_next_mail_leaves(
    server: MailServer, monkeypatch: pytest.MonkeyPatch, fresh: float
) -> None:
    monkeypatch.setattr(rounds, "FRESH_SECONDS", fresh)
    monkeypatch.setitem(ASKERS, NAME, lambda mails: plain(says=f"Said to {len(mails)}."))
    announced(3)
    Held(server).go_on()
    said = [parsed(envelope.content).get_body(("plain",)).get_content() for envelope in server.delivered]  # type: ignore[union-attr, arg-type]
    numbers = [3, 2, 1] if not fresh else [3, 3, 3]
    assert [f"Said to {number}." in text for number, text in zip(numbers, said, strict=True)] == [True] * 3
