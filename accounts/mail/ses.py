"""django-ses's backend, with our own rows as its only retries, and what SES's answers mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import django_ses
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.mail import EmailMessage

from accounts.exceptions import MailDelayed, MailRefused, ServerDown
from accounts.mail.smtp import LAST_WORD_SECONDS

# SES found fault with this mail: its address, its size, a virus.
REFUSALS = {"MessageRejected", "InvalidParameterValue"}
# What MessageRejected says when an address waits to be verified: a matter of the account's settings, to be put right.
UNVERIFIED = "not verified"


class EmailBackend(django_ses.SESBackend):
    def __init__(self, **options: object) -> None:
        # botocore would send a mail again whose answer was lost; so it never retries, and waits long for an answer.
        config = Config(connect_timeout=10, read_timeout=LAST_WORD_SECONDS, retries={"total_max_attempts": 1})
        super().__init__(aws_config=config, **options)

    def open(self) -> bool | None:
        with _translated():
            return super().open()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        with _translated():
            return super().send_messages(email_messages)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _meaning(error) from None
    except BotoCoreError as error:
        raise ServerDown(f"SES could not be asked: {type(error).__name__}") from None


def _meaning(error: ClientError) -> MailRefused | MailDelayed:
    code, text = error.response["Error"]["Code"], error.response["Error"]["Message"]
    sentence = f"SES said {code}: {' '.join(text.split())[:300]}"
    if code == "MessageRejected" and UNVERIFIED in text:
        return MailDelayed(sentence)
    if code in REFUSALS:
        return MailRefused(sentence)
    # Too many at once, a paused account, a sender's domain or a key that is not right: so are all others.
    return ServerDown(sentence)
