"""The renderer with a mistake: a volume that says so kills the process at work on it, as the kernel does when memory is
short. Every volume waits for a moment, so that somebody can be killed in the middle of one."""

import os
import signal
import time
from pathlib import Path
from typing import BinaryIO

import django

django.setup()

from datasets.kspace.report import Rendering, Wish  # noqa: E402
from datasets.services.previews import rendering  # noqa: E402
from portal.celery import app as app  # noqa: E402
from tests.archives import Painter  # noqa: E402

SECONDS = 0.3


class DeadlyPainter(Painter):
    def render(self, source: Path | BinaryIO, wish: Wish) -> Rendering:
        content = source.read_bytes() if isinstance(source, Path) else source.read()
        if content.startswith(b"deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(SECONDS)
        if not isinstance(source, Path):
            source.seek(0)
        return super().render(source, wish)


vars(rendering)["Sandbox"] = DeadlyPainter
