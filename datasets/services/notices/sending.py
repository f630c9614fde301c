"""How notices get through to all whom they concern: in batches, each person once, whatever is killed meanwhile."""

from django.db import transaction
from django.db.models import Exists, QuerySet

from accounts.mail import queue_all
from accounts.models import Bounce, User
from accounts.models.work import Work
from accounts.services.work import work_through
from datasets.models import Notice
from datasets.services.notices import agreements, releases

# Mails that are queued in one transaction.
BATCH = 500
MAILS = {
    Notice.Kind.AGREEMENT: "agreement/new_version",
    Notice.Kind.AGREEMENT_DUE: "agreement/new_version_due",
    **releases.MAILS,
}


def send_due_notices(*, seconds: float) -> bool:
    """Queue the mails of notices that are due, for so long; True when there is more to do."""
    return work_through(Notice.objects.all(), reach_some, seconds=seconds)


def reach_some(notice: Notice) -> None:
    """Queue the mails of the next batch and move the cursor, in one transaction; done when nobody is left.

    Each claim is one batch, so that other notices have their turn between, and a worker may end after any.
    """
    row, notice = notice, notice_of(notice.pk)
    over = why_over(notice)
    if over:
        row.finish(Work.State.DONE, reason=over)
        return
    with transaction.atomic():
        looked_at = looked_at_after(row.cursor, notice)
        people = list(people_of(notice).filter(pk__in=looked_at).only("email"))
        template = MAILS[Notice.Kind(row.kind)]
        queue_all(template, to={user: f"notice:{row.pk}:{user.pk}" for user in people}, notice=row.pk)
        settle = row.go_on if len(looked_at) == BATCH else row.end_with
        if not settle(reached=len(people), cursor=looked_at[-1] if looked_at else row.cursor):
            # Another worker has the row by now, and queues these itself.
            transaction.set_rollback(True)


def notice_of(pk: int) -> Notice:
    """A notice with what it is about, in one query and without long texts that its mail does not say."""
    about = Notice.objects.select_related("version__agreement", "release__dataset", "erratum")
    return about.defer(
        "version__text", "release__notes", "release__dataset__description", "release__dataset__citation"
    ).get(pk=pk)


def people_of(notice: Notice) -> QuerySet[User]:
    """Whom a notice concerns, each once."""
    if notice.version is not None:
        people = agreements.people_to_reach(notice.version)
        return people.filter(~Exists(Bounce.objects.open().of_the_outer_person()))
    return releases.people_told(notice)


def looked_at_after(cursor: int, notice: Notice) -> list[int]:
    """The next people among whom those to reach are, by an index: to ask for those in one go would look at everybody
    once for each batch."""
    if notice.version is not None:
        return list(agreements.holders_after(cursor, notice.version)[:BATCH])
    return list(releases.candidates_after(cursor, notice)[:BATCH])


def why_over(notice: Notice) -> str:
    """Why a notice has nobody to reach any more, as a sentence; empty when it has."""
    if notice.version is None:
        return releases.why_untrue(notice)
    if notice.kind == Notice.Kind.AGREEMENT_DUE and agreements.is_past(notice.version):
        return "The day has come: nobody is reminded any more."
    return ""
