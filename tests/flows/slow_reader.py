"""The reader of archives, with a pause after every volume: somebody can be killed in the middle of an archive."""

import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from datasets.kspace import archive as engine  # noqa: E402
from datasets.kspace.archive import Ingested, Member  # noqa: E402
from datasets.services.releases import ingesting  # noqa: E402
from portal.celery import app as app  # noqa: E402
from tests.imports import Reader  # noqa: E402

SECONDS = 0.3
ingest = engine.ingest


def slowly(stream: Any, name: str, *, on_volume: Callable[[Member], None], **rest: Any) -> Ingested:
    def pause(member: Member) -> None:
        on_volume(member)
        time.sleep(SECONDS)

    return ingest(stream, name, on_volume=pause, **rest)


vars(engine)["ingest"] = slowly
vars(ingesting)["Sandbox"] = Reader
