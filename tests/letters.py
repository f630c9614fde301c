"""A mail that only tests know, and what a reader's program makes of one."""

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from pytest_django import Settings

from accounts.mail.letters import Letter
from accounts.mail.outbox import RENDERERS, Content, Renderer

TEMPLATES = Path(__file__).parent / "accounts" / "templates"
NAME = "test/plain"


def plain(**context: Any) -> Renderer:
    facts = {"title": "A test", "says": "It says this.", "commands": "curl && sh\nsh", **context}
    return lambda _mail: Content(facts)


def register(monkeypatch: pytest.MonkeyPatch, settings: Settings, renderer: Renderer | None = None) -> None:
    """Let the outbox know the mail `test/plain`."""
    engine: dict[str, Any] = dict(site.TEMPLATES[0])
    settings.TEMPLATES = [{**engine, "DIRS": [*engine["DIRS"], TEMPLATES]}]
    monkeypatch.setitem(RENDERERS, NAME, renderer or plain())


def wire(letter: Letter) -> bytes:
    """The bytes that leave."""
    return letter.message().as_bytes(linesep="\r\n")


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """What a reader sees of a mail, as text or as HTML."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")
