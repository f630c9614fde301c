"""What is done about access and records when its time comes. Each may run twice, or late."""

from celery import shared_task

from accounts.tasks import hint, send_mails
from datasets.services import access, downloads


@shared_task(ignore_result=True)
def remind_of_ends() -> None:
    if access.remind_of_ends():
        hint(send_mails)


@shared_task(ignore_result=True)
def blank_addresses() -> None:
    downloads.blank_addresses()


@shared_task(ignore_result=True)
def forget_usage() -> None:
    downloads.forget_usage()
