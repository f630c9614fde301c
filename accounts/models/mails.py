"""The outbox: mails as rows. A row names a template and keys; what is secret is rendered when it is sent."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models.work import Work, WorkQuerySet

# A mail server that is down for longer than this has lost us the mail.
PATIENCE = timedelta(days=3)


def end_of_patience() -> datetime:
    return timezone.now() + PATIENCE


# What is due, as WorkQuerySet.due() has it.
RECORD = """
WITH recorded AS (
    UPDATE accounts_outgoingmail
    SET state = 'done', reason = '', leased_until = NULL, finished_at = statement_timestamp(), carrier_id = %(carrier)s
    WHERE id = %(sent)s AND state <> 'done'
)
SELECT EXISTS (
    SELECT FROM accounts_outgoingmail WHERE id = %(following)s AND state = 'running' AND attempts = %(attempts)s
) AND NOT EXISTS (
    SELECT FROM accounts_outgoingmail WHERE NOT to_many AND state IN ('waiting', 'running') AND (
        state = 'waiting' AND due_at <= statement_timestamp()
        OR state = 'running' AND leased_until <= statement_timestamp()
    )
)
"""


def _record(sent: "OutgoingMail | None", following: "OutgoingMail | None", carrier_id: str = "") -> bool:
    values = {
        "sent": sent.pk if sent else None,
        "carrier": carrier_id[:120],
        "following": following.pk if following else None,
        "attempts": following.attempts if following else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(RECORD, values)
        [[may_follow]] = cursor.fetchall()
    return bool(may_follow)


class MailQuerySet(WorkQuerySet["OutgoingMail"]):
    def to_one(self) -> Self:
        """What concerns one person alone, such as a code. It leaves before what is told to many."""
        return self.filter(to_many=False)

    def claim_with(self, first: "OutgoingMail", *, most: int, lease: timedelta) -> list["OutgoingMail"]:
        """Take others of the same notice along that nobody has tried yet, in one commit: so many with the first."""
        others = self.due().filter(to_many=True, attempts=0, template=first.template, keys=first.keys)
        with transaction.atomic(durable=True):
            locked = others.select_related("user").select_for_update(skip_locked=True, of=("self",))
            rows = list(locked.order_by("due_at", "pk")[: most - 1])
            taken = {"state": Work.State.RUNNING, "attempts": 1}
            self.filter(pk__in=[row.pk for row in rows]).update(**taken, leased_until=Now() + lease)
        for row in rows:
            row.state, row.attempts = Work.State.RUNNING, 1
        return rows

    def held(self, rows: Sequence["OutgoingMail"]) -> Self:
        """Those of a round that this worker still has; all of them are at the same attempt."""
        return self.filter(pk__in=[row.pk for row in rows], state=Work.State.RUNNING, attempts=rows[0].attempts)


class OutgoingMail(Work):
    gives_up = True

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    template = models.CharField(max_length=80, editable=False)
    to = models.EmailField(max_length=254, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="mails", editable=False
    )
    keys = models.JSONField(default=dict, editable=False, help_text="Row numbers and nonces, never text or secrets.")
    once = models.CharField(
        max_length=120,
        null=True,
        blank=True,
        unique=True,
        editable=False,
        help_text="A mail with the same word is never queued again.",
    )
    to_many = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="One of a notice's: what concerns one leaves first."
    )
    give_up_at = models.DateTimeField(
        default=end_of_patience, editable=False, help_text="A server that is still down then fails the mail."
    )
    carrier_id = models.CharField(
        max_length=120, blank=True, editable=False, help_text="What SES calls it when it tells what became of it."
    )

    objects: ClassVar[MailQuerySet] = MailQuerySet.as_manager()  # type: ignore[assignment]

    class Meta(Work.Meta):
        abstract = False
        ordering = ["-id"]
        verbose_name = "mail"
        indexes = [
            *Work.Meta.indexes,
            # What leaves first, in the order of claims: few, however many a notice has.
            models.Index(
                fields=["due_at", "id"],
                condition=Q(state__in=("waiting", "running"), to_many=False),
                name="mail_to_one_open",
            ),
            # What a maintainer looks for: what went to an address, what went on a day.
            models.Index(fields=["to"], opclasses=["varchar_pattern_ops"], name="mail_to"),
            models.Index(fields=["template", "id"], name="mail_template"),
            models.Index(fields=["created_at"], name="mail_created"),
            models.Index(fields=["carrier_id"], condition=~models.Q(carrier_id=""), name="mail_carrier"),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.pk}"

    @property
    def message_id(self) -> str:
        """The same for every attempt, so that a doubled delivery can be recognised."""
        domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ")
        return f"<{self.uuid}@{domain}>"

    @property
    def is_of_a_round(self) -> bool:
        """Whether this attempt is made with others of the notice, as the first one is."""
        return self.to_many and self.attempts == 1

    def _was_in_hand(self) -> bool:
        """A worker that died in a round held many, and sent one of them: none is blamed, each is then tried alone."""
        return not self.is_of_a_round

    def record_sent(self, following: "OutgoingMail | None" = None, *, carrier_id: str = "") -> bool:
        """It has left, whoever may hold the row by now: a worker that has not sent it yet finds it done. In the same
        statement: whether the following mail of a round may leave."""
        may_follow = _record(self, following, carrier_id)
        self.state, self.reason, self.leased_until = self.State.DONE, "", None
        return may_follow

    def may_follow(self) -> bool:
        """Whether a round still has this mail, and nothing is due that concerns one person alone."""
        return _record(None, self)

    @classmethod
    def fresh_start(cls) -> dict[str, Any]:
        """A mail that failed is sent again, with patience anew."""
        return {**super().fresh_start(), "give_up_at": end_of_patience()}
