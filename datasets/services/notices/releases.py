"""Notices of releases: their planning, and whom each kind concerns.

A new release is announced to those who hold access, have not unsubscribed, and whose mail does not come back. A
withdrawal, its undoing and an erratum are told to exactly those who were issued a download of an affected archive: also
when their access has ended, and whatever they unsubscribed from, for they have the data. Where their mail comes back it
is a mail that failed, for maintainers to see.
"""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.mail import queue
from accounts.models import Bounce, User
from accounts.models.work import Work
from datasets.models import AccessGrant, Archive, DownloadRecord, Erratum, Notice, Release

MAILS = {
    Notice.Kind.RELEASE: "release/published",
    Notice.Kind.WITHDRAWAL: "release/withdrawn",
    Notice.Kind.REINSTATEMENT: "release/reinstated",
    Notice.Kind.ERRATUM: "release/erratum",
}


# Planning -----------------------------------------------------------------------------------------------


def plan_release_notice(
    release: Release, kind: Notice.Kind, *, text: str = "", erratum: Erratum | None = None
) -> Notice:
    """Write the notice, in the transaction of what it tells of; the edge hints at the sweeper afterwards.

    A release, and an erratum, are told of once, however often this is called. A withdrawal is told of each time that
    it is decided; `text` is its reason, or why it is undone.
    """
    about = {"kind": kind, "release": release, "erratum": erratum, "test_for": None}
    if kind in Notice.ABOUT_STANDING:
        return Notice.objects.create(**about, text=text)
    notice, _is_new = Notice.objects.get_or_create(**about, defaults={"text": text})
    return notice


@transaction.atomic
def send_test(notice: Notice, *, to: User) -> Notice:
    """Send the mail of a notice that was not written yet to one maintainer, who reads it before anybody else does."""
    notice.test_for, notice.reached = to, 1
    notice.state, notice.finished_at = Work.State.DONE, timezone.now()
    notice.save(force_insert=True)
    queue(MAILS[Notice.Kind(notice.kind)], user=to, notice=notice.pk)
    return notice


# Whom ---------------------------------------------------------------------------------------------------


def people_told(notice: Notice) -> QuerySet[User]:
    """Whom a notice about a release reaches, each once. It need not be written yet: so many it would reach."""
    people = User.objects.active()
    if notice.kind == Notice.Kind.RELEASE:
        holders = people.filter(Exists(_grants(notice).filter(user=OuterRef("pk"))), unsubscribed_at=None)
        return holders.filter(~Exists(Bounce.objects.open().of_the_outer_person()))
    records = DownloadRecord.objects.filter(link__grant__user=OuterRef("pk"), archive__in=affected_archives(notice))
    return people.filter(Exists(records))


def out_of_reach(notice: Notice) -> QuerySet[User]:
    """Those among them whose mail comes back, so that somebody must tell them in another way."""
    return people_told(notice).filter(Exists(Bounce.objects.open().of_the_outer_person()))


def candidates_after(cursor: int, notice: Notice) -> QuerySet[AccessGrant, int]:
    """The numbers of people among whom those to be told are, in their order: who has, or ever had, access."""
    return _grants(notice).filter(user__gt=cursor).order_by("user").values_list("user", flat=True).distinct()


def _grants(notice: Notice) -> QuerySet[AccessGrant]:
    grants = AccessGrant.objects.current() if notice.kind == Notice.Kind.RELEASE else AccessGrant.objects.all()
    return grants.filter(dataset=_release(notice).dataset_id)


def affected_archives(notice: Notice) -> QuerySet[Archive]:
    """An erratum's archives; all of the release when it names none, and for whatever is told of a release."""
    release = _release(notice)
    erratum = notice.erratum
    if erratum is not None and erratum.archives.exists():
        return erratum.archives.order_by("pk")
    return release.archives.order_by("pk")


def grants_to_tell(notice: Notice, users: Sequence[int]) -> dict[int, AccessGrant]:
    """The access for which each of these people is told of a new release, by their number; who is not told is left
    out. As `people_told` has it, in one query."""
    grants = _grants(notice).filter(user__in=users, user__is_active=True, user__unsubscribed_at=None)
    return {grant.user_id: grant for grant in grants}


def names_to_tell(notice: Notice, users: Sequence[int], archives: Sequence[int]) -> dict[int, list[str]]:
    """Of the affected archives those that each of these people was issued, in their order; who is not told is left
    out. As `people_told` has it, in one query. A test names all of them."""
    if notice.test_for_id:
        every = list(affected_archives(notice).values_list("name", flat=True))
        return dict.fromkeys(users, every)
    names: dict[int, list[str]] = {}
    records = DownloadRecord.objects.filter(link__grant__user__in=users, archive__in=archives)
    issued = records.filter(link__grant__user__is_active=True).order_by("archive")
    for user, _archive, name in issued.values_list("link__grant__user", "archive", "archive__name").distinct():
        names.setdefault(user, []).append(name)
    return names


def why_untrue(notice: Notice) -> str:
    """Why a notice would say what is not so any more, as a sentence; empty when it is so."""
    if notice.test_for_id:
        return ""
    # Asked anew: the notice may have been read a while ago.
    if notice.kind == Notice.Kind.RELEASE:
        status = Release.objects.values_list("status", flat=True).get(pk=_release(notice).pk)
        return "" if status == Release.Status.PUBLISHED else f"{notice.release} is {status}."
    if notice.kind in Notice.ABOUT_STANDING:
        told = Notice.objects.to_many().filter(release=notice.release_id, kind__in=Notice.ABOUT_STANDING)
        if told.filter(pk__gt=notice.pk).exists():
            return "A later decision about the release is told instead."
    return ""


def _release(notice: Notice) -> Release:
    if notice.release is None:
        raise ValueError(f"{notice} is about no release.")
    return notice.release
