"""The mail sink loses no mail, doubles none, and shows them without running what is in them."""

import http.client
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest

from portal.embedded import mailbox
from portal.embedded.stack import greets
from portal.embedded.state import choose_ports
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Sink:
    folder: Path
    smtp_port: int
    page_port: int
    process: subprocess.Popen[bytes]

    def deliver(self, message: EmailMessage, to: str = "researcher@example.org") -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as client:
            client.send_message(message, "data@example.org", [to])

    def mails(self) -> list[mailbox.Mail]:
        return list(mailbox.read_all(self.folder))

    def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.page_port, timeout=5)
        connection.request("GET", path, headers={"Host": f"{host}:{self.page_port}"})
        answer = connection.getresponse()
        headers, body = dict(answer.getheaders()), answer.read().decode()
        connection.close()
        return answer.status, headers, body


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    ports = choose_ports(("smtp", "page"), {})
    folder = tmp_path / "mail"
    command = [
        sys.executable, "-m", "portal.embedded.mailsink",
        "--folder", str(folder), "--smtp-port", str(ports["smtp"]), "--page-port", str(ports["page"]),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: greets(ports["smtp"]), "The greeting")
        yield Sink(folder, ports["smtp"], ports["page"], process)
        process.terminate()


def a_message(subject: str = "Your link", text: str = "Read this.\n") -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["Message-ID"] = "<the-same@example.org>"
    message.set_content(text)
    return message


def test_deliveries_with_one_message_id_are_counted_apart(sink: Sink) -> None:
    for _time in range(3):
        sink.deliver(a_message())
    assert len(sink.mails()) == 3
    assert not [path for path in sink.folder.iterdir() if path.suffix != ".eml"]


def test_delivery_names_its_envelope_and_keeps_its_bytes(sink: Sink) -> None:
    sink.deliver(a_message(text="Zürich, ünïcode\n.a line with a dot\n"), to="somebody@example.org")
    (mail,) = sink.mails()
    assert mail.recipients == ("somebody@example.org",)
    assert mail.sender == "data@example.org"
    assert mail.text.replace("\r\n", "\n") == "Zürich, ünïcode\n.a line with a dot\n"


def test_mail_over_the_limit_is_refused(sink: Sink) -> None:
    message = a_message()
    message.add_attachment(b"0" * 16_000_000, maintype="application", subtype="octet-stream", filename="large")
    with pytest.raises(smtplib.SMTPSenderRefused, match="size"):
        sink.deliver(message)
    assert sink.mails() == []


def test_open_session_finishes_its_mail_after_sigterm_and_new_ones_are_refused(sink: Sink) -> None:
    with smtplib.SMTP("127.0.0.1", sink.smtp_port, timeout=5) as client:
        client.ehlo()
        client.mail("data@example.org")
        client.rcpt("researcher@example.org")
        sink.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not greets(sink.smtp_port), "The refusal of new sessions")
        code, _answer = client.data(a_message().as_bytes())
    assert code == 250
    assert sink.process.wait(timeout=10) == 0
    assert len(sink.mails()) == 1


def test_session_broken_off_in_the_middle_leaves_nothing(sink: Sink) -> None:
    with socket.create_connection(("127.0.0.1", sink.smtp_port), timeout=5) as connection:
        for line in ("EHLO me", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA"):
            connection.recv(1000)
            connection.sendall(f"{line}\r\n".encode())
        connection.recv(1000)
        connection.sendall(b"Subject: half a mail\r\n\r\nThe first h")
    sink.deliver(a_message("whole"))
    assert [mail.subject for mail in sink.mails()] == ["whole"]


def test_page_lists_the_newest_first_and_escapes(sink: Sink) -> None:
    sink.deliver(a_message("first"))
    sink.deliver(a_message("<script>second</script>"))
    status, headers, body = sink.get("/")
    assert status == 200
    assert body.index("&lt;script&gt;second") < body.index("first")
    assert "<script>" not in body
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self';")


def test_page_of_a_mail_shows_headers_links_and_attachments(sink: Sink) -> None:
    message = a_message(text="Copy http://127.0.0.1:8000/get/abc/ & go on.\n")
    message.add_attachment("curl -K\n", filename='com"mands.txt')
    sink.deliver(message)
    (mail,) = sink.mails()
    _status, _headers, body = sink.get(f"/mail/{mail.name}/")
    assert '<a href="http://127.0.0.1:8000/get/abc/">http://127.0.0.1:8000/get/abc/</a> &amp; go on.' in body
    assert "<dt>Message-ID</dt><dd>&lt;the-same@example.org&gt;</dd>" in body
    assert "com&quot;mands.txt" in body
    _status, headers, content = sink.get(f"/mail/{mail.name}/attachment/0")
    assert content.strip() == "curl -K"
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''com%22mands.txt"
    assert headers["Content-Type"] == "application/octet-stream"


def test_html_of_a_mail_is_shown_in_a_sandbox(sink: Sink) -> None:
    message = a_message()
    message.add_alternative("<p>Hello</p><script>steal()</script>", subtype="html")
    sink.deliver(message)
    (mail,) = sink.mails()
    _status, _headers, body = sink.get(f"/mail/{mail.name}/")
    assert f'<iframe sandbox title="The mail as HTML" src="/mail/{mail.name}/html"></iframe>' in body
    assert "steal()" not in body
    _status, headers, content = sink.get(f"/mail/{mail.name}/html")
    assert "<p>Hello</p>" in content
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none';")


@pytest.mark.parametrize("path", ["/mail/../stack.json/", "/mail/%2e%2e%2fstack.json/", "/mail/none.eml/", "/none"])
def test_unknown_paths_are_not_found(sink: Sink, path: str) -> None:
    assert sink.get(path)[0] == 404


def test_page_answers_under_no_foreign_name(sink: Sink) -> None:
    assert sink.get("/", host="mails.example.org")[0] == 421
