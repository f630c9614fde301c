"""From a row to a message: templates, headers, parts."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage as Message
from email.policy import SMTP, Policy
from email.utils import format_datetime, parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template import Context, Engine, loader
from django.utils.encoding import punycode

from accounts.mail.outbox import RENDERERS, Attachment, Content
from accounts.mail.styles import with_styles
from accounts.models import OutgoingMail

# RFC 5322 allows 998 bytes a line; whatever is longer than this is sent as quoted-printable, which wraps.
PLAIN_LINE = 200


class OnOneLine(UnstructuredHeader, BaseHeader):
    """A header whose value is an address of the web: a program reads it, and would not put it together again."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


HEADERS = HeaderRegistry()
HEADERS.map_to_type("list-unsubscribe", OnOneLine)
POLICY = SMTP.clone(header_factory=HEADERS)


class Wire(Message):
    """A message of the standard library, in the form that Django's mail backends ask for."""

    def as_bytes(self, unixfrom: bool = False, policy: Policy | None = None, linesep: str = "\n") -> bytes:
        return super().as_bytes(unixfrom, policy or self.policy.clone(linesep=linesep))


class Letter(EmailMultiAlternatives):
    """A mail as Django's backends take it. The headers are made by the standard library's header registry,
    which encodes names and refuses line breaks; ASCII stays readable, all else is quoted-printable."""

    addresses: Mapping[str, Address]
    text: str
    html: str
    enclosed: Sequence[Attachment]

    def message(self) -> Wire:  # type: ignore[override]
        message = Wire(policy=POLICY)
        for name, value in {"Subject": self.subject, **self.addresses, **self.extra_headers}.items():
            message[name] = value
        message.set_content(self.text, cte=_encoding(self.text))
        message.add_alternative(self.html, subtype="html", cte=_encoding(self.html))
        for file in self.enclosed:
            _enclose(message, file)
        return message


def _enclose(message: Wire, file: Attachment) -> None:
    if isinstance(file.content, bytes):
        kind, _, subtype = file.type.partition("/")
        message.add_attachment(file.content, maintype=kind, subtype=subtype, filename=file.name)
    else:
        message.add_attachment(file.content, filename=file.name, cte=_encoding(file.content))


def _encoding(text: str) -> str:
    short = all(len(line) <= PLAIN_LINE for line in text.splitlines())
    return "7bit" if text.isascii() and short else "quoted-printable"


def letter(mail: OutgoingMail) -> Letter:
    """Render a row. Obsolete when it has nothing to say any more."""
    return letter_with(mail, RENDERERS[mail.template](mail))


def letter_with(mail: OutgoingMail, content: Content) -> Letter:
    """The mail that says this, of a row that need not be written yet."""
    context = {**_surroundings(mail), **content.context}
    sender, name = _address(settings.DEFAULT_FROM_EMAIL, settings.SITE_NAME), clean_name(_name(mail))
    text = _tidy(_text(f"mails/{mail.template}/body.txt", context))
    made = Letter(
        subject=_one_line(_text(f"mails/{mail.template}/subject.txt", context)),
        body=text,
        from_email=sender.addr_spec,
        to=[mail.to],
        headers={
            # When the mail was written, not tried: with the Message-ID the same at every attempt.
            "Date": format_datetime(mail.created_at),
            "Message-ID": mail.message_id,
            "Auto-Submitted": "auto-generated",
            **content.headers,
        },
    )
    made.addresses = {
        "From": sender,
        "To": _address(mail.to, name),
        "Reply-To": _address(settings.SITE_CONTACT, ""),
    }
    made.text, made.html = text, _html(f"mails/{mail.template}/body.html", context)
    made.enclosed = content.attachments
    # Django's own fields say the same, for backends that keep the mail rather than send it.
    made.attach_alternative(made.html, "text/html")
    for file in content.attachments:
        made.attach(*file)
    return made


def _surroundings(mail: OutgoingMail) -> dict[str, Any]:
    site = {
        "name": settings.SITE_NAME,
        "institution": settings.SITE_INSTITUTION,
        "contact": settings.SITE_CONTACT,
        "url": settings.SITE_URL,
    }
    return {"site": site, "mail": mail, "user": mail.user, "name": clean_name(_name(mail)) or "colleague"}


def _name(mail: OutgoingMail) -> str:
    return mail.user.name if mail.user else ""


def clean_name(name: str) -> str:
    """A name as it may stand in a mail to somebody who perhaps never gave it: letters, no address of a web site."""
    kept = "".join(
        letter if unicodedata.category(letter)[0] in "LMN" or letter in ".,'’-()" else " " for letter in name
    )
    return " ".join(re.sub(r"\.(?=\S)", ". ", kept).split())[:60].strip()


def _address(text: str, name: str) -> Address:
    given, address = parseaddr(text)
    user, _, domain = address.rpartition("@")
    return Address(display_name=given or name, username=user, domain=punycode(domain))


def _text(template: str, context: Mapping[str, Any]) -> str:
    """Plain text: nothing is escaped."""
    return Engine.get_default().get_template(template).render(Context(dict(context), autoescape=False))


def _html(template: str, context: Mapping[str, Any]) -> str:
    return with_styles(loader.render_to_string(template, dict(context)))


def _one_line(text: str) -> str:
    return " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())[:200]


def _tidy(text: str) -> str:
    """No more than one empty line in a row, where blocks and conditions left several."""
    # The one space at an end that means something: what follows is a signature.
    lines = (line if line == "-- " else line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
