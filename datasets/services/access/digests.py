"""The daily mail to those who decide about requests: that some wait, never whose."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Count, Exists, Min, QuerySet
from django.utils import timezone

from accounts.mail import bounce_of, queue_all
from accounts.models import Bounce, User
from datasets.models import AccessRequest

RIGHT = "datasets.change_accessrequest"
# From this hour of the day on (UTC), so that it is read in the morning and not at midnight.
FROM_HOUR = 6


def reviewers() -> QuerySet[User]:
    """Who may decide about requests, wants the mail, and can be reached."""
    people: QuerySet[User] = ModelBackend().with_perm(RIGHT)
    wanting = people.filter(is_staff=True, undigested_at=None)
    return wanting.filter(~Exists(Bounce.objects.open().of_the_outer_person())).order_by("pk")


def wants_digest(user: User) -> bool:
    """As `reviewers` has it, when the mail is sent."""
    wants = user.is_active and user.is_staff and user.undigested_at is None and user.has_perm(RIGHT)
    return wants and bounce_of(user) is None


def tell_reviewers() -> bool:
    """Queue today's mail to each reviewer, once however often this is called; False when there is nothing to tell."""
    now = timezone.now()
    if now.hour < FROM_HOUR or not AccessRequest.objects.pending().exists():
        return False
    queue_all("access/waiting", to={user: f"waiting:{user.pk}:{now:%Y-%m-%d}" for user in reviewers()})
    return True


def waiting_by_dataset() -> QuerySet[Any, Any]:
    """How many wait for each dataset, and since when the oldest does; who waits longest first."""
    waiting = AccessRequest.objects.pending().order_by().values("dataset__name")
    return waiting.annotate(count=Count("pk"), oldest=Min("created_at")).order_by("oldest")
