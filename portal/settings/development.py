"""One machine, loopback, plain HTTP: what `manage.py demo` and developers run."""

from django.core.exceptions import ImproperlyConfigured

from .base import *  # noqa: F403
from .base import ALLOWED_HOSTS, SECRET_KEY

if not set(ALLOWED_HOSTS) <= {"127.0.0.1", "localhost", "[::1]"}:
    raise ImproperlyConfigured(
        "These settings are for loopback: ALLOWED_HOSTS names another host. "
        "Set DJANGO_SETTINGS_MODULE=portal.settings.production."
    )
# Only ever used on loopback, as the lines above see to, and never in production, which refuses it.
SECRET_KEY = SECRET_KEY or "development-only"
# Passkeys on http://localhost, which browsers take for secure.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
