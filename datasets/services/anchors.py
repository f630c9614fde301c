"""Anchoring the chain of signatures: once a day its length and its head go into a bucket that locks what it is given.

Nothing in the database can prove by itself that its newest records were not cut off, or all of it written anew. An
anchor that lies elsewhere can. So none is written from a chain that does not hold, or that no longer goes through the
anchor before: that row fails, with the reason, until a maintainer has looked.
"""

import logging
from datetime import date, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.services.anchors import Anchor, written
from accounts.services.evidence import Chain, examine_chain
from accounts.services.work import work_through
from datasets.exceptions import BucketDown, MoveNotAllowed
from datasets.models import EvidenceAnchor
from datasets.storage import evidence_bucket

logger = logging.getLogger(__name__)

BACKOFF_BASE, BACKOFF_CEILING = timedelta(seconds=10), timedelta(minutes=30)
NO_LOCK = "The bucket keeps no versions, so nothing in it is locked."


def plan_anchor(day: date | None = None) -> EvidenceAnchor:
    """The row of the day, today's unless one is named; one a day, however often this is called."""
    row, _is_new = EvidenceAnchor.objects.get_or_create(day=day or timezone.now().date())
    return row


def plan_again(row: EvidenceAnchor, *, note: str = "") -> EvidenceAnchor:
    """Try one that failed once more. A note says why a chain that lost records, as after a restore, is anchored all
    the same; it is written into the anchor."""
    if not row.retry():
        raise MoveNotAllowed(f"The {row} is {row.state}; only one that failed is tried again.")
    EvidenceAnchor.objects.filter(pk=row.pk).update(note=note)
    row.refresh_from_db()
    return row


def make_anchors(*, seconds: float) -> bool:
    """Make the anchors that are due, for so long; True when the time was up before they were."""
    return work_through(EvidenceAnchor.objects.all(), make_anchor, seconds=seconds)


def make_anchor(row: EvidenceAnchor) -> None:
    moment = timezone.now()
    chain = examine_chain(anchor=None if row.note else _former(row))
    if chain.bad is not None:
        where = "" if chain.bad.pk is None else f"Signature {chain.bad.pk}: "
        row.finish(row.State.FAILED, reason=f"Not written. {where}{chain.bad.reason}.")
        logger.error("the chain of signatures does not hold", extra={"work": "evidenceanchor", "row": row.pk})
        return
    try:
        _write(row, chain, moment)
    except BucketDown as error:
        row.postpone(reason=str(error)[:500], base=BACKOFF_BASE, ceiling=BACKOFF_CEILING)


def _write(row: EvidenceAnchor, chain: Chain, moment: datetime) -> None:
    anchor = Anchor(count=chain.count, head=chain.head, moment=moment)
    key = f"anchors/{row.day:%Y/%Y-%m-%d}.json"
    until = moment + timedelta(days=settings.EVIDENCE_RETENTION_DAYS)
    stored = evidence_bucket().put_locked(key, written(anchor, note=row.note), retain_until=until)
    facts = {"count": anchor.count, "head": anchor.head, "moment": moment, "key": key, "etag": stored.etag}
    row.finish(row.State.DONE, reason="" if stored.version_id else NO_LOCK, version_id=stored.version_id, **facts)


def _former(row: EvidenceAnchor) -> Anchor | None:
    """The newest anchor that was written before this one."""
    before = EvidenceAnchor.objects.filter(state=row.State.DONE, day__lt=row.day).order_by("-day").first()
    if before is None or before.count is None or before.moment is None:
        return None
    return Anchor(count=before.count, head=before.head, moment=before.moment)
