"""Background work of every kind: hints, the sweeper, and the mails.

A message says only "look": the rows say what is to be done, so a message that is lost, doubled or late does no harm.
"""

import logging
import time
from collections.abc import Callable
from functools import partial

from celery import Task, shared_task
from django.core.cache import caches
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts.mail import deliver_due
from accounts.models import OutgoingMail, Receipt
from accounts.rest import Rest
from accounts.services import agreements, receipts, retention

logger = logging.getLogger(__name__)

# A run ends well before a stopping worker would be killed; what is left is hinted at again.
RUN_SECONDS = 20
# A hint that waited this long has been made again by the sweeper. The time is that of the server that hints, so it is
# longer than clocks differ: to a worker whose clock goes ahead, every shorter-lived message would have run out.
HINT_SECONDS = 1_800
# When a worker last ran the sweeper, for /readyz.
SWEPT_KEY = "swept-at"

# A request that caused several pieces of work waits once for a broker that is away.
broker_rest = Rest()
_swept: list[tuple[Callable[[], bool], Task]] = []


def swept_by(is_due: Callable[[], bool]) -> Callable[[Task], Task]:
    """Register a task that the sweeper hints at whenever is_due() says that one of its rows is due."""

    def register(task: Task) -> Task:
        _swept.append((is_due, task))
        return task

    return register


def hint(task: Task) -> None:
    """Tell a worker to look, once the transaction is committed. A broker that is down delays the work until the
    sweeper finds the row; it never fails the request."""
    transaction.on_commit(partial(_publish, task))


def _publish(task: Task) -> None:
    if not broker_rest.is_over():
        return
    try:
        task.apply_async(expires=HINT_SECONDS, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        broker_rest.begin()
        logger.warning("hint not sent", extra={"task": task.name, "error": type(error).__name__})
    else:
        broker_rest.end()


@swept_by(lambda: OutgoingMail.objects.due().exists())
@shared_task(ignore_result=True)
def send_mails() -> None:
    """Deliver what is due, for a while."""
    if deliver_due(seconds=RUN_SECONDS):
        hint(send_mails)


@swept_by(lambda: Receipt.objects.due().exists())
@shared_task(ignore_result=True)
def make_receipts() -> None:
    """Make the receipts of new signatures, for a while, and have them mailed."""
    if receipts.make_receipts(seconds=RUN_SECONDS):
        hint(make_receipts)
    hint(send_mails)


@shared_task(ignore_result=True)
def sweep() -> None:
    """Hint at every kind of work that is due or whose lease ran out."""
    try:
        caches["server"].set(SWEPT_KEY, time.time(), timeout=None)
    except RedisError as error:
        logger.warning("sweep not recorded", extra={"error": type(error).__name__})
    for is_due, task in _swept:
        if is_due():
            hint(task)


@shared_task(ignore_result=True)
def require_due_versions() -> None:
    """Agreement versions whose day has come."""
    agreements.require_due_versions()


@shared_task(ignore_result=True)
def forget_what_is_old() -> None:
    """What was kept as long as it may be (accounts.services.retention)."""
    if retention.forget_what_is_old(seconds=RUN_SECONDS):
        hint(forget_what_is_old)
