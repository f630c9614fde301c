"""What is done about access and accounts when its time comes. Each may run twice, or late."""

from celery import shared_task

from accounts.models import Deletion
from accounts.services.work import work_through
from accounts.tasks import RUN_SECONDS, hint, send_mails, swept_by
from datasets.services import access
from datasets.services.deletions import carry_out


@shared_task(ignore_result=True)
def remind_of_ends() -> None:
    if access.remind_of_ends():
        hint(send_mails)


@swept_by(lambda: Deletion.objects.due().exists())
@shared_task(ignore_result=True)
def delete_accounts() -> None:
    """Forget whoever asked for it, when the farewell has left."""
    if work_through(Deletion.objects.all(), carry_out, seconds=RUN_SECONDS):
        hint(delete_accounts)
