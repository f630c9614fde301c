"""The statements that change the sums. Each says exactly by how much, from records alone.

A download is a person and a file. In a period it is counted once, so what a record adds depends on when the same person
was last issued the same file: that is looked up in the records themselves, by the index of their links, for each file
of a batch. No copy of who took what is kept. Records are of a moment of the servers' clocks, and may come in any order.
"""

from datetime import date
from typing import Any

from django.db import connection

from datasets.models import DownloadShare, Period

COUNTED = ("requests", "downloads", "asked", "unsized")
COLUMNS = ", ".join(COUNTED)
SUMS = ", ".join(f"sum({name}) AS {name}" for name in COUNTED)
WHOLE, COUNTRY, INSTITUTION = DownloadShare.Kind.WHOLE, DownloadShare.Kind.COUNTRY, DownloadShare.Kind.INSTITUTION

# Of records r, through their links l and grants g.
TAKEN = """
    SELECT g.user_id AS person, g.dataset_id AS dataset, l.release_id AS release, r.archive_id AS archive, r.country,
        (r.issued_at AT TIME ZONE 'UTC')::date AS day, count(*) AS requests,
        coalesce(sum(r.asked), 0) AS asked, count(*) - count(r.asked) AS unsized
    FROM datasets_downloadrecord r
    JOIN datasets_downloadlink l ON l.id = r.link_id
    JOIN datasets_accessgrant g ON g.id = l.grant_id
    WHERE {which}
    GROUP BY 1, 2, 3, 4, 5, 6
"""
SPANS = "SELECT * FROM unnest(%(periods)s::smallint[], %(firsts)s::date[]) AS span (period, first)"


def counted_of(file: str, more: str = "") -> str:
    """SQL: counted records of this person and file, one index range a link; to be finished by whoever reads them."""
    return f"""
        FROM datasets_accessgrant g
        JOIN datasets_downloadlink l ON l.grant_id = g.id AND l.release_id = {file}.release
        CROSS JOIN LATERAL (
            SELECT r.issued_at FROM datasets_downloadrecord r
            WHERE r.link_id = l.id AND r.archive_id = {file}.archive AND r.id <= %(counted)s {more}
            ORDER BY r.issued_at DESC LIMIT 1) AS last
        WHERE g.user_id = {file}.person AND g.dataset_id = {file}.dataset
    """  # noqa: S608 - constants of this module


def last_day(file: str, more: str = "") -> str:
    return f"(SELECT (max(last.issued_at) AT TIME ZONE 'UTC')::date {counted_of(file, more)})"


OF_THE_DAY = """
    AND r.issued_at >= b.day::timestamp AT TIME ZONE 'UTC' AND r.issued_at < (b.day + 1)::timestamp AT TIME ZONE 'UTC'
"""
# The files of some records, and the last day on which the same was counted: altogether, and from the same country.
# Most are new, and of these nothing need be looked up by country.
FILES = f"""
    files AS MATERIALIZED (
        SELECT b.*, {last_day("b")} AS last FROM (
            SELECT person, dataset, release, archive, max(day) AS day FROM taken GROUP BY 1, 2, 3, 4) AS b),
    files_by_country AS MATERIALIZED (
        SELECT b.*, CASE WHEN f.last IS NOT NULL THEN {last_day("b", "AND r.country = b.country")} END AS last FROM (
            SELECT person, dataset, release, archive, country, max(day) AS day
            FROM taken GROUP BY 1, 2, 3, 4, 5) AS b
        JOIN files f USING (person, archive))
"""  # noqa: S608
# What records add to or take from each share; {joined} says to which periods, and which files are the first or the
# last of theirs there. The rows of all datasets together have no dataset.
SHARES = f"""
    SELECT period, dataset, kind, label, {SUMS} FROM (
        SELECT s.period, t.dataset, f.kind, f.label, t.requests, 0 AS downloads, t.asked, t.unsized
        FROM taken t JOIN spans s ON {{in_period}}
        JOIN datasets_countedperson c ON c.user_id = t.person
        CROSS JOIN LATERAL (VALUES ('{WHOLE}', ''), ('{COUNTRY}', t.country), ('{INSTITUTION}', c.institution))
            AS f (kind, label)
        UNION ALL
        SELECT s.period, t.dataset, f.kind, f.label, 0, 1, 0, 0
        FROM files t JOIN spans s ON {{in_period}} AND {{is_file}}
        JOIN datasets_countedperson c ON c.user_id = t.person
        CROSS JOIN LATERAL (VALUES ('{WHOLE}', ''), ('{INSTITUTION}', c.institution)) AS f (kind, label)
        UNION ALL
        SELECT s.period, t.dataset, '{COUNTRY}', t.country, 0, 1, 0, 0
        FROM files_by_country t JOIN spans s ON {{in_period}} AND {{is_file}}) AS part
    GROUP BY GROUPING SETS ((period, dataset, kind, label), (period, kind, label))
"""  # noqa: S608
ADD = f"""
    INSERT INTO datasets_downloadshare AS known (period, dataset_id, kind, label, {COLUMNS}) {{shares}}
    ON CONFLICT (period, kind, label, dataset_id) DO UPDATE
    SET {", ".join(f"{name} = known.{name} + EXCLUDED.{name}" for name in COUNTED)}
"""  # noqa: S608
TAKE = f"""
    UPDATE datasets_downloadshare AS known
    SET {", ".join(f"{name} = known.{name} - lost.{name}" for name in COUNTED)}
    FROM ({{shares}}) AS lost
    WHERE known.period = lost.period AND known.kind = lost.kind AND known.label = lost.label
        AND known.dataset_id IS NOT DISTINCT FROM lost.dataset
"""  # noqa: S608
# Of a file that was counted on a later day it must be looked up whether it was on this one, too.
IS_NEW_ON_DAY = f"""
    CASE WHEN f.last IS NULL OR f.last < b.day THEN true WHEN f.last = b.day THEN false
        ELSE NOT EXISTS (SELECT {counted_of("b", OF_THE_DAY)}) END
"""
ADD_DAYS = f"""
    INSERT INTO datasets_downloadday AS known (day, dataset_id, {COLUMNS})
    SELECT b.day, b.dataset, sum(b.requests), count(*) FILTER (WHERE {IS_NEW_ON_DAY}), sum(b.asked), sum(b.unsized)
    FROM (
        SELECT person, dataset, release, archive, day,
            sum(requests) AS requests, sum(asked) AS asked, sum(unsized) AS unsized
        FROM taken GROUP BY 1, 2, 3, 4, 5) AS b
    JOIN files f USING (person, archive)
    GROUP BY 1, 2
    ON CONFLICT (day, dataset_id) DO UPDATE
    SET {", ".join(f"{name} = known.{name} + EXCLUDED.{name}" for name in COUNTED)}
"""  # noqa: S608

ADD_BATCH = f"""
    WITH taken AS MATERIALIZED ({TAKEN.format(which="r.id > %(counted)s AND r.id <= %(upto)s")}),
    spans AS ({SPANS}), {FILES}, days AS ({ADD_DAYS})
    {ADD.format(shares=SHARES.format(in_period="t.day >= s.first", is_file="(t.last IS NULL OR t.last < s.first)"))}
"""
# Who appears in a batch for the first time, as what their profile says.
ADD_PEOPLE = """
    INSERT INTO datasets_countedperson (user_id, institution)
    SELECT u.id, u.institution FROM accounts_user u WHERE u.id IN (
        SELECT g.user_id FROM datasets_downloadrecord r
        JOIN datasets_downloadlink l ON l.id = r.link_id JOIN datasets_accessgrant g ON g.id = l.grant_id
        WHERE r.id > %(counted)s AND r.id <= %(upto)s)
    ON CONFLICT (user_id) DO NOTHING
"""
OLD_DAYS = """
    r.issued_at >= %(from)s::timestamp AT TIME ZONE 'UTC' AND r.issued_at < %(until)s::timestamp AT TIME ZONE 'UTC'
    AND r.id <= %(counted)s
"""
TAKE_DAYS = f"""
    WITH taken AS MATERIALIZED ({TAKEN.format(which=OLD_DAYS)}), spans AS ({SPANS}), {FILES}
    {TAKE.format(shares=SHARES.format(in_period="true", is_file="t.last < s.first"))}
"""
# What one person has under some label.
OF_PERSON = f"""
    SELECT s.period, t.dataset, %(kind)s AS kind, {{label}} AS label, sum(t.requests) AS requests,
        count(DISTINCT t.archive) AS downloads, sum(t.asked) AS asked, sum(t.unsized) AS unsized
    FROM ({TAKEN.format(which="g.user_id = %(person)s AND r.id <= %(counted)s")}) AS t
    JOIN ({SPANS}) AS s ON t.day >= s.first
    GROUP BY GROUPING SETS ((s.period, t.dataset, {{label}}), (s.period, {{label}}))
"""  # noqa: S608
BY_COUNTRY, BY_LABEL = "t.country", "%(label)s::text"
CLEAR = "DELETE FROM datasets_downloadshare WHERE requests = 0"


def spans(today: date) -> dict[str, list[Any]]:
    return {"periods": [int(period) for period in Period], "firsts": [period.first_day(today) for period in Period]}


def add_batch(*, counted: int, upto: int, today: date) -> None:
    _execute(ADD_PEOPLE, counted=counted, upto=upto)
    _execute(ADD_BATCH, counted=counted, upto=upto, **spans(today))


def move_periods(*, counted: int, before: date, today: date) -> None:
    """Take the days away that a period had on the day before, and has no more."""
    for period in Period:
        first = period.first_day(today)
        if period != Period.ALL:
            old_days = {"from": period.first_day(before), "until": first}
            _execute(TAKE_DAYS, counted=counted, periods=[int(period)], firsts=[first], **old_days)
    _execute(CLEAR)


def move_person(*, person: int, old: str, new: str, counted: int, today: date) -> None:
    """What a person has taken, from one institution to another."""
    facts = {"person": person, "kind": INSTITUTION, "counted": counted, **spans(today)}
    shares = OF_PERSON.format(label=BY_LABEL)
    _execute(TAKE.format(shares=shares), label=old, **facts)
    _execute(ADD.format(shares=shares), label=new, **facts)
    _execute(CLEAR)


def forget_countries(*, person: int, counted: int, today: date) -> None:
    """What a person has taken, from its countries to none; before the records forget theirs."""
    facts = {"person": person, "kind": COUNTRY, "counted": counted, **spans(today)}
    _execute(TAKE.format(shares=OF_PERSON.format(label=BY_COUNTRY)), **facts)
    _execute(ADD.format(shares=OF_PERSON.format(label=BY_LABEL)), label="", **facts)
    _execute(CLEAR)


def _execute(statement: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
