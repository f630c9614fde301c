"""What maintainers do about people: disable and enable accounts, take away a lost second factor."""

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils import timezone

from accounts.exceptions import MoveNotAllowed
from accounts.mail import queue
from accounts.models import User
from accounts.services.deletions import is_being_deleted

# The mail that tells of each kind of factor that is gone.
TOLD = {
    Authenticator.Type.TOTP: "account/totp_deactivated",
    Authenticator.Type.WEBAUTHN: "account/webauthn_removed",
}
# And with what it was done; the address of who did it follows.
ACTED = "the administration, by "


def disable_account(user: User, *, by: User) -> User:
    """From now on the person cannot sign in, and every link is refused at its next request."""
    return _set_active(user, False, by=by)


def enable_account(user: User, *, by: User) -> User:
    """The person can sign in again; links of grants that have not ended work again."""
    return _set_active(user, True, by=by)


@transaction.atomic
def reset_second_factor(user: User, *, by: User) -> int:
    """Take away every second factor and recovery code, for who has lost them. Says how many there were."""
    user = _locked(user, by=by)
    if user.pk == by.pk:
        raise MoveNotAllowed("Change your own second factor on your account's pages.")
    factors = Authenticator.objects.filter(user=user)
    kinds = set(factors.values_list("type", flat=True))
    if not kinds:
        raise MoveNotAllowed(f"{user.email} has no second factor.")
    for kind in sorted(kinds & TOLD.keys()):
        done = {"at": timezone.now().isoformat(), "agent": f"{ACTED}{by.email}", "address": "the site"}
        queue(TOLD[kind], user=user, **done)
    return factors.delete()[0]


@transaction.atomic
def _set_active(user: User, active: bool, *, by: User) -> User:
    user = _locked(user, by=by)
    if user.pk == by.pk:
        raise MoveNotAllowed("This is your own account. Ask another maintainer.")
    if is_being_deleted(user):
        raise MoveNotAllowed(f"{user.email} is deleted. The person may register again.")
    if user.is_active == active:
        raise MoveNotAllowed(f"{user.email} is {'active' if active else 'disabled'} already.")
    user.is_active = active
    user.save(update_fields=["is_active"])
    return user


def _locked(user: User, *, by: User) -> User:
    """The row, held; maintainers' own accounts are for those who may do everything."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if (user.is_staff or user.is_superuser) and not by.is_superuser:
        raise MoveNotAllowed(f"{user.email} is a maintainer. Only a superuser may change that account.")
    return user
