"""Maintainers who have signed in with a second factor."""

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.internal.flows.login import _AUTHENTICATION_METHODS_USER_SESSION_KEY
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from accounts.models import User
from tests.factories import StaffFactory


def with_second_factor(user: User) -> User:
    TOTP.activate(user, generate_totp_secret())
    return user


def let_in(client: Client, user: User) -> None:
    """As after a sign-in with password and code, a moment ago."""
    client.force_login(user)
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "mfa", "at": 4_000_000_000.0, "type": "totp"}]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
    session.save()


def maintainer(client: Client, **fields: object) -> User:
    """A superuser whom the admin lets in."""
    user = with_second_factor(StaffFactory(**fields))
    let_in(client, user)
    return user
