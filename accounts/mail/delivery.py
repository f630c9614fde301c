"""Delivering: claim a row (commit), render, send, settle (commit). Rows of a notice are claimed some at a time."""

import logging
import math
import time
from datetime import timedelta
from itertools import chain, repeat

from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from accounts.exceptions import AddressRefused, MailDelayed, MailRefused, Obsolete, ServerDown
from accounts.mail.bounces import note_refusal
from accounts.mail.courier import Courier
from accounts.mail.rounds import Round
from accounts.models import Lease, OutgoingMail

logger = logging.getLogger(__name__)

# Renewed while the mail is being sent, so only a worker that died lets it run out.
LEASE = timedelta(seconds=60)
# Mails of a notice that are claimed together.
ROUND = 90
# A database that fails over is away for a minute or two. With the server's last word (smtp.LAST_WORD_SECONDS) at its
# longest this is longer than a task may run; one of both at a time is not.
RECORDING_SECONDS = 300
BACKOFF_BASE, BACKOFF_CEILING = timedelta(seconds=4), timedelta(minutes=5)


def deliver_next(courier: Courier | None = None) -> bool:
    """Claim one mail, send and settle it. False when none is due, or when the server is down for all of them."""
    mail = _claim()
    if mail is None:
        return False
    if courier is not None:
        return _deliver(Round([mail]), courier)
    with Courier() as own:
        return _deliver(Round([mail]), own)


def deliver_due(*, seconds: float) -> bool:
    """Deliver over one connection for so long; True when the time was up before the mails were."""
    end = time.monotonic() + seconds
    with Courier() as courier:
        while (mail := _claim()) is not None:
            if not _deliver(_round_of(mail), courier, end):
                return False
            if time.monotonic() >= end:
                return True
    return False


def _claim() -> OutgoingMail | None:
    """What concerns one person alone goes first: no code waits for twenty thousand announcements."""
    return OutgoingMail.objects.to_one().claim(lease=LEASE) or OutgoingMail.objects.claim(lease=LEASE)


def _round_of(first: OutgoingMail) -> Round:
    others = OutgoingMail.objects.claim_with(first, most=ROUND, lease=LEASE) if first.is_of_a_round else []
    return Round([first, *others])


def _deliver(carried: Round, courier: Courier, end: float = math.inf) -> bool:
    """Whatever ends the round, mails that nobody tried wait as before. False when the server is down."""
    server_is_up = True
    with Lease(carried, LEASE):
        for mail in carried:
            server_is_up = _send(mail, carried, courier)
            if not server_is_up or time.monotonic() >= end:
                break
        carried.give_back()
    return server_is_up


def _send(mail: OutgoingMail, carried: Round, courier: Courier) -> bool:
    server_is_up = True
    try:
        carrier_id = courier.send(carried.letter(), carried.write_ahead)
    except (Obsolete, ObjectDoesNotExist) as why:
        mail.finish(mail.State.DONE, reason=f"Not sent: {why}")
    except MailRefused as why:
        if isinstance(why, AddressRefused):
            note_refusal(mail, str(why))
        mail.finish(mail.State.FAILED, reason=str(why))
    except MailDelayed as why:
        server_is_up = not isinstance(why, ServerDown)
        _delay(mail, str(why))
    else:
        _record_sent(carried, carrier_id)
    # No address and no key: a row's number finds both for those who may see them.
    logger.info("mail %s", mail.state, extra={"mail": mail.pk, "template": mail.template, "attempts": mail.attempts})
    return server_is_up


def _record_sent(carried: Round, carrier_id: str) -> None:
    """A database that fails over just now must not make a mail that has left look unsent.

    While it is away nobody else can claim the row either. What remains: the lease may have run out meanwhile, and
    another worker may claim the row in the seconds between the database's return and our next try; and a database
    that is away for longer than RECORDING_SECONDS. Then the mail is sent twice, with one Message-ID."""
    end = time.monotonic() + RECORDING_SECONDS
    for pause in chain((0.25, 0.5, 1), repeat(2)):
        try:
            carried.record_sent(carrier_id)
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() >= end:
                logger.error("mail sent but not recorded: it will be sent again", extra={"mail": carried.pk})
                raise
            time.sleep(pause)
        else:
            return


def _delay(mail: OutgoingMail, reason: str) -> None:
    if timezone.now() >= mail.give_up_at:
        mail.finish(mail.State.FAILED, reason=f"Given up. {reason}")
    else:
        mail.postpone(reason=reason, base=BACKOFF_BASE, ceiling=BACKOFF_CEILING)
