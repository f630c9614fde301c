"""What the site as a whole does in the background."""

from celery import shared_task

from portal.metrics import write_numbers


@shared_task(ignore_result=True)
def measure_work() -> None:
    """How work stands, every minute, where METRICS_NAMESPACE says that somebody looks."""
    write_numbers()
