"""Mails about access that are sent again, or when their day comes."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.mail import queue
from accounts.models import OutgoingMail, User
from datasets.exceptions import MoveNotAllowed
from datasets.models import AccessGrant, DownloadLink, Release

# Days before the end, longest first. One mail each, and only where access lasts longer than that.
REMINDERS = (60, 14)
# A link is not mailed again sooner than this: a double click, or a mail that is on its way.
MAIL_AGAIN = timedelta(minutes=10)
BATCH = 500


@transaction.atomic
def mail_link(link: DownloadLink, *, by: User) -> bool:
    """Mail the commands of a live link to its owner; False when that was done a few minutes ago."""
    # The lock on the person makes the second of two clicks see the first one's mail.
    owner = User.objects.select_for_update(no_key=True).get(access_grants__links=link)
    link = DownloadLink.objects.select_related("grant", "release__dataset").get(pk=link.pk)
    if link.status != DownloadLink.Status.LIVE or link.release.status != Release.Status.PUBLISHED:
        raise MoveNotAllowed(f"The link to {link.release} is {_why_not(link)}. It was not mailed.")
    if link.grant.has_ended:
        whose = "Your" if by.pk == owner.pk else "This"
        raise MoveNotAllowed(f"{whose} access to {link.release.dataset.name} has ended. Renew it first.")
    since = timezone.now() - MAIL_AGAIN
    if OutgoingMail.objects.filter(
        user=owner, template="access/link", created_at__gt=since, keys__link=link.pk
    ).exists():
        return False
    queue("access/link", user=owner, grant=link.grant_id, link=link.pk)
    return True


def _why_not(link: DownloadLink) -> str:
    return str(link.status if link.status != DownloadLink.Status.LIVE else link.release.status)


@transaction.atomic
def resend_links(grant: AccessGrant, *, by: User) -> int:
    """Mail every link of a grant that can be used; says how many mails there are."""
    links = DownloadLink.objects.live().filter(grant=grant, release__status=Release.Status.PUBLISHED)
    if grant.status != AccessGrant.Status.ACTIVE:
        raise MoveNotAllowed(f"This access to {grant.dataset.name} was revoked, so there is no link to mail.")
    return sum(mail_link(link, by=by) for link in links.order_by("pk"))


def remind_of_ends() -> int:
    """Queue a reminder for every grant that has come close to its end; says how many.

    Each is queued once for one end of one grant, so a renewal arms them anew, and a run that comes late, after
    an outage, queues only the reminder that is due now.
    """
    now = timezone.now()
    return sum(_remind(days, now, floor) for days, floor in zip(REMINDERS, (*REMINDERS[1:], 0), strict=True))


def _remind(days: int, now: datetime, floor: int) -> int:
    """Grants that end in more than `floor` and at most `days` days."""
    ending = AccessGrant.objects.current(now + timedelta(days=floor)).filter(
        ends_at__lte=now + timedelta(days=days), dataset__access_days__gt=days, user__is_active=True
    )
    queued, last = 0, 0
    while batch := list(ending.filter(pk__gt=last).select_related("user").order_by("pk")[:BATCH]):
        queued += _queue_reminders(batch, days)
        last = batch[-1].pk
    return queued


@transaction.atomic
def _queue_reminders(grants: Iterable[AccessGrant], days: int) -> int:
    words = {reminder_word(grant, days): grant for grant in grants}
    done = set(OutgoingMail.objects.filter(once__in=words).values_list("once", flat=True))
    mails = [
        queue("access/ends", user=grant.user, once=word, grant=grant.pk, ends_on=ends_on(grant))
        for word, grant in words.items()
        if word not in done
    ]
    return sum(mail is not None for mail in mails)


def reminder_word(grant: AccessGrant, days: int) -> str:
    return f"ends:{grant.pk}:{ends_on(grant)}:{days}"


def ends_on(grant: AccessGrant) -> str:
    return f"{grant.ends_at:%Y-%m-%d}"
