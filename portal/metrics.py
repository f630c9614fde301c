"""How work stands, as numbers in CloudWatch, by which alarms are rung (ebextensions/alarms.config).

Not as lines of a log: Elastic Beanstalk writes words of its own in front of each, and nothing can count behind them.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils import timezone

from accounts.models.work import WorkQuerySet, kinds_of_work
from accounts.services.work import Standing, standing_of

logger = logging.getLogger(__name__)
LATELY = timedelta(days=1)
# The worker waits for it, and mails for the worker. The next minute brings the next numbers.
PATIENCE = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})


def numbers(standings: list[Standing], now: datetime) -> list[dict[str, Any]]:
    """All work together: what waits (counted to a thousand of each kind), and for how long the oldest is overdue; and
    of each kind what failed within a day, for what nobody mends, such as an address that is no more, must not keep the
    alarm from ringing for the next."""
    waiting = sum(standing.waiting for standing in standings)
    overdue = max((_seconds_overdue(standing, now) for standing in standings), default=0.0)
    return [
        {"MetricName": "WorkWaiting", "Value": waiting, "Unit": "Count"},
        {"MetricName": "WorkOverdue", "Value": overdue, "Unit": "Seconds"},
        *(
            {
                "MetricName": "WorkFailed",
                "Dimensions": [{"Name": "Kind", "Value": standing.kind._meta.label_lower}],
                "Value": _failed_lately(standing, now),
                "Unit": "Count",
            }
            for standing in standings
        ),
    ]


def _failed_lately(standing: Standing, now: datetime) -> int:
    if not standing.failed:
        return 0
    failed: WorkQuerySet[Any] = standing.kind.objects.failed()
    return failed.filter(finished_at__gt=now - LATELY).count()


def _seconds_overdue(standing: Standing, now: datetime) -> float:
    """Work that is tried again and again in vain is never due for long, but has been since it was made."""
    since = [row.created_at for row in standing.stuck]
    if standing.due_since is not None:
        since.append(standing.due_since)
    return max(0.0, (now - min(since)).total_seconds()) if since else 0.0


def write_numbers() -> None:
    """Write them down. Where that fails nobody waits for it: that numbers are missing is an alarm as well."""
    found = numbers([standing_of(kind) for kind in kinds_of_work()], timezone.now())
    try:
        client = boto3.client("cloudwatch", region_name=settings.BUCKET_REGION, config=PATIENCE)
        client.put_metric_data(Namespace=settings.METRICS_NAMESPACE, MetricData=found)
    except (BotoCoreError, ClientError) as error:
        logger.warning("numbers not written", extra={"error": type(error).__name__})
