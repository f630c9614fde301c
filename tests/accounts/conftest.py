"""What the tests of mail share."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.letters import register
from tests.mailserver import MailServer, mail_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[MailServer]:
    """A mail server of the test's own, to which the mail `test/plain` leaves."""
    register(monkeypatch, settings)
    with mail_server() as server:
        settings.EMAIL_BACKEND = "accounts.mail.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 5
        yield server
