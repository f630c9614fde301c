"""What is kept, why, who sees it and for how long, and what ends it: one rule a kind of fact.

Each package states its rules (settings.RETENTION names them). The privacy page shows them; a daily task enforces those
that have a time. No model of the site is without a rule, which a test sees to.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.models import Bounce, Deletion, OutgoingMail, Signature, User

logger = logging.getLogger(__name__)

BATCH = 1_000
UNCONFIRMED_DAYS = 30
SENT_DAYS, FAILED_DAYS = 90, 180
LOG_DAYS = 730
BOUNCE_DAYS = 365
# From where and with what something about an account was changed: its mail said so.
WHENCE = ("address", "agent")

Forget = Callable[[int], int]


@dataclass(frozen=True)
class Rule:
    """One line of the privacy page."""

    models: tuple[str, ...]
    what: str
    why: str
    seen_by: str
    how_long: str
    """Where it says {days}, so many."""
    days: Callable[[], int] = lambda: 0
    forget: Forget | None = None
    """Forgets at most BATCH rows that are older than so many days, and says how many there were."""

    @property
    def term(self) -> str:
        return self.how_long.format(days=f"{self.days():,}")


def rules() -> list[Rule]:
    """What is about people first, package by package."""
    found = [rule for path in settings.RETENTION for rule in import_string(path)]
    return sorted(found, key=lambda rule: rule.seen_by == EVERYBODY)


def forget_what_is_old(*, seconds: float) -> bool:
    """Enforce every rule that has a time, batch by batch, for so long; True when the time was up before the rows were.

    A rule that the database refuses keeps none of the others from being enforced, and is told at the end."""
    end = time.monotonic() + seconds
    failures: list[DatabaseError] = []
    for rule in rules():
        try:
            while rule.forget and rule.forget(rule.days()):
                if time.monotonic() >= end:
                    return True
        except DatabaseError as error:
            logger.error("a rule of retention was not enforced", extra={"rule": rule.what})
            failures.append(error)
    if failures:
        raise failures[0]
    return False


def before(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


def delete_batch(rows: QuerySet) -> int:
    """Delete the first BATCH of these rows; says how many there were."""
    batch = list(rows.values_list("pk", flat=True)[:BATCH])
    rows.model._base_manager.filter(pk__in=batch).delete()
    return len(batch)


# What has a time -----------------------------------------------------------------------------------------


def forget_unconfirmed(days: int) -> int:
    """Registrations whose address nobody confirmed, with the mails that asked to."""
    addresses = EmailAddress.objects.filter(user=OuterRef("pk"))
    users = User.objects.filter(Exists(addresses), last_login=None, is_staff=False, date_joined__lt=before(days))
    users = users.exclude(Exists(addresses.filter(verified=True)))
    for model in (Signature, Deletion):
        users = users.exclude(Exists(model.objects.filter(user=OuterRef("pk"))))
    batch = list(users.order_by("date_joined").values_list("pk", flat=True)[:BATCH])
    OutgoingMail.objects.filter(user__in=batch).delete()
    User.objects.filter(pk__in=batch).delete()
    return len(batch)


def forget_sent_mails(days: int) -> int:
    done = OutgoingMail.objects.filter(state=OutgoingMail.State.DONE, created_at__lt=before(days))
    return delete_batch(done.order_by("created_at"))


def forget_failed_mails(days: int) -> int:
    failed = OutgoingMail.objects.filter(state=OutgoingMail.State.FAILED, created_at__lt=before(days))
    return delete_batch(failed.order_by("created_at"))


def forget_whence(days: int) -> int:
    """The network addresses and browsers in mails. A mail that is still to be sent needs them."""
    old = OutgoingMail.objects.filter(
        state__in=(OutgoingMail.State.DONE, OutgoingMail.State.FAILED),
        created_at__lt=before(days),
        keys__has_any_keys=WHENCE,
    )
    batch = list(old.order_by("created_at").values_list("pk", "keys")[:BATCH])
    for pk, keys in batch:
        rest = {name: value for name, value in keys.items() if name not in WHENCE}
        old.filter(pk=pk).update(keys=rest)
    return len(batch)


def forget_bounces(days: int) -> int:
    """Also those that are open: mail to the address is then tried again."""
    return delete_batch(Bounce.objects.filter(at__lt=before(days)).order_by("at"))


def forget_sessions(days: int) -> int:
    """Nobody comes back to a session that ran out, so nothing else would delete what it holds."""
    return delete_batch(Session.objects.filter(expire_date__lt=before(days)).order_by("expire_date"))


def forget_log(days: int) -> int:
    return delete_batch(LogEntry.objects.filter(action_time__lt=before(days)).order_by("pk"))


YOU_AND_US, EVERYBODY = "You and the maintainers", "Everybody"

RULES = [
    Rule(
        models=(
            *("accounts.User", "accounts.User_groups", "accounts.User_user_permissions", "account.EmailAddress"),
            *("account.EmailConfirmation", "socialaccount.SocialAccount", "socialaccount.SocialToken"),
        ),
        what="Account: address, name, institution, country, position, research purpose, connected providers, and since "
        "when you want no announcements, or no daily mail about requests",
        why="To know who holds the data, and to decide on access",
        seen_by=YOU_AND_US,
        how_long="As long as the account. Afterwards a row without any of it remains, to which signatures and "
        "downloads belong",
    ),
    Rule(
        models=("accounts.AccountEvent", "accounts.GroupMemberEvent"),
        what="Whether the account was disabled or enabled, or became a maintainer's, and when",
        why="To say who decided it",
        seen_by=YOU_AND_US,
        how_long="As long as the site, and nobody can alter it. Without the account, a row without a name",
    ),
    Rule(
        models=("accounts.User", "mfa.Authenticator"),
        what="Password and second factors",
        why="To sign you in",
        seen_by="Nobody: passwords are stored as hashes, the secrets of authenticator apps encrypted",
        how_long="As long as the account",
    ),
    Rule(
        models=("accounts.User", "account.EmailAddress"),
        what="A registration whose address is not confirmed",
        why="So that the code of our mail can confirm it",
        seen_by="The maintainers",
        how_long="{days} days, then it is deleted",
        days=lambda: UNCONFIRMED_DAYS,
        forget=forget_unconfirmed,
    ),
    Rule(
        models=("sessions.Session",),
        what="What a browser has open here; while you register, your answers",
        why="To keep you signed in, and to fill in the form again",
        seen_by="Nobody",
        how_long="14 days without a visit, the answers an hour; what ran out is deleted daily",
        forget=forget_sessions,
    ),
    Rule(
        models=("accounts.Signature", "accounts.Receipt", "accounts.ReceiptDocument"),
        what="Signatures and their receipts: typed name, address, time, network address, browser, the exact text",
        why="To prove what was agreed",
        seen_by=YOU_AND_US,
        how_long="As long as the account, and nobody can alter them. Afterwards which text was signed when, and hashes "
        "from which nothing about you can be found",
    ),
    Rule(
        models=("accounts.OutgoingMail",),
        what="Mails that we sent you: kind, address, times and whether they were sent, not their text",
        why="To know that they reached you",
        seen_by=YOU_AND_US,
        how_long="{days} days, then they are deleted",
        days=lambda: SENT_DAYS,
        forget=forget_sent_mails,
    ),
    Rule(
        models=("accounts.OutgoingMail",),
        what="Mails that could not be sent",
        why="To try again when the fault is found",
        seen_by=YOU_AND_US,
        how_long="{days} days, then they are deleted",
        days=lambda: FAILED_DAYS,
        forget=forget_failed_mails,
    ),
    Rule(
        models=("accounts.OutgoingMail",),
        what="The network address and the browser that a mail about a change of your account named",
        why="To tell you from where the change came",
        seen_by="You",
        how_long="{days} days, then they are blanked",
        days=lambda: settings.ADDRESS_DAYS,
        forget=forget_whence,
    ),
    Rule(
        models=("accounts.Bounce",),
        what="Mails to your address that came back, or that were reported as unwanted: address, time, and what the "
        "mail server said",
        why="To tell you, and to send no more announcements where nobody reads them",
        seen_by=YOU_AND_US,
        how_long="{days} days, then they are deleted",
        days=lambda: BOUNCE_DAYS,
        forget=forget_bounces,
    ),
    Rule(
        models=("admin.LogEntry",),
        what="What maintainers did here, and about whom",
        why="To say who changed what",
        seen_by=YOU_AND_US,
        how_long="{days} days, then it is deleted",
        days=lambda: LOG_DAYS,
        forget=forget_log,
    ),
    Rule(
        models=("pghistory.Context",),
        what="The number of the maintainer who changed a dataset, an agreement or an access",
        why="To say who changed what",
        seen_by="The maintainers",
        how_long="As long as what was changed",
    ),
    Rule(
        models=("accounts.Deletion", "accounts.Forgetting"),
        what="That an account was deleted: its number, the times and how much was forgotten; the number and the time "
        "also outside of the database",
        why="To delete it again when a backup is restored that still has it, and to tell that from tampering",
        seen_by="The maintainers",
        how_long="No end is set: it leads to nobody",
    ),
    Rule(
        models=(
            *("accounts.Agreement", "accounts.AgreementVersion", "accounts.AgreementVersionEvent", "auth.Group"),
            *("auth.Group_permissions", "auth.Permission", "contenttypes.ContentType", "socialaccount.SocialApp"),
            *("accounts.AgreementEvent", "accounts.MaintainerGroupEvent", "accounts.GroupRightEvent"),
        ),
        what="Agreements, what kinds of maintainers there are, and what was changed in them",
        why="The site needs them; nothing in them is about you",
        seen_by=EVERYBODY,
        how_long="As long as the site",
    ),
]
