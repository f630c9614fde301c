"""From a row to the bytes that leave."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.mail.letters import clean_name, letter
from accounts.mail.outbox import RENDERERS, Attachment, Content
from accounts.models import OutgoingMail, User
from tests.letters import NAME, parsed, plain, register, text_of, wire


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    register(monkeypatch, settings)
    settings.DEFAULT_FROM_EMAIL = "data@portal.example.org"
    settings.SITE_NAME = "Kspace Portal"
    settings.SITE_CONTACT = "help@example.org"
    settings.SITE_URL = "https://portal.example.org"


def mail_to(name: str = "Quiet Reader", address: str = "quiet@example.org") -> OutgoingMail:
    return OutgoingMail(pk=7, template=NAME, to=address, user=User(name=name, email=address))


def says(monkeypatch: pytest.MonkeyPatch, *attachments: Attachment, **context: str) -> bytes:
    facts = {"title": "A test", "says": "It says this.", **context}
    monkeypatch.setitem(RENDERERS, NAME, lambda _mail: Content(facts, attachments))
    return wire(letter(mail_to()))


def test_headers_say_who_to_whom_and_that_a_machine_wrote() -> None:
    mail = mail_to()
    mail.created_at = datetime(2026, 11, 12, 8, 30, tzinfo=UTC)
    message = parsed(wire(letter(mail)))
    assert message["From"] == "Kspace Portal <data@portal.example.org>"
    assert message["To"] == "Quiet Reader <quiet@example.org>"
    assert message["Reply-To"] == "help@example.org"
    assert message["Subject"] == "A test"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == f"<{mail.uuid}@portal.example.org>"
    assert message["Date"] == "Thu, 12 Nov 2026 08:30:00 +0000"
    assert "List-Unsubscribe" not in message


def test_every_attempt_has_the_same_message_id_and_date() -> None:
    mail = mail_to()
    first, second = (parsed(wire(letter(mail))) for _ in range(2))
    assert (first["Message-ID"], first["Date"]) == (second["Message-ID"], second["Date"])


def test_long_domain_leaves_the_message_id_whole(settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = f"data@{'sub.' * 30}example.org"
    mail = mail_to()
    raw = wire(letter(mail))
    assert f"{mail.uuid}@{'sub.' * 30}example.org>".encode() in raw
    assert b"=?utf-8?" not in raw.split(b"\r\n\r\n")[0]


@pytest.mark.parametrize(
    "name",
    ["Evil\r\nBcc: victim@example.org", "Evil\nSubject: other", 'Evil" <victim@example.org>, "x', "a@b.c, victim@x.y"],
)
def test_name_cannot_add_a_header_or_a_recipient(name: str) -> None:
    made = letter(mail_to(name))
    message = parsed(wire(made))
    assert made.recipients() == ["quiet@example.org"]
    assert [address.addr_spec for address in message["To"].addresses] == ["quiet@example.org"]
    assert message["Bcc"] is None
    assert message["Subject"] == "A test"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Quiet Reader", "Quiet Reader"),
        ("  María-José  O’Neill ", "María-José O’Neill"),
        ("山田 太郎", "山田 太郎"),
        ("J.R. Smith (Oxford)", "J. R. Smith (Oxford)"),
        ("Win at https://evil.example/x?y=1 now", "Win at https evil. example x y 1 now"),
        ("a\u202eb\x00c", "a b c"),
        ("x" * 90, "x" * 60),
        ("<>", ""),
    ],
)
def test_name_is_shown_without_anything_that_could_become_a_link(name: str, shown: str) -> None:
    assert clean_name(name) == shown


def test_person_without_a_name_is_greeted() -> None:
    message = parsed(wire(letter(mail_to(""))))
    assert message["To"] == "quiet@example.org"
    assert text_of(message).startswith("Dear colleague,\n")


def test_subject_is_one_line_whatever_it_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    message = parsed(says(monkeypatch, title="Knee\r\nBcc: victim@example.org\n 2.0\x00"))
    assert message["Subject"] == "Knee Bcc: victim@example.org 2.0"
    assert message["Bcc"] is None


@pytest.mark.parametrize("title", ["=?utf-8?q?=0d=0aBcc:_victim@example.org?=", "a =?utf-8?b?DQpCY2M6IHhAeS56?= b"])
def test_subject_that_looks_encoded_cannot_add_a_header(monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    message = parsed(says(monkeypatch, title=title))
    assert message["Bcc"] is None
    assert message["Subject"] == title.replace("=?", "= ?")
    assert message["Message-ID"]


def test_text_is_not_escaped_and_html_is(monkeypatch: pytest.MonkeyPatch) -> None:
    message = parsed(says(monkeypatch, says="Knee & <Brain> 'x'"))
    assert "Knee & <Brain> 'x'" in text_of(message)
    assert "Knee &amp; &lt;Brain&gt; &#x27;x&#x27;" in text_of(message, "html")


def test_text_has_single_empty_lines_where_a_condition_left_several() -> None:
    text = letter(mail_to()).text
    assert "\n\n\n" not in text
    assert text == (
        "Dear Quiet Reader,\n\nIt says this.\n\nhttps://portal.example.org/downloads/\n\n-- \n"
        "You get this message because a test sent it.\n"
        "Department of Radiology, Example University. help@example.org\n"
    )


def test_ascii_commands_leave_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    command = "curl -fsSLO https://portal.example.org/get/Vt7Kq2xMZr4p/download.sh\nsh download.sh -j 4 --only='*=x'\n"
    raw = says(monkeypatch, Attachment("commands.txt", command))
    assert command.replace("\n", "\r\n").encode() in raw
    [attachment] = parsed(raw).iter_attachments()
    assert attachment.get_filename() == "commands.txt"
    assert attachment.get_content_type() == "text/plain"
    assert attachment["Content-Transfer-Encoding"] == "7bit"


def test_long_and_foreign_lines_arrive_whole_in_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    long, foreign = "x" * 3000 + "\n", "Größe: 5 – 10 " * 200 + "\n"
    files = Attachment("long.txt", long), Attachment("foreign.txt", foreign)
    raw = says(monkeypatch, *files, says="ü" * 4000)
    assert max(len(line) for line in raw.split(b"\r\n")) < 200
    assert raw.isascii()
    assert b"base64" not in raw
    contents = [part.get_content() for part in parsed(raw).iter_attachments()]
    assert [content.replace("\r\n", "\n") for content in contents] == [long, foreign]


def test_bytes_arrive_as_they_were_under_their_type(monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * 40
    raw = says(monkeypatch, Attachment("receipt.pdf", content, "application/pdf"), Attachment("text.txt", "a text\n"))
    pdf, text = parsed(raw).iter_attachments()
    assert (pdf.get_content_type(), pdf.get_filename(), pdf.get_content()) == (
        "application/pdf",
        "receipt.pdf",
        content,
    )
    assert text.get_content_type() == "text/plain"


def test_international_domain_is_written_in_its_ascii_form() -> None:
    message = parsed(wire(letter(mail_to(address="quiet@münchen.example"))))
    assert message["To"].addresses[0].addr_spec == "quiet@xn--mnchen-3ya.example"


def test_every_element_carries_its_style_and_the_class_that_the_dark_scheme_recolours() -> None:
    html = letter(mail_to()).html
    assert re.search(r'<p style="margin:0 0 18px">It says this\.</p>', html)
    assert re.search(r'<p class="quiet" style="[^"]*color:#4b565a', html)
    assert re.search(r'<a href="https://portal.example.org/downloads/" class="btn" style="display:inline-block', html)
    assert re.search(r'<h1 class="h1 ink" style="', html)
    assert "curl &amp;&amp; sh<br>sh" in html


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=150), title=st.text(max_size=300), said=st.text(max_size=2000))
def test_no_text_makes_a_long_line_or_changes_who_gets_the_mail(name: str, title: str, said: str) -> None:
    RENDERERS[NAME] = plain(title=title, says=said)
    made = letter(mail_to(name))
    raw = wire(made)
    message = parsed(raw)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert re.search(rb"(?<!\r)\n", raw) is None
    assert raw.isascii()
    assert made.recipients() == ["quiet@example.org"]
    assert [address.addr_spec for address in message["To"].addresses] == ["quiet@example.org"]
    assert sorted(message.keys()) == sorted(
        ["Subject", "From", "To", "Reply-To", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    )
