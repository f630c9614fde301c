"""What the mails to many say: of new versions of agreements, and of releases."""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils import timezone

from accounts.mail import Content, Obsolete, bounce_of, renders, require_reachable
from accounts.mail.letters import Letter, letter_with
from accounts.models import AgreementVersion, OutgoingMail, User
from accounts.services.announcements import unsubscribe_address, unsubscribe_headers
from accounts.services.differences import in_words
from datasets.models import Notice, Release
from datasets.services.notices import (
    MAILS,
    affected_archives,
    concern_of,
    grant_to_tell,
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


@renders("release/published")
@renders("release/withdrawn")
@renders("release/reinstated")
@renders("release/erratum")
def about_release(mail: OutgoingMail) -> Content:
    said = _said_lately(mail.keys["notice"], int(time.monotonic() // KEPT_SECONDS))
    if mail.user is None:
        raise Obsolete(NOT_CONCERNED)
    untrue = why_untrue(said.notice)
    if untrue:
        raise Obsolete(untrue)
    return _content(said, mail.user)


def preview(notice: Notice, *, to: User) -> Letter:
    """The mail that a notice would send, as this maintainer would get it; nothing is written."""
    notice.test_for = to
    mail = OutgoingMail(template=MAILS[Notice.Kind(notice.kind)], to=to.email, user=to)
    return letter_with(mail, _content(_said(notice), to))


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


def _content(said: Said, user: User) -> Content:
    """With what concerns this person; Obsolete when nothing does any more."""
    if said.notice.kind == Notice.Kind.RELEASE:
        grant = grant_to_tell(said.notice, user)
        if grant is None and not said.notice.test_for_id:
            raise Obsolete(NOT_CONCERNED)
        if bounce_of(user):
            raise Obsolete(COMES_BACK)
        context = {**said.context, "grant": grant, "unsubscribe": unsubscribe_address(user)}
        return Content(context, headers=unsubscribe_headers(user))
    names = names_to_tell(said.notice, user, said.archives)
    if not names and not said.notice.test_for_id:
        raise Obsolete(NOT_CONCERNED)
    # They have data with which something is wrong: that they cannot be told is a mail that failed, which is looked at.
    require_reachable(user)
    return Content({**said.context, "names": names[:NAMED], "more": max(0, len(names) - NAMED)})
