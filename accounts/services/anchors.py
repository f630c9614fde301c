"""Anchors: what is written down outside the database of how long the chain is and where it ends.

An anchor is one JSON object: {"format": 1, "site": …, "moment": <ISO 8601>, "count": <records>, "head": <hash of the
last of them, or 64 zeros>}. Whoever holds one can tell whether the chain that the database has today still goes through
that hash at that place.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from accounts.exceptions import AnchorUnreadable

FORMAT = 1
# An anchor has some 250 bytes; of anything else no more than this is read.
LARGEST = 10_000
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Anchor:
    """At that moment the chain had so many records, and this was the hash of the last one."""

    count: int
    head: str
    moment: datetime


def written(anchor: Anchor, *, note: str = "") -> bytes:
    """The file as it is put into the bucket; a note says what an operator had to say about it."""
    facts = {
        "format": FORMAT,
        "site": settings.SITE_URL,
        "moment": anchor.moment.isoformat(),
        "count": anchor.count,
        "head": anchor.head,
    }
    return (json.dumps(facts | ({"note": note} if note else {}), indent=2) + "\n").encode()


def read_anchor(content: bytes) -> Anchor:
    try:
        facts = json.loads(content)
    except (ValueError, RecursionError):
        raise AnchorUnreadable("It is not JSON.") from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise AnchorUnreadable(f"It is not an anchor of format {FORMAT}.")
    count, head = facts.get("count"), facts.get("head")
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise AnchorUnreadable("Its count is not a number of records.")
    if not isinstance(head, str) or not HASH.fullmatch(head):
        raise AnchorUnreadable("Its head is not a SHA-256.")
    try:
        moment = datetime.fromisoformat(facts.get("moment", ""))
    except (TypeError, ValueError):
        raise AnchorUnreadable("Its moment is not a time.") from None
    return Anchor(count=count, head=head, moment=moment)
