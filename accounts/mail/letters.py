"""From a row to a letter: what its templates say, and its headers."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template import Context, Engine, loader

from accounts.mail.outbox import RENDERERS, Attachment, Content
from accounts.mail.styles import with_styles
from accounts.mail.wire import Wire, address_header, header, wire
from accounts.models import OutgoingMail

# What SES's backend adds to a mail before it asks for the bytes: by the set that is named SES tells what becomes of it.
ADDED = ("X-SES-CONFIGURATION-SET",)


class Letter(EmailMultiAlternatives):
    """A mail as Django's backends take it, with its bytes made by accounts.mail.wire."""

    headers: Sequence[bytes]
    text: str
    html: str
    enclosed: Sequence[Attachment]

    def message(self) -> Wire:  # type: ignore[override]
        added = [header(name, self.extra_headers[name]) for name in ADDED if name in self.extra_headers]
        return wire([*self.headers, *added], self.text, self.html, self.enclosed)


def letter(mail: OutgoingMail) -> Letter:
    """Render a row. Obsolete when it has nothing to say any more."""
    return letter_with(mail, RENDERERS[mail.template](mail))


def letter_with(mail: OutgoingMail, content: Content) -> Letter:
    """The mail that says this, of a row that need not be written yet."""
    context = {**_surroundings(mail), **content.context}
    sender, subject = settings.DEFAULT_FROM_EMAIL, _one_line(_text(f"mails/{mail.template}/subject.txt", context))
    headers = {
        # When the mail was written, not tried: with the Message-ID the same at every attempt.
        "Date": format_datetime(mail.created_at),
        "Message-ID": mail.message_id,
        "Auto-Submitted": "auto-generated",
        **content.headers,
    }
    text = _tidy(_text(f"mails/{mail.template}/body.txt", context))
    made = Letter(subject=subject, body=text, from_email=parseaddr(sender)[1], to=[mail.to], headers=headers)
    made.headers = [
        header("Subject", subject),
        address_header("From", sender, settings.SITE_NAME),
        address_header("To", mail.to, clean_name(_name(mail))),
        address_header("Reply-To", settings.SITE_CONTACT),
        *(header(name, value) for name, value in headers.items()),
    ]
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


@lru_cache(64)
def clean_name(name: str) -> str:
    """A name as it may stand in a mail to somebody who perhaps never gave it: letters, no address of a web site."""
    kept = "".join(
        letter if unicodedata.category(letter)[0] in "LMN" or letter in ".,'’-()" else " " for letter in name
    )
    return " ".join(re.sub(r"\.(?=\S)", ". ", kept).split())[:60].strip()


def _text(template: str, context: Mapping[str, Any]) -> str:
    """Plain text: nothing is escaped."""
    return Engine.get_default().get_template(template).render(Context(dict(context), autoescape=False))


def _html(template: str, context: Mapping[str, Any]) -> str:
    return with_styles(loader.render_to_string(template, dict(context)))


@lru_cache(64)
def _one_line(text: str) -> str:
    return " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())[:200]


def _tidy(text: str) -> str:
    """No more than one empty line in a row, where blocks and conditions left several."""
    # The one space at an end that means something: what follows is a signature.
    lines = (line if line == "-- " else line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
