"""What the datasets forget of a person whose Deletion runs. Each step may be done again.

Requests, grants, links and download records stay as rows of a number, so that a release still counts its downloads.
"""

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.models.deletions import FORGOTTEN
from accounts.services.forgetting import forget_rows_in_log
from datasets.models import AccessGrant, AccessRequest, DownloadLink
from datasets.services.statistics import forget_counted, hold_count


def forget_access(user: User) -> None:
    end_access(user)
    requests = AccessRequest.objects.filter(user=user)
    grants = AccessGrant.objects.filter(user=user)
    requests.exclude(purpose="").update(purpose="")
    for rows in (requests, grants):
        # A reason that must be there is said to be gone.
        rows.exclude(reason="").update(reason=FORGOTTEN)
    if count := hold_count():
        forget_counted(user, count)
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.forget_downloads(%s), public.forget_history(%s)", [user.pk, user.pk])
    forget_rows_in_log(AccessRequest, numbers(requests))
    forget_rows_in_log(AccessGrant, numbers(grants))
    forget_rows_in_log(DownloadLink, numbers(DownloadLink.objects.filter(grant__user=user)))
    # Records are read in the admin and never changed there, so the log says nothing of one.


def end_access(user: User) -> None:
    """Nothing waits for a decision, and no link lives."""
    now = timezone.now()
    AccessRequest.objects.pending().filter(user=user).update(status=AccessRequest.Status.WITHDRAWN, decided_at=now)
    links = DownloadLink.objects.live().filter(grant__user=user)
    links.update(status=DownloadLink.Status.REVOKED, ended_at=now)
    AccessGrant.objects.active().filter(user=user).update(
        status=AccessGrant.Status.REVOKED, reason=FORGOTTEN, revoked_at=now
    )


def numbers(rows: QuerySet) -> QuerySet:
    return rows.values_list("pk", flat=True)
