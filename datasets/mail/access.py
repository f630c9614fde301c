"""What the mails about access say."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.mail import Attachment, Content, Obsolete, renders
from accounts.models import OutgoingMail, Signature
from datasets.models import (
    AccessGrant,
    AccessRequest,
    Archive,
    DailyUsage,
    DownloadLink,
    DownloadRecord,
    Release,
)
from datasets.services.access.digests import waiting_by_dataset, wants_digest
from datasets.services.access.hints import LONG
from datasets.services.access.reminders import ends_on
from datasets.services.access.standings import standing_of
from datasets.services.downloads.lists import ListedFile, as_commands, commands_for, listing

SPLITS = {
    Archive.Split.SAMPLE: "Sample, to begin with",
    Archive.Split.TRAIN: "Train",
    Archive.Split.VALIDATION: "Validation",
    Archive.Split.TEST: "Test",
    Archive.Split.IMAGES: "Images",
    Archive.Split.OTHER: "Other archives",
}


class Group(NamedTuple):
    """The archives of one split."""

    name: str
    archives: int
    size: int


@renders("access/link")
def link_mail(mail: OutgoingMail) -> Content:
    """The link, the shortest command, and every command as an attachment."""
    grant = _running_grant(mail)
    context: dict[str, Any] = {"grant": grant, "dataset": grant.dataset, "signature": _signature(grant)}
    link = _live_link(mail, grant)
    if link is None:
        return Content(context)
    files = listing(link)
    context |= {
        "release": link.release,
        "files": files,
        "address": files.address,
        "command": commands_for(files)["script"],
        "groups": grouped(files.files),
    }
    return Content(context, [Attachment("commands.txt", as_commands(files))])


@renders("access/requested")
def acknowledgement(mail: OutgoingMail) -> Content:
    request = _request(mail)
    if request.status != AccessRequest.Status.PENDING:
        raise Obsolete(f"The request is {request.status} already.")
    standing = standing_of(request.user, request.dataset)
    return Content({"request": request, "dataset": request.dataset, "standing": standing})


@renders("access/declined")
def declined(mail: OutgoingMail) -> Content:
    request = _request(mail)
    return Content({"request": request, "dataset": request.dataset})


@renders("access/revoked")
def revoked(mail: OutgoingMail) -> Content:
    grant = _grant(mail)
    return Content({"grant": grant, "dataset": grant.dataset})


@renders("access/ends")
def reminder(mail: OutgoingMail) -> Content:
    grant = _running_grant(mail)
    if ends_on(grant) != mail.keys["ends_on"]:
        raise Obsolete("The access was renewed.")
    standing = standing_of(grant.user, grant.dataset)
    return Content({"grant": grant, "dataset": grant.dataset, "standing": standing})


@renders("access/much_requested")
def much_requested(mail: OutgoingMail) -> Content:
    """To the person: was it you? With the way to replace each link through which something was asked for."""
    grant = _running_grant(mail)
    usage = _usage(mail)
    links = grant.links.live().filter(records__in=_records_of(usage)).distinct()
    context = {"usage": usage, "grant": grant, "dataset": grant.dataset, "reached": mail.keys["reached"]}
    return Content(context | {"links": links.select_related("release__dataset").order_by("-pk")})


@renders("access/much_requested_maintainer")
def much_requested_maintainer(mail: OutgoingMail) -> Content:
    """To the maintainers: who it is, and from how many places."""
    usage = _usage(mail)
    grant = usage.grant
    places = _records_of(usage).aggregate(
        requests=Count("pk"),
        addresses=Count("address", distinct=True),
        countries=Count("country", distinct=True, filter=~Q(country="")),
    )
    context = {"usage": usage, "grant": grant, "dataset": grant.dataset, "reached": mail.keys["reached"]}
    return Content(context | {"places": places, "person": grant.user})


@renders("access/waiting")
def waiting(mail: OutgoingMail) -> Content:
    """To a reviewer: how many requests wait when it is sent, and nobody's name."""
    if mail.user is None or not wants_digest(mail.user):
        raise Obsolete("This person decides about no requests, wants no daily mail, or cannot be reached.")
    rows = list(waiting_by_dataset())
    if not rows:
        raise Obsolete("No request waits any more.")
    long = AccessRequest.objects.pending().filter(created_at__lt=timezone.now() - LONG).count()
    total = sum(row["count"] for row in rows)
    return Content({"rows": rows, "total": total, "oldest": rows[0]["oldest"], "long": long, "days": LONG.days})


def grouped(files: Iterable[ListedFile]) -> list[Group]:
    """A line for each split, in the order in which one works; a choice of 100 GB files is made on the site."""
    rows: dict[str, list[int]] = {split: [] for split in SPLITS}
    for file in files:
        rows[file.split].append(file.size)
    return [Group(SPLITS[Archive.Split(split)], len(sizes), sum(sizes)) for split, sizes in rows.items() if sizes]


def _grant(mail: OutgoingMail) -> AccessGrant:
    return AccessGrant.objects.select_related("dataset__agreement", "user").get(pk=mail.keys["grant"])


def _usage(mail: OutgoingMail) -> DailyUsage:
    usages = DailyUsage.objects.select_related("grant__user", "grant__dataset")
    return usages.get(grant=mail.keys["grant"], day=date.fromisoformat(mail.keys["day"]))


def _records_of(usage: DailyUsage) -> QuerySet[DownloadRecord]:
    begin = datetime.combine(usage.day, time.min, UTC)
    records = DownloadRecord.objects.filter(link__grant=usage.grant_id)
    return records.filter(issued_at__gte=begin, issued_at__lt=begin + timedelta(days=1))


def _running_grant(mail: OutgoingMail) -> AccessGrant:
    grant = _grant(mail)
    if grant.status != AccessGrant.Status.ACTIVE or grant.has_ended:
        raise Obsolete("The access was revoked or has ended.")
    if not grant.user.is_active:
        raise Obsolete("The account is disabled.")
    return grant


def _live_link(mail: OutgoingMail, grant: AccessGrant) -> DownloadLink | None:
    """The link that the mail was about or, when that was replaced meanwhile, its successor. None: no release yet."""
    if mail.keys["link"] is None:
        return None
    asked = DownloadLink.objects.select_related("release__dataset").get(pk=mail.keys["link"])
    if asked.release.status != Release.Status.PUBLISHED:
        raise Obsolete(f"{asked.release} is {asked.release.status}.")
    live = DownloadLink.objects.live().filter(grant=grant, release=asked.release).select_related("release__dataset")
    link = live.first()
    if link is None:
        raise Obsolete("The link was revoked.")
    return link


def _signature(grant: AccessGrant) -> Signature | None:
    signed = Signature.objects.filter(user=grant.user, version__agreement=grant.dataset.agreement_id)
    return signed.select_related("version").defer("version__text").order_by("-version__number").first()


def _request(mail: OutgoingMail) -> AccessRequest:
    return AccessRequest.objects.select_related("dataset__agreement", "user").get(pk=mail.keys["request"])
