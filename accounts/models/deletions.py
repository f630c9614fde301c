"""The deletion of an account: a row of work, and what stays to say that there was one."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from accounts.models.evidence import never_changed, never_emptied
from accounts.models.mails import OutgoingMail
from accounts.models.work import Work, WorkQuerySet

# In the place of a reason that must be there (database constraints) and that nobody shall read any more.
FORGOTTEN = "Forgotten with the account."


class Deletion(Work):
    """Whose account is to be forgotten. While it runs, and only then, the database lets go of what is evidence about
    this person (migrations named forgetting). So nobody can take one away, or turn it to somebody else: it would be
    the trace of a wiped record."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="deletion", editable=False
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    why = models.TextField(blank=True, editable=False, help_text="A maintainer's reason, until it is done.")
    mail = models.ForeignKey(
        OutgoingMail, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    written_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When it was noted outside of the database."
    )

    never_changes = ("user", "created_at")
    # Work's own manager; only its rows are named here.
    objects: ClassVar[WorkQuerySet["Deletion"]]

    class Meta(Work.Meta):
        abstract = False
        ordering = ["-id"]
        triggers = [
            pgtrigger.Protect(name="deletion_kept", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="deletion_names_one_person",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__user__df=pgtrigger.F("new__user"))
                | pgtrigger.Q(old__created_at__df=pgtrigger.F("new__created_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"deletion {self.pk}"


class Forgetting(models.Model):
    """That evidence about a person was forgotten: written by the very functions that forget it, and by nobody else.
    What has lost its values without such a row was wiped."""

    append_only = True
    written_by_functions = True

    person = models.BigIntegerField("number of the person", db_index=True, editable=False)
    function = models.CharField(max_length=40, editable=False)
    rows = models.BigIntegerField(editable=False)
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        triggers = [never_changed(), never_emptied()]

    def __str__(self) -> str:
        return f"{self.function} of person {self.person}"
