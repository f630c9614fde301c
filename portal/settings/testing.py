"""The tests: the same parts as the demo, started by tests/stack.py."""

from .base import *  # noqa: F403
from .base import STORAGES

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# Served from where they lie, so that no run needs, or meets, what another has collected.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
# The slow hash is tested by nobody here; it would only make every factory slow.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Passkeys on http://localhost, which browsers take for secure.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
