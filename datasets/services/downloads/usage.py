"""How much a grant asks for a day: what counts, and who is told of much.

A request counts the whole archive, whatever part of it the client names: the presigned URL that it gets opens all of it
until it expires, and the bucket alone sees what is then fetched with it. To bind the URL to the part would stop clients
that fetch another part with a URL that they have (aria2, when one connection takes over from another). Counting each
request so would stop the wrong people: on a line that breaks at every gigabyte, an archive of 100 GB is asked for a
hundred times, 10 TB together. So a request counts nothing when there was an earlier one on this day, through the same
link, for the same archive and from the same network, and

- it does not begin at the archive's first byte: a client that goes on where its line broke, one of several connections
  that share an archive, or one that reads volumes out of it; or
- the earlier one began there too, within the last REPEAT minutes: a client that got nothing and tries again.

What remains is each archive once for each network that asks for it, and once more whenever somebody begins it again:
what a leaked link looks like. A person who takes 2 TB in a day counts 2 TB, however often the line breaks, and twice as
much on two networks (an address's first 24 bits of IPv4, 64 of IPv6; a university's exits stand in one). What is under
way at midnight counts on both days. Whoever knows this can, with a client of their own and from the same network, take
again what was counted there on this day: that is the grant's own place, and the records still say each request.
"""

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.mail import queue
from datasets.models import AccessGrant, DailyUsage

# Minutes in which a request for the same bytes is the same client's next try: longer than any client of ours waits.
REPEAT = 10
# So many of the latest requests for an archive are looked at. What a client goes on from was among the last.
LOOKED_AT = 1_000
# What is told once a day and grant: the words for it, and at which part of the cap.
NOTICES = {"quarter": 4, "cap": 1}
# Uses of days that are longer ago are of no use to anybody; download records are kept.
KEPT_DAYS = 90
FORGOTTEN_AT_ONCE = 5_000

# Of $1 link, $2 archive, $3 first byte, $4 now, $5 network address: whether it counts nothing. Rows are compared as
# wholes so that one index alone can serve (record_by_link), whatever PostgreSQL knew of the table when a connection
# planned this.
COVERED = f"""
    SELECT FROM (
        SELECT first_byte, issued_at, address FROM datasets_downloadrecord
        WHERE (link_id, archive_id, issued_at) <= ($1, $2, timestamptz 'infinity')
            AND (link_id, archive_id, issued_at)
                >= ($1, $2, date_trunc('day', $4 AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')
        ORDER BY link_id DESC, archive_id DESC, issued_at DESC LIMIT {LOOKED_AT}) AS earlier
    WHERE ($3 > 0 OR first_byte = 0 AND issued_at > $4 - interval '{REPEAT} minutes')
        AND (address <<= set_masklen($5, CASE family($5) WHEN 4 THEN 24 ELSE 64 END) OR address IS NULL AND $5 IS NULL)
"""  # noqa: S608 - constants of this module
# One statement, so one commit: no record, with the bytes asked for ($9), without what it counts, the archive's size
# ($10). It gives the day's sum when that has grown.
RECORD = f"""
    WITH record AS (
        INSERT INTO datasets_downloadrecord
            (link_id, archive_id, first_byte, issued_at, address, agent, country, asked)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $9))
    INSERT INTO datasets_dailyusage AS today (day, grant_id, asked)
    SELECT ($4 AT TIME ZONE 'UTC')::date, $8, $10 WHERE $10 > 0 AND NOT EXISTS ({COVERED})
    ON CONFLICT (day, grant_id) DO UPDATE SET asked = today.asked + EXCLUDED.asked
    RETURNING asked
"""  # noqa: S608


def is_near_notice(asked_today: int, size: int, cap: int) -> bool:
    """Whether a request may be the one at which people are told: it is then recorded in a transaction that can queue
    their mails. Wide, because others may be on their way; below an eighth of the cap no request pays for it."""
    parts = [cap // share for share in NOTICES.values()]
    return any(asked_today < part <= 2 * (asked_today + size) for part in parts)


def notices_reached(before: int, after: int, cap: int) -> list[str]:
    """What is to be told when the day's sum goes from one figure to the other."""
    return [name for name, share in NOTICES.items() if before < cap // share <= after]


@transaction.atomic
def tell_of_use(grant_id: int, day: date, reached: str) -> None:
    """Queue a mail to the person and one to the maintainers, once a day and grant for each notice."""
    grant = AccessGrant.objects.select_related("user").get(pk=grant_id)
    word = f"much:{grant_id}:{day}:{reached}"
    keys: dict[str, Any] = {"grant": grant_id, "day": f"{day}", "reached": reached}
    queue("access/much_requested", user=grant.user, once=f"{word}:person", **keys)
    queue("access/much_requested_maintainer", to=settings.SITE_CONTACT, once=f"{word}:maintainers", **keys)


def forget_usage(days: int) -> int:
    """Delete some of what was counted on days that are longer ago; says how many rows there were."""
    old = DailyUsage.objects.filter(day__lt=timezone.now().date() - timedelta(days=days)).order_by("day", "grant")
    batch = list(old.values_list("day", "grant")[:FORGOTTEN_AT_ONCE])
    return DailyUsage.objects.filter(pk__in=batch).delete()[0]
