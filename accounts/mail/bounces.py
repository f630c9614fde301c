"""What becomes of a mail after it has left, or why it could not leave: one place for SES's events and for SMTP."""

import logging
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.encoding import punycode

from accounts.models import Bounce, OutgoingMail, User
from accounts.text import one_line, only_seen

logger = logging.getLogger(__name__)

LONGEST_SAID = 500
# Our own header, as it left, and SES's own name for the mail.
MESSAGE_ID = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@[^<>\s]+>", re.ASCII)
CARRIER_ID = re.compile(r"[A-Za-z0-9._-]{1,120}", re.ASCII)
# Whoever takes a mail out of the spam folder is told of in the form of a complaint.
NO_COMPLAINT = "not-spam"

Event = Mapping[str, Any]


def bounce_of(user: User) -> Bounce | None:
    """The latest mail that came back from the person's present address for good; None while the address works."""
    return Bounce.objects.open().filter(user=user, address=user.email).order_by("-at").first()


def whose_mail_comes_back(users: Collection[int]) -> set[int]:
    """Of these people, by their numbers, those of whom bounce_of() knows one."""
    told = Bounce.objects.open().filter(user__in=users, address=F("user__email"))
    return set(told.values_list("user_id", flat=True))


def note_arrival(user: User, address: str) -> None:
    """A code came back to us that was mailed to the address, so the address works."""
    told = Bounce.objects.open().filter(user=user, address=address.lower())
    told.update(settled_at=Now())


def note_refusal(mail: OutgoingMail, said: str) -> None:
    """The server would not take a mail because of its address."""
    if mail.user is not None:
        _keep(mail, mail.user, Bounce.Kind.PERMANENT, said, at=timezone.now())


def note_event(event: Event, *, number: str) -> str:
    """Keep what SES tells of a mail of ours, once for each number; says in a word what was made of it.

    Events come twice, late, and in any order. Those about other mails, other addresses and what we do not keep are
    passed over."""
    mail = _mail_of(_part(event, "mail"))
    if mail is None:
        return "unknown mail"
    match event.get("eventType", event.get("notificationType")):
        case "Bounce":
            bounce = _part(event, "bounce")
            kind = Bounce.Kind.PERMANENT if bounce.get("bounceType") == "Permanent" else Bounce.Kind.TRANSIENT
            return _note(mail, bounce, "bouncedRecipients", kind, number)
        case "Complaint":
            complaint = _part(event, "complaint")
            if complaint.get("complaintFeedbackType") == NO_COMPLAINT:
                return "not kept"
            return _note(mail, complaint, "complainedRecipients", Bounce.Kind.COMPLAINT, number)
        case "Reject":
            return _note_rejection(mail, _part(event, "reject"), _given(_part(event, "mail")))
    return "not kept"


def _part(event: Event, name: str) -> Event:
    part = event.get(name)
    return part if isinstance(part, dict) else {}


def _mail_of(told: Event) -> OutgoingMail | None:
    """By our own Message-ID, which SES replaces on the way and quotes in its events; else by the name that it gave."""
    ours = MESSAGE_ID.fullmatch(str(_part(told, "commonHeaders").get("messageId", "")).strip())
    mails: QuerySet[OutgoingMail] = OutgoingMail.objects.select_related("user")
    if ours:
        return mails.filter(uuid=ours[1]).first()
    given = _given(told)
    return mails.filter(carrier_id=given).first() if given else None


def _given(told: Event) -> str:
    """SES's name for the mail; empty where it told none."""
    found = CARRIER_ID.fullmatch(str(told.get("messageId", "")))
    return found[0] if found else ""


def _note(mail: OutgoingMail, told: Event, recipients: str, kind: Bounce.Kind, number: str) -> str:
    concerned = told.get(recipients)
    if mail.user is None or not isinstance(concerned, list):
        return "nobody's"
    for recipient in concerned:
        if isinstance(recipient, dict) and _compared(str(recipient.get("emailAddress", ""))) == _compared(mail.to):
            said = str(recipient.get("diagnosticCode") or told.get("complaintFeedbackType") or _subtype(told))
            return _keep(mail, mail.user, kind, said, at=_moment(told.get("timestamp")), event=number)
    return "another address"


def _compared(address: str) -> str:
    """In small letters, and the domain as it stood in the mail: in ASCII."""
    user, at, domain = address.lower().rpartition("@")
    try:
        return user + at + punycode(domain)
    except UnicodeError:
        return address


def _subtype(told: Event) -> str:
    """What SES makes of a bounce where no server said anything, such as its own list of addresses that bounced."""
    words = (told.get("bounceType"), told.get("bounceSubType"), told.get("complaintSubType"))
    return ", ".join(str(word) for word in words if word)


def _moment(written: object) -> datetime:
    """When it happened; never later than now, so that what is confirmed afterwards counts."""
    try:
        at = parse_datetime(str(written))
    except ValueError:
        at = None
    now = timezone.now()
    return now if at is None else min(at if at.tzinfo else at.replace(tzinfo=UTC), now)


@transaction.atomic
def _keep(
    mail: OutgoingMail, user: User, kind: Bounce.Kind, said: str, *, at: datetime, event: str | None = None
) -> str:
    # Held, so that the address that is compared is the one that the person has.
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if user.email.lower() != mail.to.lower():
        return "a former address"
    facts = {
        "user": user,
        "mail": mail,
        "address": user.email,
        "kind": kind,
        "said": one_line(only_seen(said))[:LONGEST_SAID],
        "at": at,
        "settled_at": _shown_to_work_after(user, at) if kind is Bounce.Kind.PERMANENT else None,
    }
    if event is None:
        Bounce.objects.create(**facts)
    elif not Bounce.objects.get_or_create(event=event, defaults=facts)[1]:
        return "told before"
    if kind is Bounce.Kind.COMPLAINT:
        User.objects.filter(pk=user.pk, unsubscribed_at=None).update(unsubscribed_at=Now())
    logger.info("mail came back", extra={"mail": mail.pk, "user": user.pk, "kind": kind})
    return str(kind)


def _shown_to_work_after(user: User, at: datetime) -> datetime | None:
    """When a code arrived at the address after this happened: an event that comes late undoes nothing."""
    later = Bounce.objects.filter(user=user, address=user.email, settled_at__gte=at).order_by("settled_at")
    return later.values_list("settled_at", flat=True).first()


def _note_rejection(mail: OutgoingMail, told: Event, given: str) -> str:
    """SES took the mail and did not send it: a matter of what is in it. One that was sent again since has another name
    there."""
    reason = one_line(only_seen(str(told.get("reason", ""))))[:LONGEST_SAID] or "no reason was given"
    done = OutgoingMail.objects.filter(pk=mail.pk, state=OutgoingMail.State.DONE, carrier_id__in=("", given))
    failed = done.update(state=OutgoingMail.State.FAILED, reason=f"SES did not send it: {reason}", finished_at=Now())
    return "rejected" if failed else "told before"
