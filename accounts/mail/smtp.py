"""Django's SMTP backend, patient where impatience would double a mail."""

import re
import smtplib
from collections.abc import Callable, Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp
from django.core.mail.message import sanitize_address

from accounts.mail.wire import PLAIN_ADDRESS

# After the last byte the server may already have taken the mail, so its word is waited for (RFC 5321 asks for ten
# minutes). Everything before that ends after EMAIL_TIMEOUT and is safe to repeat.
LAST_WORD_SECONDS = 300
# The server is closing the connection, whatever it was asked.
CLOSING = 421
STARTED = 354
DOT_AHEAD = re.compile(rb"(?m)^\.")


class Stale(Exception):
    """The connection that was kept has gone, and no mail with it."""


class Patient(smtplib.SMTP):
    meanwhile: Callable[[], None] | None = None
    """What is done while the server stores a mail and has said nothing of it yet; it raises nothing."""
    is_kept = False

    def mail(self, sender: str, options: Sequence[str] = ()) -> tuple[int, bytes]:
        """The first word about each mail also asks a connection that was kept whether it still lives: losing it later
        would leave open whether the mail was taken."""
        kept, self.is_kept = self.is_kept, True
        try:
            code, said = super().mail(sender, options)
        except smtplib.SMTPServerDisconnected:
            if kept:
                raise Stale from None
            raise
        if kept and code == CLOSING:
            raise Stale
        return code, said

    def data(self, msg: bytes | str) -> tuple[int, bytes]:  # type: ignore[override]
        """As the standard library does it, but patient, and with something to do meanwhile."""
        code, said = self.docmd("data")
        if code != STARTED:
            raise smtplib.SMTPDataError(code, said)
        content = msg.encode("ascii") if isinstance(msg, str) else msg
        ending = b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"
        usual = self.sock.gettimeout() if self.sock else None
        if self.sock:
            self.sock.settimeout(LAST_WORD_SECONDS)
        try:
            self.send(DOT_AHEAD.sub(b"..", content) + ending)
            if self.meanwhile:
                self.meanwhile()
            return self.getreply()
        finally:
            if self.sock:
                self.sock.settimeout(usual)


class PatientOverTLS(Patient, smtplib.SMTP_SSL):
    """The same on a connection that is encrypted from the start."""


def envelope(address: str) -> str:
    """An address as SMTP takes it."""
    return address if PLAIN_ADDRESS.fullmatch(address) else sanitize_address(address, "utf-8")


class EmailBackend(smtp.EmailBackend):
    meanwhile: Callable[[], None] | None = None

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return PatientOverTLS if self.use_ssl else Patient

    def _send(self, email_message: EmailMessage) -> bool:
        """As Django's does, but that addresses which are plain are not taken apart and put together again."""
        if self.connection is None:
            return False
        sender, recipients = envelope(email_message.from_email), [envelope(to) for to in email_message.recipients()]
        self.connection.sendmail(sender, recipients, email_message.message().as_bytes(linesep="\r\n"))  # type: ignore[call-arg]
        return True

    def open(self) -> bool | None:
        made = super().open()
        if isinstance(self.connection, Patient):
            self.connection.meanwhile = self.meanwhile
        return made
