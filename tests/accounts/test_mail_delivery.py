"""Delivering over SMTP: what each answer of the server makes of a mail."""

import logging
import smtplib
import threading
from collections import Counter
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from pytest_django import Settings

from accounts.exceptions import MoveNotAllowed
from accounts.mail import Content, Courier, Obsolete, deliver_due, deliver_next, delivery, mint_code, queue, smtp
from accounts.models import OutgoingMail
from accounts.services.work import retry_work
from tests.factories import StaffFactory, UserFactory
from tests.letters import NAME, parsed, plain, register, text_of
from tests.mailserver import MailServer

pytestmark = pytest.mark.django_db


def queued(to: str = "quiet@example.org", **facts: object) -> OutgoingMail:
    mail = queue(NAME, to=to)
    assert mail is not None
    OutgoingMail.objects.filter(pk=mail.pk).update(**facts)
    return mail


def outcome(mail: OutgoingMail) -> tuple[str, str]:
    mail.refresh_from_db()
    return mail.state, mail.reason


def test_mail_that_is_due_is_sent_once_and_done(server: MailServer) -> None:
    mail = queued()
    assert deliver_next()
    assert not deliver_next()
    assert outcome(mail) == ("done", "")
    [envelope] = server.delivered
    assert envelope.rcpt_tos == ["quiet@example.org"]
    assert message_from_bytes(envelope.content)["Message-ID"] == mail.message_id  # type: ignore[arg-type]


def test_all_that_is_due_goes_over_one_connection(server: MailServer) -> None:
    for number in range(5):
        queued(f"r{number}@example.org")
    assert not deliver_due(seconds=60)
    assert (len(server.delivered), server.sessions) == (5, 1)


def test_run_ends_when_its_time_is_up_and_says_that_there_is_more(server: MailServer) -> None:
    queued(), queued()
    assert deliver_due(seconds=0)
    assert len(server.delivered) == 1


def test_kept_connection_that_the_server_closed_is_made_anew(server: MailServer) -> None:
    first, second = queued(), queued()
    with Courier() as courier:
        assert deliver_next(courier)
        server.cut()
        assert deliver_next(courier)
    assert outcome(first) == outcome(second) == ("done", "")
    assert (len(server.delivered), server.sessions) == (2, 2)


def test_kept_connection_to_which_the_server_says_goodbye_is_made_anew(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As servers do that take so many mails a connection and no more."""
    take = server.handle_MAIL

    async def take_one(smtp: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if server.sessions == 1 and server.delivered:
            return "421 4.7.0 Too many mails on one connection"
        return await take(smtp, session, envelope, address, options)

    monkeypatch.setattr(server, "handle_MAIL", take_one)
    first, second = queued(), queued()
    assert not deliver_due(seconds=60)
    assert outcome(first) == outcome(second) == ("done", "")
    assert (len(server.delivered), server.sessions) == (2, 2)


def test_lines_that_begin_with_a_dot_arrive_whole(
    server: MailServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, settings, plain(says=".\n..\n.hidden"))
    queued()
    assert deliver_next()
    assert "\n.\n..\n.hidden\n" in text_of(parsed(server.delivered[0].content))  # type: ignore[arg-type]


def test_recipient_that_is_refused_for_good_fails_at_once_with_the_servers_words(server: MailServer) -> None:
    server.rcpt = "550 5.1.1 No such person here"
    mail = queued()
    assert deliver_next()
    assert outcome(mail) == ("failed", "The mail server said 550: 5.1.1 No such person here")
    assert not deliver_next()


def test_content_that_is_refused_for_good_fails_at_once(server: MailServer) -> None:
    server.data = "554 5.6.0 Refused"
    mail = queued()
    assert deliver_next()
    assert outcome(mail) == ("failed", "The mail server said 554: 5.6.0 Refused")


@pytest.mark.parametrize("where", ["rcpt", "data"])
def test_mail_is_tried_later_when_the_server_asks_so_and_others_go_on(server: MailServer, where: str) -> None:
    setattr(server, where, "450 4.2.1 Greylisted")
    mail, other = queued(), queued("other@example.org")
    with Courier() as courier:
        assert deliver_next(courier)
        setattr(server, where, None)
        assert deliver_next(courier)
    assert outcome(mail) == ("waiting", "The mail server said 450: 4.2.1 Greylisted")
    assert mail.due_at > timezone.now()
    assert outcome(other) == ("done", "")


def test_sender_that_is_refused_is_a_matter_of_settings_and_loses_no_mail(server: MailServer) -> None:
    server.mail = "550 5.7.1 Not your domain"
    mail = queued()
    assert not deliver_next()
    assert outcome(mail) == ("waiting", "The mail server said 550: 5.7.1 Not your domain")


@pytest.mark.parametrize("answer", ["550 5.1.7 <data@example.org> is undeliverable", "553 5.1.8 No such domain"])
def test_sender_that_is_refused_with_the_recipient_loses_no_mail(server: MailServer, answer: str) -> None:
    """Many servers look at the sender only when they are told the recipient."""
    server.rcpt = answer
    mail = queued()
    assert deliver_next()
    assert outcome(mail)[0] == "waiting"


@pytest.mark.parametrize(
    ("setting", "value", "missing"), [("EMAIL_USE_TLS", True, "STARTTLS"), ("EMAIL_HOST_USER", "portal", "SMTP AUTH")]
)
def test_server_without_what_our_settings_ask_for_is_named_so_and_loses_no_mail(
    server: MailServer, settings: Settings, setting: str, value: object, missing: str
) -> None:
    settings.EMAIL_HOST_PASSWORD = "secret"
    setattr(settings, setting, value)
    mail = queued()
    assert not deliver_next()
    said = f"The mail server does not offer what EMAIL_URL asks for: {missing} extension not supported by server."
    assert outcome(mail) == ("waiting", said)


def test_mail_that_needs_what_the_server_does_not_have_is_refused_and_others_go_on(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sendmail = smtplib.SMTP.sendmail

    def without_smtputf8(smtp: smtplib.SMTP, sender: str, recipients: list[str], *rest: Any) -> object:
        if recipients == ["odd@example.org"]:
            raise smtplib.SMTPNotSupportedError("SMTPUTF8 not supported by server")
        return sendmail(smtp, sender, recipients, *rest)

    monkeypatch.setattr(smtplib.SMTP, "sendmail", without_smtputf8)
    odd, other = queued("odd@example.org"), queued("other@example.org")
    assert not deliver_due(seconds=60)
    assert outcome(odd) == ("failed", "The mail server cannot carry this mail: SMTPUTF8 not supported by server")
    assert outcome(other) == ("done", "")


def test_server_that_is_down_delays_one_mail_and_leaves_the_others_untried(server: MailServer) -> None:
    server.stop()
    first, second = queued(), queued()
    assert not deliver_due(seconds=60)
    assert outcome(first) == ("waiting", "The mail server does not answer: ConnectionRefusedError")
    second.refresh_from_db()
    assert (second.state, second.attempts) == ("waiting", 0)
    server.start()
    OutgoingMail.objects.update(due_at=timezone.now())
    assert not deliver_due(seconds=60)
    assert outcome(first) == outcome(second) == ("done", "")
    assert len(server.delivered) == 2


def test_server_that_goes_away_between_two_mails_doubles_none(server: MailServer) -> None:
    first, second = queued(), queued()
    with Courier() as courier:
        assert deliver_next(courier)
        server.stop()
        assert not deliver_next(courier)
        server.start()
        OutgoingMail.objects.update(due_at=timezone.now())
        assert deliver_next(courier)
    assert outcome(first) == outcome(second) == ("done", "")
    assert Counter(message_from_bytes(e.content)["Message-ID"] for e in server.delivered) == {  # type: ignore[arg-type]
        first.message_id: 1,
        second.message_id: 1,
    }


def test_mail_is_given_up_when_patience_has_ended(server: MailServer) -> None:
    server.stop()
    mail = queued(give_up_at=timezone.now() - timedelta(seconds=1))
    deliver_next()
    assert outcome(mail) == ("failed", "Given up. The mail server does not answer: ConnectionRefusedError")


def test_patience_is_three_days() -> None:
    mail = OutgoingMail(template=NAME)
    assert timedelta(days=3) - (mail.give_up_at - mail.created_at) < timedelta(seconds=1)


@pytest.mark.django_db(transaction=True)
def test_server_that_is_slow_with_its_last_word_gets_the_mail_once(
    server: MailServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither does the sender give up after EMAIL_TIMEOUT, nor is the mail given to another worker."""
    settings.EMAIL_TIMEOUT = 0.3
    monkeypatch.setattr(delivery, "LEASE", timedelta(seconds=0.4))
    mail = queued()
    server.answering.clear()
    sender = threading.Thread(target=_deliver_and_hang_up)
    sender.start()
    assert server.arrived.wait(5)
    for _ in range(15):
        threading.Event().wait(0.1)
        assert not deliver_next()
    server.answering.set()
    sender.join()
    assert outcome(mail) == ("done", "")
    assert len(server.delivered) == 1


def _deliver_and_hang_up() -> None:
    deliver_next()
    connection.close()


def test_last_word_is_waited_for_no_longer_than_said(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "LAST_WORD_SECONDS", 0.3)
    mail = queued()
    server.answering.clear()
    assert not deliver_next()
    assert outcome(mail) == ("waiting", "The mail server does not answer: SMTPServerDisconnected")
    server.answering.set()


def test_mail_with_nothing_to_say_any_more_is_done_without_being_sent(
    server: MailServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def obsolete(_mail: OutgoingMail) -> Content:
        raise Obsolete("The link was replaced.")

    register(monkeypatch, settings, obsolete)
    mail = queued()
    assert deliver_next()
    assert outcome(mail) == ("done", "Not sent: The link was replaced.")
    assert server.delivered == []


def test_mistake_in_a_mails_code_fails_that_mail_after_three_tries_and_no_other(
    server: MailServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(mail: OutgoingMail) -> Content:
        if mail.to.startswith("bad"):
            raise KeyError("secret-value")
        return plain()(mail)

    register(monkeypatch, settings, mistaken)
    bad, good = queued("bad@example.org"), queued("good@example.org")
    for _ in range(3):
        OutgoingMail.objects.filter(pk=bad.pk).update(due_at=timezone.now() - timedelta(hours=1))
        with pytest.raises(KeyError):
            deliver_next()
    assert deliver_next()
    assert outcome(bad) == ("failed", "KeyError while it was worked on; the log has the rest")
    assert outcome(good) == ("done", "")


@pytest.mark.django_db(transaction=True)
def test_workers_side_by_side_send_each_mail_once(server: MailServer) -> None:
    for number in range(40):
        queued(f"r{number}@example.org")
    threads = [threading.Thread(target=_deliver_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(envelope.rcpt_tos[0] for envelope in server.delivered) == {
        f"r{number}@example.org": 1 for number in range(40)
    }


def _deliver_all() -> None:
    deliver_due(seconds=60)
    connection.close()


def test_same_word_is_queued_once(server: MailServer) -> None:
    assert queue(NAME, to="a@example.org", once="receipt:1") is not None
    assert queue(NAME, to="a@example.org", once="receipt:1") is None
    assert queue(NAME, to="a@example.org", once="receipt:2") is not None


def test_mail_to_a_person_goes_to_their_address(server: MailServer) -> None:
    user = UserFactory.create()
    mail = queue(NAME, user=user)
    assert mail is not None
    assert (mail.to, mail.user) == (user.email, user)


def test_mail_to_nobody_or_of_no_known_kind_is_not_queued(server: MailServer) -> None:
    with pytest.raises(ValueError, match="has no recipient"):
        queue(NAME)
    with pytest.raises(ValueError, match="No mail is named test/unknown"):
        queue("test/unknown", to="a@example.org")


def test_failed_mail_is_sent_again_with_new_patience_when_a_maintainer_says_so(server: MailServer) -> None:
    server.rcpt = "550 Full"
    mail = queued(give_up_at=timezone.now())
    deliver_next()
    retry_work(mail, by=StaffFactory.create())
    server.rcpt = "450 Still full"
    assert deliver_next()
    assert outcome(mail) == ("waiting", "The mail server said 450: Still full")


def test_only_a_failed_mail_is_tried_again(server: MailServer) -> None:
    mail = queued()
    with pytest.raises(MoveNotAllowed):
        retry_work(mail, by=StaffFactory.create())


def test_neither_rows_nor_logs_hold_the_code_or_the_address(
    server: MailServer, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    nonce, code = mint_code("confirm")
    register(monkeypatch, settings, plain(says=f"Your code is {code}."))
    mail = queue(NAME, to="quiet@example.org", nonce=nonce)
    assert mail is not None
    deliver_next()
    assert code.encode() in (server.delivered[0].content or b"")
    with connection.cursor() as cursor:
        cursor.execute("SELECT m::text FROM accounts_outgoingmail m")
        [[row]] = cursor.fetchall()
    ours = "\n".join(f"{r.getMessage()} {r.__dict__}" for r in caplog.records if r.name.startswith("accounts"))
    assert f"'mail': {mail.pk}" in ours
    assert code not in row
    assert code not in ours
    assert "quiet@example.org" not in ours


class Outage:
    """A database that goes away when a mail has left, for so many seconds of a clock that only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
        self.now, self.end = 0.0, seconds
        self.record = OutgoingMail.record_sent
        monkeypatch.setattr(OutgoingMail, "record_sent", lambda *sent, **named: self.write(*sent, **named))
        monkeypatch.setattr("accounts.mail.delivery.time", self)
        monkeypatch.setattr("accounts.mail.delivery.connection.close", lambda: None)

    def write(self, *sent: Any, **named: Any) -> bool:
        if self.now < self.end:
            raise OperationalError("failing over") if self.now else InterfaceError("closed")
        return self.record(*sent, **named)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_database_that_fails_over_when_a_mail_has_left_does_not_make_it_leave_again(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = Outage(monkeypatch, seconds=240)
    mail = queued()
    assert deliver_next()
    assert outcome(mail) == ("done", "")
    assert not deliver_next()
    assert len(server.delivered) == 1
    assert outage.now < 240 + 3


def test_mail_that_has_left_is_done_though_its_lease_ran_out_and_another_worker_took_it(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail, taken = queued(), []

    def close() -> None:
        OutgoingMail.objects.filter(pk=mail.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
        row = OutgoingMail.objects.claim(lease=delivery.LEASE)
        assert row is not None
        taken.append(row)

    Outage(monkeypatch, seconds=0.1)
    monkeypatch.setattr("accounts.mail.delivery.connection.close", close)
    assert deliver_next()
    assert taken == [mail]
    assert outcome(mail) == ("done", "")
    assert not taken[0].postpone(reason="down", base=delivery.LEASE, ceiling=delivery.LEASE)


def test_mail_that_cannot_be_recorded_for_too_long_is_named_in_the_log(
    server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Outage(monkeypatch, seconds=10_000)
    monkeypatch.setattr("accounts.models.leases.connection.close", lambda: None)
    queued()
    with pytest.raises(OperationalError):
        deliver_next()
    assert "mail sent but not recorded: it will be sent again" in caplog.messages
