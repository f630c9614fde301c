"""Browsers of people who are signed in."""

import time

from django.test import Client

from accounts.freshness import KEY
from accounts.models import User


def signed_in(user: User, *, ago: float = 0) -> Client:
    """A browser whose person signed in so many seconds ago."""
    client = Client()
    client.force_login(user)
    session = client.session
    session[KEY] = time.time() - ago
    session.save()
    return client
