"""The mails that the sink took: one `.eml` file a delivery, never overwritten, and how they are read again."""

import email
import email.policy
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage, MIMEPart
from pathlib import Path

NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}\.eml")


@dataclass(frozen=True)
class Attachment:
    name: str
    kind: str
    content: bytes


@dataclass(frozen=True)
class Mail:
    """One delivery, as a reader sees it."""

    name: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    attachments: tuple[Attachment, ...]


def store(folder: Path, *, sender: str, recipients: Sequence[str], content: bytes) -> Path:
    """Write one delivery: the envelope in three lines of its own, then the bytes as they came."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = folder / f"{moment}-{secrets.token_hex(4)}.eml"
    envelope = f"Return-Path: <{_line(sender)}>\r\nX-Envelope-To: {_line(', '.join(recipients))}\r\n"
    new = folder / f".{path.name}.new"
    try:
        with new.open("xb") as file:
            file.write(envelope.encode(errors="replace") + content)
            file.flush()
            os.fsync(file.fileno())
        # A link refuses what a rename would replace.
        os.link(new, path)
    finally:
        # Also what a full disk took only a part of.
        new.unlink(missing_ok=True)
    _sync(folder)
    return path


def _sync(folder: Path) -> None:
    """Write down the folder itself, in which the file now stands."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _line(text: str) -> str:
    return re.sub(r"[\r\n]", " ", text)


def names(folder: Path) -> list[str]:
    """The deliveries in the folder, newest first."""
    return sorted((path.name for path in folder.glob("*.eml") if NAME.fullmatch(path.name)), reverse=True)


def read(folder: Path, name: str) -> Mail:
    """One delivery. FileNotFoundError for a name that is none."""
    if not NAME.fullmatch(name):
        raise FileNotFoundError(name)
    message = email.message_from_bytes((folder / name).read_bytes(), _class=EmailMessage, policy=READING)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    return Mail(
        name=name,
        sender=str(message["Return-Path"] or "").strip("<> "),
        recipients=tuple(part.strip() for part in str(message["X-Envelope-To"] or "").split(",") if part.strip()),
        subject=str(message["Subject"] or ""),
        headers=tuple((key, str(value)) for key, value in message.items()),
        text=_text(text),
        html=_text(html),
        attachments=tuple(_attachments(message)),
    )


def read_all(folder: Path) -> Iterator[Mail]:
    """Every delivery, newest first."""
    for name in names(folder):
        yield read(folder, name)


# No limit to the length of a line: what is read here was written by others.
READING = email.policy.SMTP.clone(raise_on_defect=False, max_line_length=None)


def _text(part: MIMEPart | None) -> str:
    if part is None:
        return ""
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    try:
        return content.decode(part.get_content_charset("utf-8"), errors="replace")
    except LookupError:
        return content.decode("latin-1")


def _attachments(message: EmailMessage) -> Iterator[Attachment]:
    for part in message.iter_attachments():
        payload = part.get_payload(decode=True)
        yield Attachment(
            name=part.get_filename() or "unnamed",
            kind=part.get_content_type(),
            content=payload if isinstance(payload, bytes) else b"",
        )
