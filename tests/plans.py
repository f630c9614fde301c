"""How PostgreSQL would answer the queries of a page: which indexes it reads, and which tables it would have to scan."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext


@dataclass
class Plans:
    """Of all queries of one page together."""

    indexes: set[str] = field(default_factory=set)
    scanned: set[str] = field(default_factory=set)


def plans_of(client: Client, path: str) -> Plans:
    """What the page's queries read. Scans are forbidden meanwhile, because a small table is rightly scanned: a table
    that is scanned nevertheless has no index that serves."""
    with CaptureQueriesContext(connection) as seen:
        response = client.get(path)
    assert response.status_code == 200, f"{path} answered {response.status_code}"
    plans = Plans()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in seen.captured_queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute(f"EXPLAIN (FORMAT JSON) {query['sql']}")
                _add(plans, _plan(cursor.fetchone()[0]))
        cursor.execute("SET LOCAL enable_seqscan = on")
    return plans


def _plan(answer: Any) -> dict[str, Any]:
    parsed = json.loads(answer) if isinstance(answer, str) else answer
    plan: dict[str, Any] = parsed[0]["Plan"]
    return plan


def _add(plans: Plans, plan: dict[str, Any]) -> None:
    for node in _nodes(plan):
        if "Index Name" in node:
            plans.indexes.add(node["Index Name"])
        if node["Node Type"] == "Seq Scan":
            plans.scanned.add(node["Relation Name"])


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)
