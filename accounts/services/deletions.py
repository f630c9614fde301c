"""Deleting an account: closed at once, forgotten by a worker when the farewell has left.

What is outside of this package (the record outside the database, what datasets hold) is done by
datasets.services.deletions, which calls forget_person.
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.exceptions import MoveNotAllowed
from accounts.mail import queue
from accounts.models import Deletion, User, Work
from accounts.services.registration import end_sessions

# A request that began before the account was closed has ended by then (portal.gunicorn: a minute).
BEGUN = timedelta(seconds=75)
# How long a farewell that cannot be sent holds the rest up.
FAREWELL = timedelta(hours=1)


@transaction.atomic
def delete_own_account(user: User) -> Deletion:
    """A person's own wish."""
    return _close(_locked(user), by=user, reason="")


@transaction.atomic
def delete_account(user: User, *, by: User, reason: str) -> Deletion:
    """A maintainer's decision, whose reason the person is mailed."""
    if user.pk == by.pk:
        raise MoveNotAllowed("Delete your own account on your profile.")
    user = _locked(user)
    if (user.is_staff or user.is_superuser) and not by.is_superuser:
        raise MoveNotAllowed(f"{user.email} is a maintainer. Only a superuser may delete that account.")
    return _close(user, by=by, reason=" ".join(reason.split()))


def is_being_deleted(user: User) -> bool:
    return Deletion.objects.filter(user=user).exists()


def _locked(user: User) -> User:
    """The person's row, held, and before it those of all superusers: of two who delete each other, one stays."""
    if user.is_superuser:
        list(User.objects.select_for_update().filter(is_superuser=True).order_by("pk"))
    return User.objects.select_for_update().get(pk=user.pk)


def _close(user: User, *, by: User, reason: str) -> Deletion:
    """No one signs in any more, every link is refused at its next request; a second click finds the first one's row."""
    begun = Deletion.objects.filter(user=user).first()
    if begun is not None:
        return begun
    others = User.objects.active().filter(is_superuser=True).exclude(pk=user.pk)
    if user.is_superuser and not others.exists():
        raise MoveNotAllowed("This is the last superuser. Make another maintainer one first, then delete this account.")
    user.is_active = False
    user.save(update_fields=["is_active"])
    end_sessions(user)
    deletion = Deletion.objects.create(user=user, by=by, why=reason)
    deletion.mail = queue("account/deleted", user=user, once=f"deleted:{user.pk}", deletion=deletion.pk)
    deletion.save(update_fields=["mail"])
    return deletion


# By a worker ---------------------------------------------------------------------------------------------


def record_written(deletion: Deletion) -> None:
    deletion.written_at = timezone.now()
    deletion.save(update_fields=["written_at"])


def must_wait(deletion: Deletion) -> bool:
    """Whether requests of before may still run, or the mail that says goodbye still needs its address."""
    mail, age = deletion.mail, timezone.now() - deletion.created_at
    return mail is not None and (age < BEGUN or (mail.state in Work.OPEN and age < FAREWELL))


@transaction.atomic
def forget_person(deletion: Deletion) -> None:
    """Everything that names the person, in every room, and the row of work with it: all or nothing, and as often as
    it takes."""
    # Whoever writes about this person meanwhile waits, and then finds the account closed.
    user = User.objects.select_for_update().get(pk=deletion.user_id)
    for path in settings.FORGETTING:
        import_string(path)(user)
    Deletion.objects.filter(pk=deletion.pk).update(why="")
    deletion.finish(Work.State.DONE)


def repeat_deletion(user: User) -> Deletion:
    """After a restore: the row of a deletion that was done once and must be done again, without another farewell."""
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        User.objects.filter(pk=user.pk).update(is_active=False)
        end_sessions(user)
        deletion, _made = Deletion.objects.get_or_create(user=user)
        again = {**Deletion.fresh_start(), "leased_until": None, "mail": None}
        Deletion.objects.filter(pk=deletion.pk).update(**again)
        deletion.refresh_from_db()
        return deletion
