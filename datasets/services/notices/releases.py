"""Notices of releases: their planning, and whom each kind concerns.

A new release is announced to those who hold access and have not unsubscribed. A withdrawal, its undoing and an erratum
are told to exactly those who were issued a download of an affected archive: also when their access has ended, and
whatever they unsubscribed from, for they have the data.
"""

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.mail import queue
from accounts.models import User
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
        return people.filter(Exists(_grants(notice).filter(user=OuterRef("pk"))), unsubscribed_at=None)
    records = DownloadRecord.objects.filter(link__grant__user=OuterRef("pk"), archive__in=affected_archives(notice))
    return people.filter(Exists(records))


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


def archives_of_concern(notice: Notice, user: User) -> QuerySet[Archive]:
    """The affected archives of which this person was issued a download; in a test, all of them."""
    archives = affected_archives(notice)
    if notice.test_for_id:
        return archives
    return archives.filter(Exists(DownloadRecord.objects.filter(archive=OuterRef("pk"), link__grant__user=user)))


def is_told(notice: Notice, user: User) -> bool:
    """Whether what was to be told still concerns this person; a test concerns whom it is for."""
    if notice.test_for_id:
        return notice.test_for_id == user.pk
    return people_told(notice).filter(pk=user.pk).exists()


def why_untrue(notice: Notice) -> str:
    """Why a notice would say what is not so any more, as a sentence; empty when it is so."""
    if notice.test_for_id:
        return ""
    release = _release(notice)
    if notice.kind == Notice.Kind.RELEASE and release.status != Release.Status.PUBLISHED:
        return f"{release} is {release.status}."
    if notice.kind in Notice.ABOUT_STANDING:
        later = Notice.objects.to_many().filter(release=release, kind__in=Notice.ABOUT_STANDING, pk__gt=notice.pk)
        if later.exists():
            return "A later decision about the release is told instead."
    return ""


def _release(notice: Notice) -> Release:
    if notice.release is None:
        raise ValueError(f"{notice} is about no release.")
    return notice.release
