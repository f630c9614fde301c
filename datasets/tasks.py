"""What is done about access and records when its time comes. Each may run twice, or late."""

from celery import shared_task

from accounts.tasks import RUN_SECONDS, hint, send_mails, swept_by
from datasets.models import EvidenceAnchor, Notice
from datasets.services import access, anchors, downloads, notices


@shared_task(ignore_result=True)
def remind_of_ends() -> None:
    if access.remind_of_ends():
        hint(send_mails)


@shared_task(ignore_result=True)
def blank_addresses() -> None:
    downloads.blank_addresses()


@shared_task(ignore_result=True)
def anchor_evidence() -> None:
    """Today's anchor of the chain of signatures, once."""
    anchors.plan_anchor()
    hint(make_anchors)


@swept_by(lambda: EvidenceAnchor.objects.due().exists())
@shared_task(ignore_result=True)
def make_anchors() -> None:
    if anchors.make_anchors(seconds=RUN_SECONDS):
        hint(make_anchors)


@swept_by(lambda: Notice.objects.due().exists() or notices.unannounced().exists())
@shared_task(ignore_result=True)
def send_notices() -> None:
    """Tell those whom it concerns, for a while."""
    notices.announce_versions()
    if notices.send_due_notices(seconds=RUN_SECONDS):
        hint(send_notices)
    hint(send_mails)
