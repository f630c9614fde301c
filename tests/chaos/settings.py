"""The site under chaos: as in the tests, but that passwords cost what they cost."""

from django.conf import global_settings

from portal.settings.testing import *  # noqa: F403

PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS
