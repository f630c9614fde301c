"""Who may sign in with a password."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from accounts.models import User
from accounts.services.registration import is_unconfirmed


class ConfirmedBackend(AuthenticationBackend):
    """An account that was registered and never confirmed is not told from one that does not exist. Otherwise, whoever
    registers with somebody's address and then signs in would learn whether it had an account before."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        user = super().authenticate(request, **credentials)
        return None if user is None or is_unconfirmed(user) else user
