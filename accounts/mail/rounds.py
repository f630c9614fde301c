"""A round: what a worker takes along at once, which is one mail, or some of a notice.

What the mails of a notice say is asked of the database once for all of them, and each is written while the server
stores the one before. They are sent and recorded one by one all the same.
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
        self.tried = 0
        self.asked_at = float("-inf")
        self.ahead: Letter | None = None
        self.may_follow: bool | None = None

    def __iter__(self) -> Iterator[OutgoingMail]:
        """One mail after the other, for as long as they are ours and nobody waits for a mail of their own."""
        for mail in self.mails:
            if self.tried and not self._may_follow(mail):
                return
            self.tried += 1
            yield mail

    @property
    def in_hand(self) -> OutgoingMail:
        return self.mails[max(self.tried - 1, 0)]

    @property
    def following(self) -> OutgoingMail | None:
        return self.mails[self.tried] if self.tried < len(self.mails) else None

    def _may_follow(self, mail: OutgoingMail) -> bool:
        """As it was found when the one before was recorded, or, where that was not sent, now."""
        found, self.may_follow = self.may_follow, None
        return mail.may_follow() if found is None else found

    # What they say ------------------------------------------------------------------------------------------

    def letter(self) -> Letter:
        """The letter of the mail in hand."""
        ahead, self.ahead = self.ahead, None
        now = time.monotonic()
        if now - self.asked_at > FRESH_SECONDS:
            self.render, self.asked_at, ahead = renderer_of([self.in_hand, *self._rest]), now, None
        return ahead or letter_with(self.in_hand, self.render(self.in_hand))

    def write_ahead(self) -> None:
        """The letter of the next mail. A mistake in it must not hide what becomes of the one that is being sent: it is
        met again, and told, when it is that mail's turn."""
        if self.following is not None:
            with suppress(Exception):
                self.ahead = letter_with(self.following, self.render(self.following))

    # What becomes of them -----------------------------------------------------------------------------------

    def record_sent(self, carrier_id: str) -> None:
        self.may_follow = self.in_hand.record_sent(self.following, carrier_id=carrier_id)

    def give_back(self) -> None:
        """What nobody tried waits as before. Once only, even where the answer was lost: another worker that has them by
        then is at its first attempt, too, and would look like this one."""
        held = max(self.tried, 1)
        rest, self.mails = self.mails[held:], self.mails[:held]
        if rest:
            OutgoingMail.objects.held(rest).update(state=OutgoingMail.State.WAITING, attempts=0, leased_until=None)

    @property
    def _rest(self) -> Sequence[OutgoingMail]:
        return self.mails[self.tried :]

    # What a lease asks of its row ---------------------------------------------------------------------------

    @property
    def pk(self) -> int:
        return self.in_hand.pk

    def renew(self, *, lease: timedelta) -> bool:
        return OutgoingMail.objects.held(self.mails).update(leased_until=Now() + lease) > 0

    def crash(self, *, reason: str) -> bool:
        held = self.in_hand.crash(reason=reason)
        self.give_back()
        return held

    def postpone(self, *, reason: str, base: timedelta, ceiling: timedelta) -> bool:
        held = self.in_hand.postpone(reason=reason, base=base, ceiling=ceiling)
        self.give_back()
        return held
