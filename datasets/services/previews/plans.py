"""Which volumes get a preview, and which get another one."""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from datasets.models import Preview, Volume

logger = logging.getLogger(__name__)
BATCH = 1_000


@transaction.atomic
def plan_previews(volumes: QuerySet[Volume], *, asked_at: datetime | None = None) -> int:
    """Write the rows of those volumes that have none; says how many had none.

    In the order in which the volumes lie in their archives, which is the order in which they are rendered: so a
    compressed archive is unpacked once for all of them."""
    asked = asked_at or timezone.now()
    missing = list(volumes.filter(preview=None).order_by("archive_id", "offset", "pk").values_list("pk", flat=True))
    for start in range(0, len(missing), BATCH):
        rows = [Preview(volume_id=pk, asked_at=asked) for pk in missing[start : start + BATCH]]
        # Somebody else may plan the same volumes now.
        Preview.objects.bulk_create(rows, ignore_conflicts=True)
    return len(missing)


@transaction.atomic
def render_again(previews: QuerySet[Preview], *, by: User) -> datetime:
    """Put these back to the queue, whatever state they are in; the moment under which their progress is found.

    Pictures that are there go on being shown until the new ones are. Whoever is at one of them just now does it in
    vain: the one asked for begins after this."""
    asked_at = timezone.now()
    # In one order for everybody, so that two maintainers with the same rows wait rather than deadlock.
    chosen = list(previews.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))
    again = {**Preview.fresh_start(), "reason": "", "leased_until": None, "asked_at": asked_at}
    number = Preview.objects.filter(pk__in=chosen).update(**again)
    logger.info("previews are rendered again", extra={"rows": number, "by": by.pk})
    return asked_at


@transaction.atomic
def render_volumes(volumes: QuerySet[Volume], *, by: User) -> datetime:
    """Render volumes for the first time, or again; the moment under which their progress is found."""
    asked_at = render_again(Preview.objects.filter(volume__in=volumes), by=by)
    plan_previews(volumes, asked_at=asked_at)
    return asked_at
