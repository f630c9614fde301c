"""What the datasets hold about a person. Links without what opens them."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from datasets.models import AccessGrant, AccessRequest, CountedPerson, DownloadLink, DownloadRecord, Notice

Part = dict[str, Any]
TEXTS = ("dataset__description", "dataset__citation")
# By what "My data" calls it. A person may have thousands of each, of archives with thousands of hashes: no other
# column is read.
LINK = {
    "dataset": "release__dataset__slug",
    "release": "release__version",
    "status": "status",
    "made_at": "created_at",
    "ended_at": "ended_at",
}
RECORD = {
    "dataset": "archive__release__dataset__slug",
    "release": "archive__release__version",
    "archive": "archive__name",
    "first_byte": "first_byte",
    "asked": "asked",
    "issued_at": "issued_at",
    "address": "address",
    "client": "agent",
    "country": "country",
}

TRIED = {"kind": "kind", "text": "text", "at": "created_at"}


def access_of(user: User) -> Part:
    requests = AccessRequest.objects.select_related("dataset").defer(*TEXTS).order_by("pk")
    grants = AccessGrant.objects.select_related("dataset").defer(*TEXTS).order_by("pk")
    links = DownloadLink.objects.filter(grant__user=user).order_by("pk")
    records = DownloadRecord.objects.filter(link__grant__user=user).order_by("pk")
    return {
        "requests": [request_of(request) for request in requests.filter(user=user).prefetch_related("events")],
        "grants": [grant_of(grant) for grant in grants.filter(user=user).prefetch_related("events", "usage")],
        "links": list(named(LINK, links)),
        "downloads": list(named(RECORD, records)),
        "counted_for": list(named({"institution": "institution"}, CountedPerson.objects.filter(user=user))),
        "requests_decided_as_maintainer": [
            {"request": request.pk, "dataset": request.dataset.slug, "decided_at": request.decided_at}
            for request in requests.filter(decided_by=user)
        ],
        "grants_revoked_as_maintainer": [
            {"grant": grant.pk, "dataset": grant.dataset.slug, "revoked_at": grant.revoked_at}
            for grant in grants.filter(revoked_by=user)
        ],
        "notices_tried_as_maintainer": list(named(TRIED, Notice.objects.filter(test_for=user).order_by("pk"))),
    }


def request_of(request: AccessRequest) -> Part:
    return {
        "dataset": request.dataset.slug,
        "status": request.status,
        "purpose": request.purpose,
        "reason": request.reason,
        "asked_at": request.created_at,
        "decided_at": request.decided_at,
        "history": [
            {"at": event.pgh_created_at, "status": event.status, "purpose": event.purpose, "reason": event.reason}
            for event in request.events.all()  # type: ignore[attr-defined]
        ],
    }


def grant_of(grant: AccessGrant) -> Part:
    return {
        "dataset": grant.dataset.slug,
        "status": grant.status,
        "starts_at": grant.starts_at,
        "ends_at": grant.ends_at,
        "revoked_at": grant.revoked_at,
        "reason": grant.reason,
        "daily_bytes": grant.daily_bytes,
        "asked_by_day": {f"{usage.day}": usage.asked for usage in grant.usage.all()},
        "history": [
            {
                "at": event.pgh_created_at,
                "status": event.status,
                "ends_at": event.ends_at,
                "reason": event.reason,
                "daily_bytes": event.daily_bytes,
            }
            for event in grant.events.all()  # type: ignore[attr-defined]
        ],
    }


def named(columns: dict[str, str], rows: QuerySet) -> Iterator[Part]:
    for row in rows.values_list(*columns.values()).iterator():
        yield dict(zip(columns, row, strict=True))
