"""Rendering the volumes that are due: bytes from the bucket, pictures from a child process, and back to the bucket."""

import logging
from datetime import timedelta
from threading import local

from accounts.services.work import work_through
from datasets.exceptions import ObjectChanged, ObjectMissing, PartDown
from datasets.kspace.errors import KSpaceError
from datasets.kspace.report import Rendering, Wish
from datasets.kspace.sandbox import Sandbox, SandboxError
from datasets.models import Preview, Volume
from datasets.services.previews.pictures import keep_pictures
from datasets.services.previews.sources import Sources

logger = logging.getLogger(__name__)

WISH = Wish(slices="all", format="webp")
BACKOFF_BASE, BACKOFF_CEILING = timedelta(seconds=10), timedelta(minutes=30)
LONGEST_REASON = 500


class Renderer:
    """What a process keeps between volumes: the child that reads foreign files, and an archive that is being unpacked.

    Both are there only while there is something to render, so that an idle worker holds no memory for them."""

    def __init__(self) -> None:
        self._sandbox: Sandbox | None = None
        self._sources = Sources()

    def render_preview(self, row: Preview) -> None:
        """Settle the row: done with its pictures, failed because of the file, or postponed because of ourselves.

        A worker may be killed at any moment: until the row names the new pictures, the old ones are shown."""
        volume = Volume.objects.select_related("archive").filter(pk=row.volume_id).first()
        if volume is None:
            # Deleted meanwhile, and the row with it.
            return
        try:
            rendering = self._render(volume)
            keep_pictures(rendering, row)
        except (KSpaceError, ObjectMissing, ObjectChanged) as error:
            row.finish(row.State.FAILED, reason=str(error)[:LONGEST_REASON] or type(error).__name__)
        except PartDown as error:
            row.postpone(reason=str(error)[:LONGEST_REASON], base=BACKOFF_BASE, ceiling=BACKOFF_CEILING)
        except SandboxError as error:
            # A fault of ours, which this file may have met alone: tried again like after a death, and then given up.
            logger.exception("the sandbox does not work", extra={"work": "preview", "row": row.pk})
            row.crash(reason=str(error)[:LONGEST_REASON])

    def _render(self, volume: Volume) -> Rendering:
        with self._sources.opened(volume) as source:
            if self._sandbox is None:
                self._sandbox = Sandbox()
            return self._sandbox.render(source, WISH)

    def close(self) -> None:
        self._sources.close()
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None


class _Kept(local):
    """One a thread, hence one a process in Celery's usual pool: runs are short, and the next one goes on with the same
    child in the same archive. Two threads that read on in one archive would take each other's bytes."""

    def __init__(self) -> None:
        self.renderer = Renderer()


_kept = _Kept()


def render_due_previews(*, seconds: float, renderer: Renderer | None = None) -> bool:
    """Render what is due, for so long; True when the time was up before the rows were."""
    has_more, renderer = False, renderer or _kept.renderer
    try:
        has_more = work_through(Preview.objects.all(), renderer.render_preview, seconds=seconds)
    finally:
        if not has_more:
            renderer.close()
    return has_more
