"""What the mails to many say: of new versions of agreements, and of releases."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from django.utils import timezone

from accounts.exceptions import MailRefused
from accounts.mail import Content, Obsolete, bounce_of, renders, renders_together, whose_mail_comes_back
from accounts.mail.letters import Letter, letter_with
from accounts.mail.outbox import Renderer
from accounts.models import AgreementVersion, OutgoingMail, User
from accounts.services.announcements import unsubscribe_address, unsubscribe_headers
from accounts.services.differences import in_words
from datasets.models import AccessGrant, Notice, Release
from datasets.services.notices import (
    MAILS,
    affected_archives,
    concern_of,
    grants_to_tell,
    names_to_tell,
    notice_of,
    why_over,
    why_untrue,
)

# Archives that a mail names; how many more there are is said.
NAMED = 12
# How long a worker keeps what a notice says to everybody, such as a dataset's name.
KEPT_SECONDS = 30
NOT_CONCERNED = "It does not concern this person any more."
COMES_BACK = "Mail to this address comes back; the person is told at the next sign-in."


# Agreements -----------------------------------------------------------------------------------------------


@renders("agreement/new_version")
def new_version(mail: OutgoingMail) -> Content:
    return Content(_concern(mail, notice_of(mail.keys["notice"]).version))


@renders("agreement/new_version_due")
def new_version_due(mail: OutgoingMail) -> Content:
    notice = notice_of(mail.keys["notice"])
    if why_over(notice):
        raise Obsolete("The day has come, so there is nothing to remind of.")
    return Content(_concern(mail, notice.version))


def _concern(mail: OutgoingMail, version: AgreementVersion | None) -> dict[str, Any]:
    if mail.user and bounce_of(mail.user):
        raise Obsolete(COMES_BACK)
    concern = concern_of(mail.user, version) if mail.user and version else None
    if version is None or concern is None:
        raise Obsolete("It is signed, or the access has ended, or the account is disabled.")
    return {
        "version": version,
        "current": concern.current,
        "datasets": concern.datasets,
        "dataset": concern.datasets[0],
        "reasons": in_words(version.changes),
        "day": version.required_from,
        "is_required": version.required_from is not None and version.required_from <= timezone.now(),
    }


# Releases -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What the mail of a notice says to everybody."""

    notice: Notice
    archives: list[int]
    """The numbers of those that are affected."""
    context: dict[str, Any]


@renders_together("release/published")
@renders_together("release/withdrawn")
@renders_together("release/reinstated")
@renders_together("release/erratum")
def about_release(mails: Sequence[OutgoingMail]) -> Renderer:
    said = _said_lately(mails[0].keys["notice"], int(time.monotonic() // KEPT_SECONDS))
    untrue = why_untrue(said.notice)
    told = {} if untrue else _told(said, [mail.user_id for mail in mails if mail.user_id])
    # A test is mailed to whoever asked for it, like a code.
    unreachable = set() if said.notice.test_for_id else whose_mail_comes_back(told)

    def render(mail: OutgoingMail) -> Content:
        if mail.user is None or mail.user.pk not in told:
            raise Obsolete(untrue or NOT_CONCERNED)
        if mail.user.pk in unreachable:
            _give_up(said.notice, mail.user)
        return _content(said, mail.user, told[mail.user.pk])

    return render


def _give_up(notice: Notice, user: User) -> NoReturn:
    """An announcement is let go. Who has data with which something is wrong must be told: that they cannot be is a mail
    that failed, which is looked at."""
    if notice.kind == Notice.Kind.RELEASE:
        raise Obsolete(COMES_BACK)
    raise MailRefused(f"Mail to {user.email} comes back, so it was not sent. Tell the person in another way.")


def preview(notice: Notice, *, to: User) -> Letter:
    """The mail that a notice would send, as this maintainer would get it; nothing is written."""
    notice.test_for = to
    said = _said(notice)
    mail = OutgoingMail(template=MAILS[Notice.Kind(notice.kind)], to=to.email, user=to)
    return letter_with(mail, _content(said, to, _told(said, [to.pk])[to.pk]))


@lru_cache(maxsize=4)
def _said_lately(notice: int, _time: int) -> Said:
    """The same for the twenty thousand mails of a notice. Whether it is still so is asked for each."""
    return _said(notice_of(notice))


def _said(notice: Notice) -> Said:
    release = notice.release
    if release is None:
        raise Obsolete("It is about no release.")
    context = {"notice": notice, "release": release, "dataset": release.dataset, "is_test": bool(notice.test_for_id)}
    archives = list(affected_archives(notice).values_list("pk", "size"))
    if notice.kind == Notice.Kind.RELEASE:
        context |= {"archives": len(archives), "size": sum(size or 0 for _pk, size in archives)}
    if notice.erratum is not None:
        context |= {"erratum": notice.erratum, "blocks": in_words(notice.erratum.text)}
    if notice.kind == Notice.Kind.WITHDRAWAL:
        others = Release.objects.published().filter(dataset=release.dataset_id).exclude(pk=release.pk)
        context["replacement"] = others.newest_first().only("version", "dataset").first()
    return Said(notice, [pk for pk, _size in archives], context)


def _told(said: Said, users: Sequence[int]) -> Mapping[int, AccessGrant | list[str] | None]:
    """Of these people, by their numbers, those whom it concerns still: with their access, or with the names of what
    they were issued."""
    if said.notice.kind != Notice.Kind.RELEASE:
        return names_to_tell(said.notice, users, said.archives)
    grants = grants_to_tell(said.notice, users)
    return {user: grants.get(user) for user in users} if said.notice.test_for_id else grants


def _content(said: Said, user: User, told: AccessGrant | list[str] | None) -> Content:
    if isinstance(told, list):
        return Content({**said.context, "names": told[:NAMED], "more": max(0, len(told) - NAMED)})
    address = unsubscribe_address(user)
    return Content({**said.context, "grant": told, "unsubscribe": address}, headers=unsubscribe_headers(address))
