"""The outbox: mails as rows. A row names a template and keys; what is secret is rendered when it is sent."""

import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models.work import Work, WorkQuerySet

# A mail server that is down for longer than this has lost us the mail.
PATIENCE = timedelta(days=3)


def end_of_patience() -> datetime:
    return timezone.now() + PATIENCE


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
    give_up_at = models.DateTimeField(
        default=end_of_patience, editable=False, help_text="A server that is still down then fails the mail."
    )
    carrier_id = models.CharField(
        max_length=120, blank=True, editable=False, help_text="What SES calls it when it tells what became of it."
    )

    # Work's own manager; only its rows are named here.
    objects: ClassVar[WorkQuerySet["OutgoingMail"]]

    class Meta(Work.Meta):
        abstract = False
        ordering = ["-id"]
        verbose_name = "mail"
        indexes = [
            *Work.Meta.indexes,
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

    def record_sent(self, *, carrier_id: str = "") -> None:
        """It has left, whoever may hold the row by now: a worker that has not sent it yet finds it done."""
        facts = {"state": self.State.DONE, "reason": "", "leased_until": None, "finished_at": Now()}
        facts |= {"carrier_id": carrier_id[:120]}
        type(self).objects.filter(pk=self.pk).exclude(state=self.State.DONE).update(**facts)
        self.state, self.reason, self.leased_until = self.State.DONE, "", None

    @classmethod
    def fresh_start(cls) -> dict[str, Any]:
        """A mail that failed is sent again, with patience anew."""
        return {**super().fresh_start(), "give_up_at": end_of_patience()}
