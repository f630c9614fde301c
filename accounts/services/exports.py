"""Lists as CSV, in constant memory: rows are read in chunks and sent as they are read."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import StringIO
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

CHUNK = 2_000
# With it, spreadsheets of one maker read the file as UTF-8; other programs stumble over it.
MARK = "\ufeff"
# A cell that begins with one of these is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

PEOPLE = {
    "number": "id",
    "e-mail address": "email",
    "name": "name",
    "institution": "institution",
    "country": "country",
    "position": "position",
    "research purpose": "research_purpose",
    "active": "is_active",
    "maintainer": "is_staff",
    "registered": "date_joined",
    "last signed in": "last_login",
}
SIGNATURES = {
    "number": "id",
    "signed at": "signed_at",
    "typed name": "typed_name",
    "e-mail address": "email",
    "person": "user_id",
    "agreement": "version__agreement__slug",
    "version": "version__number",
    "SHA-256 of the text": "text_sha256",
    "SHA-256 of what was shown": "rendered_sha256",
    "network address": "address",
    "browser": "agent",
    "hash of the record before": "previous_hash",
    "hash of the record": "record_hash",
}


def export_people(queryset: QuerySet, *, mark: bool = False) -> Iterator[bytes]:
    return csv_lines(list(PEOPLE), in_chunks(queryset, list(PEOPLE.values())), mark=mark)


def export_signatures(queryset: QuerySet, *, mark: bool = False) -> Iterator[bytes]:
    return csv_lines(list(SIGNATURES), in_chunks(queryset, list(SIGNATURES.values())), mark=mark)


def in_chunks(queryset: QuerySet, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows, newest first, each chunk a query of its own: no transaction stays open while a slow client reads."""
    rows = queryset.order_by("-pk").select_related(None)
    last = None
    while True:
        chunk = list((rows if last is None else rows.filter(pk__lt=last)).values_list("pk", *columns)[:CHUNK])
        for pk, *values in chunk:
            last = pk
            yield tuple(values)
        if len(chunk) < CHUNK:
            return


def csv_lines(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, mark: bool = False) -> Iterator[bytes]:
    """The file (RFC 4180, UTF-8), some lines at a time.

    What goes wrong on the way is not caught: gunicorn then cuts the connection without the last chunk, and a browser
    reports a failed download rather than keep a file that looks whole.
    """
    buffer = StringIO()
    writer = csv.writer(buffer)
    if mark:
        buffer.write(MARK)
    writer.writerow(headings)
    for number, row in enumerate(rows, start=1):
        writer.writerow([cell(value) for value in row])
        if number % 100 == 0:
            yield _emptied(buffer)
    yield _emptied(buffer)


def cell(value: Any) -> str:
    """Times in UTC, nothing for what is not recorded, and never a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return timezone.localtime(value, timezone.get_fixed_timezone(0)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _emptied(buffer: StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
