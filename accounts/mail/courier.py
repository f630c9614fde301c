"""The way to the mail server: one connection for as long as there is more to send, and what its answers mean."""

import re
import smtplib
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from django.core.mail import get_connection

from accounts.exceptions import AddressRefused, MailDelayed, MailRefused, ServerDown
from accounts.mail.letters import Letter
from accounts.mail.smtp import CLOSING, EmailBackend, Stale

# The message is larger than the server takes: it always will be.
TOO_LARGE = 552
# What RFC 5321 has for an address that is not there, is elsewhere, or is written wrongly.
NO_SUCH_ADDRESS = {550, 551, 553}
ENHANCED = re.compile(r"5\.\d{1,3}\.\d{1,3}\b")
# Of 5.1, those about the sender's address, which servers say about the recipient as well. It is the same for all mails.
SENDER = {"5.1.7", "5.1.8"}


class Courier:
    def __init__(self) -> None:
        self.backend = get_connection()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with suppress(smtplib.SMTPException, OSError):
            self.backend.close()

    def send(self, letter: Letter, meanwhile: Callable[[], None] | None = None) -> str:
        """Hand the mail over; says what SES calls it. MailRefused: never try again; MailDelayed: try later; ServerDown:
        so are all others.

        `meanwhile` is called while an SMTP server stores the mail; it must raise nothing."""
        try:
            self._open(meanwhile)
            self._hand_over(letter, meanwhile)
        except smtplib.SMTPNotSupportedError as error:
            # The connection stands, so it is this mail that asks for what the server does not have (SMTPUTF8).
            raise MailRefused(f"The mail server cannot carry this mail: {error}") from None
        except smtplib.SMTPRecipientsRefused as refusal:
            code, text = next(iter(refusal.recipients.values()))
            if is_about_the_address(code, text):
                raise AddressRefused(_sentence(code, text)) from None
            permanent = 500 <= code < 600 and reason_in(text) not in SENDER
            raise self._meaning(code, text, permanent=permanent) from None
        except smtplib.SMTPDataError as refusal:
            permanent = 500 <= refusal.smtp_code < 600
            raise self._meaning(refusal.smtp_code, refusal.smtp_error, permanent=permanent) from None
        except smtplib.SMTPSenderRefused as refusal:
            if refusal.smtp_code == TOO_LARGE:
                raise self._meaning(refusal.smtp_code, refusal.smtp_error, permanent=True) from None
            # The sender is the same for all mails: a matter of the server's settings or ours, to be put right.
            self.close()
            raise ServerDown(_sentence(refusal.smtp_code, refusal.smtp_error)) from None
        except smtplib.SMTPResponseException as refusal:
            self.close()
            raise ServerDown(_sentence(refusal.smtp_code, refusal.smtp_error)) from None
        except OSError as error:
            self.close()
            raise ServerDown(f"The mail server does not answer: {type(error).__name__}") from None
        return str(letter.extra_headers.get("message_id", ""))

    def _hand_over(self, letter: Letter, meanwhile: Callable[[], None] | None) -> None:
        # The SES backend says what SES's answers mean itself.
        try:
            self.backend.send_messages([letter])
        except Stale:
            self.close()
            self._open(meanwhile)
            self.backend.send_messages([letter])

    def _open(self, meanwhile: Callable[[], None] | None) -> None:
        if isinstance(self.backend, EmailBackend):
            self.backend.meanwhile = meanwhile
        try:
            self.backend.open()
        except smtplib.SMTPNotSupportedError as error:
            # No mail's fault: the server's, or ours.
            self.close()
            raise ServerDown(f"The mail server does not offer what EMAIL_URL asks for: {error}") from None

    def _meaning(self, code: int, text: bytes | str, *, permanent: bool) -> MailRefused | MailDelayed:
        if permanent:
            return MailRefused(_sentence(code, text))
        if code == CLOSING:
            self.close()
            return ServerDown(_sentence(code, text))
        return MailDelayed(_sentence(code, text))


def is_about_the_address(code: int, text: bytes | str) -> bool:
    """Whether a refusal says that this address takes no mail, and not that a server dislikes ours. Where it names its
    reason (RFC 3463), that counts: 5.1 is about addresses, 5.2.1 a closed mailbox, 5.7 somebody's policy."""
    if not 500 <= code < 600:
        return False
    reason = reason_in(text)
    if reason:
        return reason == "5.2.1" or (reason.startswith("5.1.") and reason not in SENDER)
    return code in NO_SUCH_ADDRESS


def reason_in(text: bytes | str) -> str:
    """The reason by its number, where the server begins with one."""
    found = ENHANCED.match(_said(text))
    return found[0] if found else ""


def _said(text: bytes | str) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def _sentence(code: int, text: bytes | str) -> str:
    return f"The mail server said {code}: {' '.join(_said(text).split())[:300]}"
