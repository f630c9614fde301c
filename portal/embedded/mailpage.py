"""The page on which the demo's mails are read: a list, one mail, its attachments. It changes nothing."""

import http.server
import re
from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from portal.embedded import mailbox

STYLE = Path(__file__).with_name("mailpage.css")
LISTED = 200
ADDRESS = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
MAIL = re.compile(r"/mail/([^/]+)/(?:(html)|attachment/(\d{1,3}))?")
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A mail's own HTML gets its inline styles and nothing else: no script, no picture from elsewhere, no form.
MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><a href="/">Mails of the demo</a> <span>Kept here, sent to nobody</span></header>
<main>
<h1>$title</h1>
$body
</main>
</body>
</html>
""")


class MailPageServer(http.server.ThreadingHTTPServer):
    """Serves one folder of mails."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], folder: Path) -> None:
        self.folder = folder
        super().__init__(address, MailPage)


class MailPage(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    server: MailPageServer
    server_version = "mailpage"
    sys_version = ""

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").rpartition(":")[0]
        # A foreign name that resolves to this machine is a page elsewhere that wants to read the mails.
        if host not in {"127.0.0.1", "localhost"}:
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"Open this page at http://127.0.0.1.\n", "text/plain")
            return
        path = unquote(urlsplit(self.path).path)
        if path == "/":
            self._page("Mails", listing(self.server.folder))
        elif path == "/style.css":
            self._answer(HTTPStatus.OK, STYLE.read_bytes(), "text/css")
        else:
            self._mail(MAIL.fullmatch(path))

    do_HEAD = do_GET  # noqa: N815

    def _mail(self, match: re.Match[str] | None) -> None:
        try:
            if match is None:
                raise FileNotFoundError
            mail = mailbox.read(self.server.folder, match[1])
            attachment = mail.attachments[int(match[3])] if match[3] else None
        except (FileNotFoundError, IndexError):
            back = '<p>There is no such mail here. <a href="/">All mails</a></p>'
            self._page("Not found", back, status=HTTPStatus.NOT_FOUND)
            return
        if attachment:
            # Never shown in the browser as what it claims to be: it is downloaded.
            name = f"attachment; filename*=UTF-8''{quote(attachment.name, safe='')}"
            self._answer(HTTPStatus.OK, attachment.content, "application/octet-stream", disposition=name)
        elif match[2]:
            self._answer(HTTPStatus.OK, mail.html.encode(), "text/html", policy=MAIL_POLICY)
        else:
            self._page(mail.subject or "(no subject)", reading(mail))

    def _page(self, title: str, body: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._answer(status, PAGE.substitute(title=escape(title), body=body).encode(), "text/html")

    def _answer(
        self, status: HTTPStatus, content: bytes, kind: str, *, policy: str = PAGE_POLICY, disposition: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        if disposition:
            self.send_header("Content-Disposition", disposition)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: a request names a mail, and the log has no use for it."""


def listing(folder: Path) -> str:
    names = mailbox.names(folder)
    if not names:
        return "<p>No mail yet. What the site sends appears here at once; load the page again.</p>"
    rows = "".join(_row(mailbox.read(folder, name)) for name in names[:LISTED])
    older = f"<p>{len(names) - LISTED} older mails are in {escape(str(folder))}.</p>" if len(names) > LISTED else ""
    head = "<tr><th scope=col>Received (UTC)</th><th scope=col>To</th><th scope=col>Subject</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{older}"


def _row(mail: mailbox.Mail) -> str:
    subject = f'<a href="/mail/{mail.name}/">{escape(mail.subject or "(no subject)")}</a>'
    return f"<tr><td>{_moment(mail.name)}</td><td>{escape(', '.join(mail.recipients))}</td><td>{subject}</td></tr>"


def _moment(name: str) -> str:
    return f"{name[0:4]}-{name[4:6]}-{name[6:8]} {name[9:11]}:{name[11:13]}:{name[13:15]}"


def reading(mail: mailbox.Mail) -> str:
    parts = [f"<dl>{''.join(f'<dt>{escape(key)}</dt><dd>{escape(value)}</dd>' for key, value in mail.headers)}</dl>"]
    if mail.attachments:
        items = "".join(_attachment(mail, number) for number in range(len(mail.attachments)))
        parts.append(f"<h2>Attachments</h2><ul>{items}</ul>")
    if mail.text:
        parts.append(f"<h2>Text</h2><pre>{with_links(mail.text)}</pre>")
    if mail.html:
        parts.append(f'<h2>HTML</h2><iframe sandbox title="The mail as HTML" src="/mail/{mail.name}/html"></iframe>')
    return "\n".join(parts)


def _attachment(mail: mailbox.Mail, number: int) -> str:
    attachment = mail.attachments[number]
    size = f"{escape(attachment.kind)}, {len(attachment.content):,} bytes"
    return f'<li><a href="/mail/{mail.name}/attachment/{number}">{escape(attachment.name)}</a> ({size})</li>'


def with_links(text: str) -> str:
    """The text, escaped, with its addresses as links."""
    pieces, end = [], 0
    for match in ADDRESS.finditer(text):
        address = escape(match[0])
        pieces += [escape(text[end : match.start()]), f'<a href="{address}">{address}</a>']
        end = match.end()
    return "".join([*pieces, escape(text[end:])])
