"""The site's worker with a mistake: one kind of mail kills the process that writes it, as a broken library would."""

import os
import signal

import django

django.setup()

from accounts.mail.outbox import RENDERERS, Content  # noqa: E402
from accounts.models import OutgoingMail  # noqa: E402
from portal.celery import app as app  # noqa: E402

NAME = "account/unknown_account"
healthy = RENDERERS[NAME]


def deadly(mail: OutgoingMail) -> Content:
    if mail.keys.get("deadly"):
        os.kill(os.getpid(), signal.SIGKILL)
    return healthy(mail)


RENDERERS[NAME] = deadly
