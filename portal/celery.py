"""The Celery application. Messages are hints; rows are the truth (see accounts.models.work)."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.development")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_the_site_does(**_: Any) -> None:
    """Celery would otherwise put its own format in the place of the site's, in the worker and in beat."""
    logging.config.dictConfig(settings.LOGGING)
