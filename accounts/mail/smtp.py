"""Django's SMTP backend, patient where impatience would double a mail."""

import smtplib

from django.core.mail.backends import smtp

# After the last byte the server may already have taken the mail, so its word is waited for (RFC 5321 asks for ten
# minutes). Everything before that ends after EMAIL_TIMEOUT and is safe to repeat.
LAST_WORD_SECONDS = 300


class Patient(smtplib.SMTP):
    def data(self, msg: bytes | str) -> tuple[int, bytes]:  # type: ignore[override]
        usual = self.sock.gettimeout() if self.sock else None
        if self.sock:
            self.sock.settimeout(LAST_WORD_SECONDS)
        try:
            return super().data(msg)
        finally:
            if self.sock:
                self.sock.settimeout(usual)


class PatientOverTLS(Patient, smtplib.SMTP_SSL):
    """The same on a connection that is encrypted from the start."""


class EmailBackend(smtp.EmailBackend):
    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return PatientOverTLS if self.use_ssl else Patient

    def drop_if_stale(self) -> None:
        """Ask a connection that was kept whether it still lives: losing it in mid-mail would leave open whether the
        mail was taken."""
        if self.connection is None:
            return
        try:
            alive = self.connection.noop()[0] == 250
        except (smtplib.SMTPException, OSError):
            alive = False
        if not alive:
            self.connection.close()
            self.connection = None
