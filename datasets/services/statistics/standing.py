"""What is counted whole from time to time, because it is not worth keeping up to the moment: who has registered and
has access, and how long people wait."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.dateparse import parse_datetime

from datasets.models import Dataset, DownloadCount, Period
from datasets.services.statistics.sums import SPANS, spans

# It is counted again after so long.
FRESH = timedelta(minutes=10)
# The key of all datasets together.
ALL = "all"

# Nobody downloads whose account was stopped.
HELD = """
    datasets_accessgrant g JOIN accounts_user u ON u.id = g.user_id
    WHERE g.status = 'active' AND g.ends_at > now() AND u.is_active
"""
GRANTS = f"""
    SELECT coalesce(g.dataset_id::text, 'all'), count(*), count(DISTINCT g.user_id) FROM {HELD}
    GROUP BY GROUPING SETS ((g.dataset_id), ())
"""  # noqa: S608 - constants of this package
# By the country in the profile: who has an account, and who of them holds access.
REGISTERED = "SELECT country, count(*) FROM accounts_user WHERE is_active GROUP BY 1"
BY_DAY = "SELECT (date_joined AT TIME ZONE 'UTC')::date::text, count(*) FROM accounts_user GROUP BY 1"
HOLDERS = f"""
    SELECT coalesce(g.dataset_id::text, 'all'), u.country, count(DISTINCT g.user_id) FROM {HELD}
    GROUP BY GROUPING SETS ((g.dataset_id, u.country), (u.country))
"""  # noqa: S608
# A request that its owner withdrew was not decided.
DECISIONS = f"""
    SELECT s.period || ':' || coalesce(r.dataset_id::text, 'all'), count(*),
        extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY r.decided_at - r.created_at))
    FROM datasets_accessrequest r JOIN ({SPANS}) AS s ON r.decided_at >= s.first::timestamp AT TIME ZONE 'UTC'
    WHERE r.status IN ('approved', 'declined')
    GROUP BY GROUPING SETS ((s.period, r.dataset_id), (s.period))
"""  # noqa: S608
# From registration to the first access of all, and to the first of a dataset.
FIRST_GRANTS = f"""
    SELECT s.period || ':' || coalesce(g.dataset_id::text, 'all'), count(*),
        extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(g.first - u.date_joined, '0')))
    FROM (SELECT user_id, dataset_id, min(starts_at) AS first FROM datasets_accessgrant
        GROUP BY GROUPING SETS ((user_id, dataset_id), (user_id))) AS g
    JOIN accounts_user u ON u.id = g.user_id
    JOIN ({SPANS}) AS s ON g.first >= s.first::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1
"""  # noqa: S608


@dataclass(frozen=True)
class Median:
    number: int
    middle: timedelta


@dataclass(frozen=True)
class Standing:
    """Of one dataset, or of all."""

    taken_at: datetime
    grants: int
    people: int
    """Who hold them."""
    registered: dict[str, int]
    """By the country in the profile, on the whole site,"""
    holders: dict[str, int]
    """and of those who hold access."""
    registered_by_day: dict[date, int]
    """On the whole site, until `taken_at`."""
    to_decision: Median | None
    to_first_grant: Median | None


def take_standing(*, now: bool = False) -> None:
    """Count anew, unless that was done a short while ago. Counted before the row is locked, so nobody waits for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now(), (now() AT TIME ZONE 'UTC')::date")
        moment, today = cursor.fetchone()
    last = DownloadCount.objects.values_list("standing", flat=True).first() or {}
    # One of the future is of a clock that was ahead.
    if not now and last and timedelta(0) <= moment - _moment(last) < FRESH:
        return
    values = spans(today)
    holders: dict[str, dict[str, int]] = defaultdict(dict)
    for dataset, country, number in _rows(HOLDERS, {}):
        holders[dataset][country] = number
    standing = {
        "taken_at": moment.isoformat(),
        "grants": {key: figures for key, *figures in _rows(GRANTS, {})},
        "registered": dict(_rows(REGISTERED, {})),
        "registered_by_day": dict(_rows(BY_DAY, {})),
        "holders": holders,
        "to_decision": {key: [number, float(middle)] for key, number, middle in _rows(DECISIONS, values)},
        "to_first_grant": {key: [number, float(middle)] for key, number, middle in _rows(FIRST_GRANTS, values)},
    }
    with transaction.atomic():
        DownloadCount.objects.bulk_create([DownloadCount()], ignore_conflicts=True)
        DownloadCount.objects.update(standing=standing)


def standing_of_access(count: DownloadCount, period: Period, dataset: Dataset | None) -> Standing | None:
    """None when it was never counted."""
    kept = count.standing
    if not kept:
        return None
    key = ALL if dataset is None else str(dataset.pk)
    grants, people = kept["grants"].get(key, (0, 0))
    medians = [kept[name].get(f"{int(period)}:{key}") for name in ("to_decision", "to_first_grant")]
    to_decision, to_first_grant = (
        Median(found[0], timedelta(seconds=found[1])) if found else None for found in medians
    )
    registered, holders = kept["registered"], kept["holders"].get(key, {})
    by_day = {date.fromisoformat(day): number for day, number in kept["registered_by_day"].items()}
    return Standing(_moment(kept), grants, people, registered, holders, by_day, to_decision, to_first_grant)


def _moment(kept: dict[str, Any]) -> datetime:
    moment = parse_datetime(kept["taken_at"])
    if moment is None:
        raise ValueError("The standing has no time.")
    return moment


def _rows(statement: str, values: dict[str, list[Any]]) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
