"""A round: mails of one notice that a worker takes along at once.

What they say is asked of the database once for all of them, and each is written while the server stores the one before.
They are sent and recorded one by one all the same.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta

from django.db.models.functions import Now

from accounts.mail.letters import Letter, letter_with
from accounts.mail.outbox import Renderer, renderer_of
from accounts.models import OutgoingMail

# What a round was told is good for so long: who unsubscribes while the server is slow gets no mail any more.
FRESH_SECONDS = 1.0


class Round:
    render: Renderer

    def __init__(self, mails: Sequence[OutgoingMail]) -> None:
        self.mails = mails
        self.number = 0
        self.asked_at = float("-inf")
        self.ahead: Letter | None = None

    def __iter__(self) -> Iterator[OutgoingMail]:
        """One mail after the other, for as long as they are ours and nobody waits for a mail of their own."""
        for number, mail in enumerate(self.mails):
            self.number = number
            if number and not OutgoingMail.objects.may_follow(mail):
                return
            yield mail

    # What they say ------------------------------------------------------------------------------------------

    def letter(self, mail: OutgoingMail) -> Letter:
        ahead, self.ahead = self.ahead, None
        now = time.monotonic()
        if now - self.asked_at > FRESH_SECONDS:
            self.render, self.asked_at, ahead = renderer_of(self.mails[self.number :]), now, None
        return ahead or letter_with(mail, self.render(mail))

    def write_ahead(self) -> None:
        """The next mail's letter. A mistake in it must not hide what becomes of the mail that is being sent: it is met
        again, and told, when it is the turn of the one that it is in."""
        with suppress(Exception):
            for mail in self.mails[self.number + 1 : self.number + 2]:
                self.ahead = letter_with(mail, self.render(mail))

    # What a lease asks of its row ---------------------------------------------------------------------------

    @property
    def pk(self) -> int:
        return self.mails[self.number].pk

    def renew(self, *, lease: timedelta) -> bool:
        return OutgoingMail.objects.held(self.mails).update(leased_until=Now() + lease) > 0

    def crash(self, *, reason: str) -> bool:
        held = self.mails[self.number].crash(reason=reason)
        self.give_back()
        return held

    def postpone(self, *, reason: str, base: timedelta, ceiling: timedelta) -> bool:
        held = self.mails[self.number].postpone(reason=reason, base=base, ceiling=ceiling)
        self.give_back()
        return held

    def give_back(self) -> None:
        OutgoingMail.objects.give_back(self.mails[self.number :])
