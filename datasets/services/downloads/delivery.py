"""The way of a download: a token and a file name in, a fresh presigned URL and a record out.

Plain SQL, because this is the one way that machines take thousands of times: one statement brings the standing and
the archive, one writes the record. The rules are those of datasets.permissions, as everywhere.
"""

from contextlib import nullcontext
from typing import NamedTuple, cast
from weakref import WeakSet

from django.db import InterfaceError, InternalError, NotSupportedError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from psycopg2.errors import FeatureNotSupported, InvalidSqlStatementName, ReadOnlySqlTransaction

from datasets.exceptions import FileUnknown, LinkUnknown
from datasets.permissions import STANDING_COLUMNS, Standing, judge, require_allowance
from datasets.services.downloads.rates import require_rate
from datasets.services.downloads.tokens import address_below, link_unknown, nonce_of
from datasets.services.downloads.usage import RECORD, is_near_notice, notices_reached, tell_of_use
from datasets.storage import bucket

# Standing, then OpenLink's own columns, then those of the archive (all NULL when no file of this name is asked for).
OPEN = f"""
    SELECT {STANDING_COLUMNS}, l.status, l.ended_at, g.daily_bytes, coalesce(today.asked, 0), l.id, r.id,
        a.id, a.key, a.version_id, a.etag, a.size
    FROM datasets_downloadlink l
    JOIN datasets_accessgrant g ON g.id = l.grant_id
    JOIN accounts_user u ON u.id = g.user_id
    JOIN datasets_release r ON r.id = l.release_id
    JOIN datasets_dataset d ON d.id = r.dataset_id AND d.id = g.dataset_id
    LEFT JOIN datasets_dailyusage today
        ON today.day = (%(now)s AT TIME ZONE 'UTC')::date AND today.grant_id = g.id
    LEFT JOIN datasets_archive a ON a.release_id = r.id AND a.name = %(name)s AND a.status = 'verified'
    WHERE l.nonce = %(nonce)s
"""  # noqa: S608 - constants of this package
STANDING_WIDTH = len(Standing._fields)
# Planning that join takes PostgreSQL several times as long as running it, so each connection plans it once.
PREPARE = f"""
    DEALLOCATE ALL;
    PREPARE open_link (bigint, text, timestamptz) AS {OPEN % {"nonce": "$1", "name": "$2", "now": "$3"}};
    PREPARE record_download (bigint, bigint, bigint, timestamptz, inet, text, text, bigint, bigint, bigint) AS {RECORD};
"""
EXECUTE_OPEN = "EXECUTE open_link (%s, %s, %s)"
EXECUTE_RECORD = "EXECUTE record_download (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
# The connections that have done so.
prepared: WeakSet[object] = WeakSet()


class OpenLink(NamedTuple):
    """A link that lives, and whose owner may download now."""

    token: str
    link_id: int
    release_id: int
    standing: Standing


class Delivery(NamedTuple):
    """One file that a link offers now."""

    link_id: int
    grant_id: int
    archive_id: int
    name: str
    key: str
    version_id: str
    etag: str
    size: int
    standing: Standing


class Issued(NamedTuple):
    """A presigned URL, and whether its request was the one at which people are told how much was asked for."""

    url: str
    is_told: bool


def open_link(token: str) -> OpenLink:
    """The link of this token; a Refusal when there is none, or its owner may not download now."""
    return _open(token, None)[0]


def require_status(token: str) -> None:
    """Return when files of this link may be fetched now; otherwise the Refusal that a request for one would meet."""
    require_allowance(open_link(token).standing, timezone.now())


def open_file(token: str, name: str) -> Delivery:
    """This file of the link of this token; a Refusal as from open_link, or FileUnknown."""
    link, archive = _open(token, name)
    if archive[0] is None:
        raise FileUnknown(file_unknown(link, name))
    archive_id, key, version_id, etag, size = archive
    # A link that passed the gate has a grant.
    grant_id = cast(int, link.standing.grant_id)
    return Delivery(link.link_id, grant_id, archive_id, name, key, version_id, etag, size, link.standing)


def _open(token: str, name: str | None) -> tuple[OpenLink, tuple]:
    nonce = nonce_of(token)
    require_rate(nonce)
    now = timezone.now()
    # PostgreSQL's text has no NUL, and neither has any file's name.
    name = None if name and "\0" in name else name
    row = read((nonce, name, now))
    if row is None:
        raise LinkUnknown(link_unknown())
    standing = Standing(*row[:STANDING_WIDTH])
    judge(standing, now)
    link_id, release_id, *archive = row[STANDING_WIDTH:]
    return OpenLink(token, link_id, release_id, standing), tuple(archive)


def read(values: tuple) -> tuple | None:
    """The row of an open link. A connection that died while it rested is replaced, and asked again."""
    # Django would first ask whether the connection lives, on each request; this finds out by itself.
    connection.health_check_done = True  # type: ignore[attr-defined]
    try:
        return _read(values)
    except (OperationalError, InterfaceError, NotSupportedError) as error:
        if connection.in_atomic_block:
            raise
        if isinstance(error.__cause__, InvalidSqlStatementName | FeatureNotSupported):
            # Somebody between us and PostgreSQL has exchanged the session; or a column has another type since a
            # migration ("cached plan must not change result type").
            prepared.discard(connection.connection)
        elif connection.connection is None or connection.connection.closed:
            connection.close()
        else:
            raise
        return _read(values)


def refused_by_standby(error: BaseException | None) -> bool:
    """Whether a database refused this because it only reads, as after a failover; its connection is given up then, so
    that the next one leads to the database that writes."""
    if not isinstance(error, InternalError) or not isinstance(error.__cause__, ReadOnlySqlTransaction):
        return False
    if not connection.in_atomic_block:
        connection.close()
    return True


def _read(values: tuple) -> tuple | None:
    with connection.cursor() as cursor:
        execute(cursor, EXECUTE_OPEN, values)
        return cursor.fetchone()


def execute(cursor: CursorWrapper, statement: str, values: tuple) -> None:
    """Run one of the prepared statements, on a new connection together with their preparation."""
    if connection.connection in prepared:
        cursor.execute(statement, values)
    else:
        cursor.execute(PREPARE + statement, values)
        prepared.add(connection.connection)


def issue_download(
    delivery: Delivery,
    *,
    first_byte: int = 0,
    asked: int | None = None,
    address: str | None = None,
    agent: str = "",
    country: str = "",
) -> Issued:
    """A presigned URL for this file; it leaves only when its record, and what it counts, are committed."""
    now, standing = timezone.now(), delivery.standing
    require_allowance(standing, now)
    size = delivery.size
    asked = size - first_byte if asked is None else asked
    url = bucket().presign(delivery.key, version_id=delivery.version_id, filename=delivery.name)
    record = (delivery.link_id, delivery.archive_id, first_byte, now, address, agent, country)
    cap = standing.daily_cap
    # The record, its count and the mails are one commit; others need no transaction for their one statement.
    with transaction.atomic() if is_near_notice(standing.asked_today, size, cap) else nullcontext():
        with connection.cursor() as cursor:
            execute(cursor, EXECUTE_RECORD, (*record, delivery.grant_id, asked, size))
            counted = cursor.fetchone()
        reached = notices_reached(counted[0] - size, counted[0], cap) if counted else []
        for notice in reached:
            tell_of_use(delivery.grant_id, now.date(), notice)
    return Issued(url, bool(reached))


def file_unknown(link: OpenLink, name: str) -> str:
    standing = link.standing
    # A name comes from whoever asks: one line, no control characters, not longer than any file's name may be.
    shown = "".join(letter for letter in name if letter.isprintable())[:150]
    return (
        f'{standing.dataset_name} {standing.release_version} has no file "{shown}". '
        f"All its files are listed at {address_below(link.token)}"
    )
