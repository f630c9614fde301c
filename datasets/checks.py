"""What the settings must say for evidence to be kept. Run by `manage.py check --deploy`."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error


def check_datasets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return [*evidence_problems()]


def evidence_problems() -> Iterator[CheckMessage]:
    name = settings.EVIDENCE_BUCKET_NAME
    if not name:
        yield Error(
            "The chain of signatures is anchored nowhere: EVIDENCE_BUCKET_NAME is empty.",
            hint="Make a bucket with object lock, for the anchors alone, and name it.",
            id="datasets.E001",
        )
    elif name == settings.BUCKET_NAME:
        yield Error(
            "The anchors would lie among the data: EVIDENCE_BUCKET_NAME is BUCKET_NAME.",
            hint="Make a bucket with object lock, for the anchors alone, and name it.",
            id="datasets.E002",
        )
