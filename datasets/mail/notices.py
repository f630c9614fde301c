"""What the mails to many say: of new versions of agreements, and of releases."""

from typing import Any

from django.utils import timezone

from accounts.mail import Content, Obsolete, renders
from accounts.mail.letters import Letter, letter_with
from accounts.models import AgreementVersion, OutgoingMail, User
from accounts.services.announcements import unsubscribe_address, unsubscribe_headers
from accounts.services.differences import in_words
from datasets.models import AccessGrant, Archive, Notice, Release
from datasets.services.notices import (
    MAILS,
    archives_of_concern,
    concern_of,
    is_told,
    notice_of,
    why_over,
    why_untrue,
)

# Archives that a mail names; how many more there are is said.
NAMED = 12


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


@renders("release/published")
@renders("release/withdrawn")
@renders("release/reinstated")
@renders("release/erratum")
def about_release(mail: OutgoingMail) -> Content:
    notice = notice_of(mail.keys["notice"])
    if mail.user is None or not is_told(notice, mail.user):
        raise Obsolete("It does not concern this person any more.")
    untrue = why_untrue(notice)
    if untrue:
        raise Obsolete(untrue)
    return _content(notice, mail.user)


def preview(notice: Notice, *, to: User) -> Letter:
    """The mail that a notice would send, as this maintainer would get it; nothing is written."""
    notice.test_for = to
    mail = OutgoingMail(template=MAILS[Notice.Kind(notice.kind)], to=to.email, user=to)
    return letter_with(mail, _content(notice, to))


def _content(notice: Notice, user: User) -> Content:
    release = notice.release
    if release is None:
        raise Obsolete("It is about no release.")
    context = {"notice": notice, "release": release, "dataset": release.dataset, "is_test": bool(notice.test_for_id)}
    if notice.kind == Notice.Kind.RELEASE:
        facts = {"unsubscribe": unsubscribe_address(user), **_what_is_new(release, user)}
        return Content({**context, **facts}, headers=unsubscribe_headers(user))
    names = list(archives_of_concern(notice, user).values_list("name", flat=True)[: NAMED + 1])
    if len(names) > NAMED:
        context["more"] = archives_of_concern(notice, user).count() - NAMED
    context["names"] = names[:NAMED]
    if notice.erratum is not None:
        context |= {"erratum": notice.erratum, "blocks": in_words(notice.erratum.text)}
    if notice.kind == Notice.Kind.WITHDRAWAL:
        others = Release.objects.published().filter(dataset=release.dataset_id).exclude(pk=release.pk)
        context["replacement"] = others.newest_first().only("version", "dataset").first()
    return Content(context)


def _what_is_new(release: Release, user: User) -> dict[str, Any]:
    archives = Archive.objects.filter(release=release).values_list("size", flat=True)
    grant = AccessGrant.objects.current().filter(user=user, dataset=release.dataset_id).first()
    return {"archives": len(archives), "size": sum(size or 0 for size in archives), "grant": grant}
