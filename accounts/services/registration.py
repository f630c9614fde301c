"""Registering, telling about oneself, and asking for all that is held about one."""

from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.module_loading import import_string

from accounts.models import User


def complete_profile(
    user: User, *, name: str, institution: str, country: str, position: str, research_purpose: str
) -> None:
    user.name, user.institution, user.country = name, institution, country
    user.position, user.research_purpose = position, research_purpose
    user.save(update_fields=["name", "institution", "country", "position", "research_purpose"])


@transaction.atomic
def register(*, email: str, password: str, **answers: str) -> User:
    """Make an account whose address is not confirmed. The password comes hashed."""
    user = User.objects.create(email=email, password=password)
    EmailAddress.objects.create(user=user, email=email, primary=True)
    complete_profile(user, **answers)
    return user


def begun_registration(email: str, password: str) -> User | None:
    """The account that a registration with this address and this password made and nobody has confirmed yet."""
    user = User.objects.active().filter(email=email).first()
    return user if user and is_unconfirmed(user) and user.check_password(password) else None


def is_unconfirmed(user: User) -> bool:
    """Whether the account was made by a registration whose address nobody has confirmed."""
    confirmed = list(EmailAddress.objects.filter(user=user).values_list("verified", flat=True))
    return user.last_login is None and bool(confirmed) and not any(confirmed)


def end_sessions(user: User) -> None:
    """Sign the person out of every browser. A caller that wants to stay signed in updates its own session's hash."""
    User.objects.filter(pk=user.pk).update(sessions_ended=F("sessions_ended") + 1)
    user.refresh_from_db(fields=["sessions_ended"])


def export_my_data(user: User) -> dict[str, Any]:
    """Everything held about a person, section by section: each installed room names its part in PERSONAL_DATA."""
    return {section: import_string(path)(user) for section, path in settings.PERSONAL_DATA.items()}
