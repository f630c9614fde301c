"""One machine, loopback, plain HTTP: what `manage.py demo` and developers run."""

from .base import *  # noqa: F403
from .base import SECRET_KEY

# Only ever used on loopback and never in production, which refuses it.
SECRET_KEY = SECRET_KEY or "development-only"
# Passkeys on http://localhost, which browsers take for secure.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
