"""What is done about access, accounts and evidence when its time comes. Each may run twice, or late."""

from celery import shared_task

from accounts.models import Deletion
from accounts.services.work import work_through
from accounts.tasks import RUN_SECONDS, hint, send_mails, swept_by
from datasets.models import EvidenceAnchor, FixityCheck, Ingest, Notice, Preview
from datasets.services import access, anchors, fixity, notices, previews, releases, statistics
from datasets.services.deletions import carry_out

# Short, for a run keeps its child and its archive open for the next one: so a worker that is to stop ends soon.
RENDER_SECONDS = 5
# The first volume of a run may lie at the end of an archive of 100 GB, which is unpacked in about half an hour. What a
# foreign file may take is limited in the sandbox, and much shorter.
RENDER_SOFT_LIMIT, RENDER_LIMIT = 2 * 3_600, 2 * 3_600 + 60
# An archive is one piece of work, and a large one takes hours where the bucket is slow. A worker that is stopped in the
# middle is followed by one that begins that archive again.
INGEST_SECONDS = 5
INGEST_SOFT_LIMIT, INGEST_LIMIT = 24 * 3_600, 24 * 3_600 + 60


@shared_task(ignore_result=True)
def remind_of_ends() -> None:
    if access.remind_of_ends():
        hint(send_mails)


@shared_task(ignore_result=True)
def tell_reviewers() -> None:
    """That requests wait: each reviewer once a day."""
    if access.tell_reviewers():
        hint(send_mails)


@swept_by(lambda: Deletion.objects.due().exists())
@shared_task(ignore_result=True)
def delete_accounts() -> None:
    """Forget whoever asked for it, when the farewell has left."""
    if work_through(Deletion.objects.all(), carry_out, seconds=RUN_SECONDS):
        hint(delete_accounts)


@shared_task(ignore_result=True)
def anchor_evidence() -> None:
    """Today's anchor of the chain of signatures, once."""
    anchors.plan_anchor()
    hint(make_anchors)


@swept_by(lambda: EvidenceAnchor.objects.due().exists())
@shared_task(ignore_result=True)
def make_anchors() -> None:
    if anchors.make_anchors(seconds=RUN_SECONDS):
        hint(make_anchors)


@swept_by(lambda: Notice.objects.due().exists() or notices.unannounced().exists())
@shared_task(ignore_result=True)
def send_notices() -> None:
    """Tell those whom it concerns, for a while."""
    notices.announce_versions()
    if notices.send_due_notices(seconds=RUN_SECONDS):
        hint(send_notices)
    hint(send_mails)


@swept_by(lambda: Preview.objects.due().exists())
@shared_task(ignore_result=True, soft_time_limit=RENDER_SOFT_LIMIT, time_limit=RENDER_LIMIT)
def render_previews() -> None:
    """Render what is due, for a while; on a queue of its own (settings.CELERY_TASK_ROUTES)."""
    if previews.render_due_previews(seconds=RENDER_SECONDS):
        hint(render_previews)


@swept_by(lambda: Ingest.objects.due().exists() or releases.abandoned().exists())
@shared_task(ignore_result=True, soft_time_limit=INGEST_SOFT_LIMIT, time_limit=INGEST_LIMIT)
def ingest_archives() -> None:
    """Read archives that are due, for a while; on a queue of its own (settings.CELERY_TASK_ROUTES)."""
    if releases.ingest_due_archives(seconds=INGEST_SECONDS):
        hint(ingest_archives)


@swept_by(lambda: FixityCheck.objects.due().exists() or fixity.next_release() is not None)
@shared_task(ignore_result=True)
def check_fixity() -> None:
    """One batch of keys. The sweeper comes again for the next one: so the bucket is asked no faster than that, and no
    mail waits long."""
    fixity.plan_next_check()
    fixity.check_next_batch()
    hint(send_mails)


@shared_task(ignore_result=True)
def publish_due_releases() -> None:
    """Releases whose time has come."""
    releases.publish_due_releases()


@shared_task(ignore_result=True)
def count_downloads() -> None:
    """The sums of the dashboard."""
    if statistics.count_downloads(seconds=RUN_SECONDS):
        hint(count_downloads)
    statistics.take_standing()
