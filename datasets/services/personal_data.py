"""What the datasets hold about a person. Links without what opens them."""

from typing import Any

from accounts.models import User
from datasets.models import AccessGrant, AccessRequest, DownloadLink, DownloadRecord

Part = dict[str, Any]


def access_of(user: User) -> Part:
    requests = AccessRequest.objects.select_related("dataset").order_by("pk")
    grants = AccessGrant.objects.select_related("dataset").order_by("pk")
    links = DownloadLink.objects.select_related("release__dataset").order_by("pk")
    records = DownloadRecord.objects.select_related("archive__release__dataset").order_by("pk")
    return {
        "requests": [request_of(request) for request in requests.filter(user=user).prefetch_related("events")],
        "grants": [grant_of(grant) for grant in grants.filter(user=user).prefetch_related("events")],
        "links": [link_of(link) for link in links.filter(grant__user=user)],
        "downloads": [record_of(record) for record in records.filter(link__grant__user=user)],
        "requests_decided_as_maintainer": [
            {"request": request.pk, "dataset": request.dataset.slug, "decided_at": request.decided_at}
            for request in requests.filter(decided_by=user)
        ],
        "grants_revoked_as_maintainer": [
            {"grant": grant.pk, "dataset": grant.dataset.slug, "revoked_at": grant.revoked_at}
            for grant in grants.filter(revoked_by=user)
        ],
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
        "history": [
            {"at": event.pgh_created_at, "status": event.status, "ends_at": event.ends_at, "reason": event.reason}
            for event in grant.events.all()  # type: ignore[attr-defined]
        ],
    }


def link_of(link: DownloadLink) -> Part:
    return {
        "dataset": link.release.dataset.slug,
        "release": link.release.version,
        "status": link.status,
        "made_at": link.created_at,
        "ended_at": link.ended_at,
    }


def record_of(record: DownloadRecord) -> Part:
    return {
        "dataset": record.archive.release.dataset.slug,
        "release": record.archive.release.version,
        "archive": record.archive.name,
        "first_byte": record.first_byte,
        "issued_at": record.issued_at,
        "address": record.address,
        "client": record.agent,
        "country": record.country,
    }
