"""What a maintainer decides about mails."""

import logging

from accounts.exceptions import MoveNotAllowed
from accounts.models import OutgoingMail, User

logger = logging.getLogger(__name__)


def retry_mail(mail: OutgoingMail, *, by: User) -> None:
    """Put a mail that failed back to the queue; it is written anew, from what is true when it is sent."""
    if not mail.retry():
        raise MoveNotAllowed("It has not failed, so there is nothing to try again.")
    logger.info("mail retried", extra={"mail": mail.pk, "by": by.pk})
