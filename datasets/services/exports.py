"""Downloads as CSV."""

from collections.abc import Iterator

from django.db.models import QuerySet

from accounts.services.exports import csv_lines, in_chunks

DOWNLOADS = {
    "number": "id",
    "issued at": "issued_at",
    "person": "link__grant__user_id",
    "e-mail address": "link__grant__user__email",
    "institution": "link__grant__user__institution",
    "dataset": "archive__release__dataset__slug",
    "release": "archive__release__version",
    "archive": "archive__name",
    "size in bytes": "archive__size",
    "first byte": "first_byte",
    "bytes asked for": "asked",
    "network address": "address",
    "country": "country",
    "client": "agent",
    "link": "link_id",
}


def export_downloads(queryset: QuerySet, *, mark: bool = False) -> Iterator[bytes]:
    return csv_lines(list(DOWNLOADS), in_chunks(queryset, list(DOWNLOADS.values())), mark=mark)
