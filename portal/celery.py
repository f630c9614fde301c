"""The Celery application. Messages are hints; rows are the truth (see accounts.models.work)."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.production")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
# RedBeat looks for its own names only, without the prefix.
app.add_defaults(
    lambda: {
        "redbeat_redis_url": settings.REDIS_URL,
        "redbeat_redis_options": {"socket_connect_timeout": 1, "socket_timeout": 2},
    }
)
app.autodiscover_tasks()


@setup_logging.connect
def log_as_the_site_does(**_: Any) -> None:
    """Celery would otherwise put its own format in the place of the site's, in the worker and in beat."""
    logging.config.dictConfig(settings.LOGGING)
    logging.captureWarnings(True)
