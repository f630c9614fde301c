"""The bytes of a mail: its headers, and its parts.

The headers are made by the standard library's header registry, which encodes names and refuses line breaks. It takes
its time for that, so what all mails of a notice have in common is remembered. Parts are put together here: ASCII stays
readable, all other text is quoted-printable, and files are the standard library's again.
"""

import binascii
import re
import secrets
from collections.abc import Sequence
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import MIMEPart
from email.policy import SMTP, Policy
from email.utils import parseaddr
from functools import lru_cache

from django.utils.encoding import punycode

from accounts.mail.outbox import Attachment

# RFC 5322 allows 998 bytes a line; whatever is longer than this is sent as quoted-printable, which wraps.
PLAIN_LINE = 200
# What the registry would write as it is: words of ASCII with one blank between, on one line (RFC 5322: 78 characters),
# in names only such as need no quotes, and nothing that looks encoded.
PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*", re.ASCII)
PLAIN_NAME = re.compile(r"[A-Za-z0-9'-]+(?: [A-Za-z0-9'-]+)*", re.ASCII)
PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9'_+-]+(?:\.[A-Za-z0-9'_+-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII)
LINE = 78
# Headers that are remembered: some ten mails' worth, of which most are the same.
REMEMBERED = 128


class OnOneLine(UnstructuredHeader, BaseHeader):
    """A header whose value is an address of the web: a program reads it, and would not put it together again."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


HEADERS = HeaderRegistry()
HEADERS.map_to_type("list-unsubscribe", OnOneLine)
POLICY = SMTP.clone(header_factory=HEADERS)


class Wire:
    """A mail as it leaves, in the form that Django's mail backends ask for."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def as_bytes(self, unixfrom: bool = False, policy: Policy | None = None, linesep: str = "\n") -> bytes:
        ending = (policy.linesep if policy else linesep).encode()
        return self.content if ending == b"\r\n" else self.content.replace(b"\r\n", ending)


def wire(headers: Sequence[bytes], text: str, html: str, files: Sequence[Attachment]) -> Wire:
    body = _together("alternative", [_text("plain", text), _text("html", html)])
    if files:
        body = _together("mixed", [body, *(_file(each) for each in files)])
    return Wire(b"".join([*headers, b"MIME-Version: 1.0\r\n", body]))


# Headers --------------------------------------------------------------------------------------------------


@lru_cache(REMEMBERED)
def header(name: str, value: str) -> bytes:
    if PLAIN.fullmatch(value) and "=?" not in value and len(name) + len(value) + 2 <= LINE:
        return f"{name}: {value}\r\n".encode("ascii")
    return _folded(name, _as_written(value))


@lru_cache(REMEMBERED)
def address_header(name: str, written: str, called: str = "") -> bytes:
    """An address as the settings write it, with a name perhaps, and else with the name that is given."""
    if PLAIN_ADDRESS.fullmatch(written) and (not called or PLAIN_NAME.fullmatch(called)):
        line = f"{name}: {called} <{written}>" if called else f"{name}: {written}"
        if len(line) <= LINE:
            return line.encode("ascii") + b"\r\n"
    given, address = parseaddr(written)
    user, _, domain = address.rpartition("@")
    return _folded(name, Address(display_name=_as_written(given or called), username=user, domain=punycode(domain)))


def _as_written(text: str) -> str:
    """The registry would decode words that look encoded, with the line breaks that they may hold."""
    return text.replace("=?", "= ?")


def _folded(name: str, value: str | Address) -> bytes:
    return POLICY.fold(*POLICY.header_store_parse(name, value)).encode("ascii")


# Parts ----------------------------------------------------------------------------------------------------


def _together(kind: str, parts: Sequence[bytes]) -> bytes:
    # No line of quoted-printable has these two signs in a row, and no other text knows what follows them.
    boundary = f"=_{secrets.token_hex(16)}".encode()
    between = b"--" + boundary + b"\r\n"
    head = b'Content-Type: multipart/%s;\r\n boundary="%s"\r\n\r\n' % (kind.encode(), boundary)
    return head + b"".join(between + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def _text(kind: str, text: str) -> bytes:
    encoding = _encoding(text)
    content = b"".join(line + b"\r\n" for line in text.encode().splitlines())
    head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return head.encode() + (content if encoding == "7bit" else binascii.b2a_qp(content, istext=True))


def _file(file: Attachment) -> bytes:
    part = MIMEPart(policy=POLICY)
    if isinstance(file.content, bytes):
        kind, _, subtype = file.type.partition("/")
        part.set_content(file.content, maintype=kind, subtype=subtype, filename=file.name, disposition="attachment")
    else:
        part.set_content(file.content, filename=file.name, disposition="attachment", cte=_encoding(file.content))
    return part.as_bytes(policy=POLICY)


def _encoding(text: str) -> str:
    short = all(len(line) <= PLAIN_LINE for line in text.splitlines())
    return "7bit" if text.isascii() and short else "quoted-printable"
