"""Every mail of the site is written once, with what is hard to write: rules that hold for all of them."""

import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django import Settings

from accounts.mail import mint_code, queue
from accounts.mail.letters import Letter, letter
from accounts.mail.outbox import RENDERERS
from accounts.models import OutgoingMail, User
from accounts.services.deletions import delete_account
from datasets.models import Dataset, Notice, Release
from datasets.services.access import decline_request, revoke_grant
from datasets.services.access.reminders import ends_on
from datasets.services.downloads import issue_download, open_file, token_of
from datasets.services.fixity import tell_of_drifts
from datasets.services.maintainers import create_maintainer_groups
from datasets.services.notices import MAILS as MAILS_OF_NOTICES
from datasets.services.notices import announce_versions, plan_release_notice, publish_erratum, send_due_notices
from tests.access import asked, granted, link_of, offered, publish_next, reviewed, sign
from tests.factories import (
    DownloadRecordFactory,
    DriftFactory,
    ErratumFactory,
    FixityCheckFactory,
    StaffFactory,
    UserFactory,
)
from tests.letters import parsed, text_of, wire
from tests.maintainers import let_in, maintainer, with_second_factor
from tests.receipts import make_all_receipts

pytestmark = pytest.mark.django_db

# A host as long as universities have them: links stay below 100 characters with it.
SITE = "https://data.radiology.university.example.org"
EVENT = {
    "at": "2026-11-12T08:30:00+00:00",
    "address": "2001:db8:85a3:8d3:1319:8a2e:370:7348",
    "agent": "Firefox <140> & Linux",
    "provider": "ORCID",
    "from_email": "quiet.reader@example.org",
    "to_email": "a.reader@example.org",
    "deleted_email": "quiet.reader@example.org",
}
REASON = 'The purpose says <nothing> & "less" about what will be measured.\nWrite it down — then ask again.'


def person() -> User:
    return UserFactory.create(name="Zoë Øster-O’Neill <b>& Co</b> www.evil.example")


def dataset(make: Callable[..., Dataset] = offered) -> Dataset:
    return make(name="Brain & Spine “T2”", archives=3)


def last(template: str) -> OutgoingMail:
    return OutgoingMail.objects.filter(template=template).latest("pk")


def with_code(template: str) -> OutgoingMail | None:
    return queue(template, user=person(), nonce=mint_code("confirm")[0])


def after_event(template: str) -> OutgoingMail | None:
    return queue(template, user=person(), **EVENT)


def receipt(template: str) -> OutgoingMail:
    # A receipt shows what was typed, as it was typed.
    sign(person(), dataset(), typed_name="Zoë Øster-O’Neill")
    make_all_receipts()
    return last(template)


def link(template: str) -> OutgoingMail | None:
    grant = granted(person(), dataset())
    return queue(template, user=grant.user, grant=grant.pk, link=link_of(grant).pk)


def requested(template: str) -> OutgoingMail:
    asked(person(), dataset(reviewed))
    return last(template)


def declined(template: str) -> OutgoingMail:
    decline_request(asked(person(), dataset(reviewed)), by=StaffFactory.create(), reason=REASON)
    return last(template)


def waiting(template: str) -> OutgoingMail | None:
    asked(person(), dataset(reviewed))
    return queue(template, user=StaffFactory.create(name=person().name))


def revoked(template: str) -> OutgoingMail:
    revoke_grant(granted(person(), dataset()), by=StaffFactory.create(), reason=REASON)
    return last(template)


def ends(template: str) -> OutgoingMail | None:
    grant = granted(person(), dataset())
    return queue(template, user=grant.user, grant=grant.pk, ends_on=ends_on(grant))


def new_version(template: str) -> OutgoingMail:
    """Why it changed is Markdown, with what a mail must not obey."""
    told = dataset()
    granted(person(), told)
    publish_next(told, due_in=timedelta(days=20), changes=f"{REASON}\n\n- **One**\n- [two](https://evil.example/)")
    announce_versions()
    # The reminder's day has come.
    Notice.objects.update(due_at=timezone.now())
    send_due_notices(seconds=60)
    return last(template)


def fetched() -> Release:
    """A release of which somebody was issued each archive."""
    link = link_of(granted(person(), dataset()))
    for archive in link.release.archives.all():
        DownloadRecordFactory(link=link, archive=archive)
    Release.objects.update(summary="Two volumes <moved> & “mislabelled” ones", withdrawn_at=timezone.now())
    return link.release


def about_release(template: str) -> OutgoingMail:
    kinds = {name: kind for kind, name in MAILS_OF_NOTICES.items()}
    plan_release_notice(fetched(), kinds[template], text=REASON)
    send_due_notices(seconds=60)
    return last(template)


def erratum(template: str) -> OutgoingMail:
    """What is wrong is Markdown, with what a mail must not obey."""
    text = f"{REASON}\n\n- **One** `volume.h5`\n- [two](https://evil.example/)\n\n| a | b |\n|--|--|\n| 1 | 2 |"
    publish_erratum(ErratumFactory(release=fetched(), text=text), by=StaffFactory())
    send_due_notices(seconds=60)
    return last(template)


def drifted(template: str) -> OutgoingMail:
    release = dataset().releases.latest("pk")
    for archive in release.archives.all():
        DriftFactory(archive=archive)
    StaffFactory()
    tell_of_drifts(FixityCheckFactory(release=release))
    return last(template)


def deleted(template: str) -> OutgoingMail:
    delete_account(person(), by=StaffFactory.create(), reason=REASON)
    return last(template)


def much(template: str) -> OutgoingMail:
    link = link_of(granted(person(), dataset()))
    file = open_file(token_of(link), link.release.archives.latest("pk").name)
    with override_settings(DAILY_BYTES=3 * file.size):
        issue_download(file, address="2001:db8:85a3:8d3:1319:8a2e:370:7348")
    return last(template)


MAILS = "/admin/accounts/outgoingmail/"
CODES = {
    *("account/email_confirmation", "account/email_confirmation_signup"),
    *("account/password_reset_code", "account/address_check"),
}
# How a row of each mail comes to be; those of accounts' events are alike.
MADE: dict[str, Callable[[str], OutgoingMail | None]] = {
    "account/email_confirmation": with_code,
    "account/email_confirmation_signup": with_code,
    "account/password_reset_code": with_code,
    "account/address_check": with_code,
    "account/deleted": deleted,
    "agreement/receipt": receipt,
    "agreement/new_version": new_version,
    "agreement/new_version_due": new_version,
    "release/published": about_release,
    "release/withdrawn": about_release,
    "release/reinstated": about_release,
    "release/erratum": erratum,
    "release/drifted": drifted,
    "access/link": link,
    "access/requested": requested,
    "access/declined": declined,
    "access/waiting": waiting,
    "access/revoked": revoked,
    "access/ends": ends,
    "access/much_requested": much,
    "access/much_requested_maintainer": much,
}


@pytest.fixture(params=sorted(name for name in RENDERERS if not name.startswith("test/")))
def row(request: pytest.FixtureRequest, settings: Settings) -> OutgoingMail:
    settings.SITE_URL = SITE
    template = request.param
    default = after_event if template.startswith("account/") else None
    make = MADE.get(template, default)
    assert make is not None, f"Say in MADE how a row of {template} comes to be."
    mail = make(template)
    assert mail is not None
    mail.created_at = timezone.now()
    return mail


@pytest.fixture
def made(row: OutgoingMail) -> Letter:
    return letter(row)


def test_two_maintainers_who_read_its_row_learn_no_secret(row: OutgoingMail) -> None:
    create_maintainer_groups()
    boss, reviewer = Client(), Client()
    maintainer(boss)
    person = with_second_factor(StaffFactory(is_superuser=False))
    person.groups.add(Group.objects.get(name="Reviewers"))
    let_in(reviewer, person)
    said = letter(row)
    secrets = {
        *re.findall(r"/get/([A-Za-z0-9_-]{33})", said.text),
        *re.findall(r"^    (\d{6})$", said.text, re.MULTILINE),
    }
    secrets |= {str(value) for name, value in row.keys.items() if name == "nonce"}
    assert secrets or row.template not in {"access/link", *CODES}

    for browser in (boss, reviewer):
        for address in (f"{MAILS}{row.pk}/change/", MAILS, "/admin/work/"):
            page = browser.get(address)
            assert page.status_code == 200, address
            assert not [secret for secret in secrets if secret in page.content.decode()]


class Page(HTMLParser):
    """The links and elements of a mail, and whether every element is closed."""

    VOID = {"meta", "br", "img", "link", "input", "hr"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.misplaced: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _value in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.misplaced.append(tag)


def links_in(text: str) -> set[str]:
    return {found.rstrip(".,;:)") for found in re.findall(r"https?://[^\s\"'<>]+", text)}


def test_subject_is_short_and_says_what_it_is_about(made: Letter) -> None:
    assert 8 <= len(made.subject) <= 100
    assert not re.search(r"&\w+;|\{|\bNone\b|  ", str(made.subject))


def test_text_is_written_for_people_who_read_text(made: Letter) -> None:
    lines = made.text.splitlines()
    assert re.match(r"(Dear .+|Hello),$", lines[0])
    assert "-- " in lines
    assert not re.search(r"</?\w+>(?! &)|&(amp|lt|gt|quot|nbsp|#x27);|\{\{|\{%|\bNone\b|\n\n\n", made.text)
    # A command or an address may be long; a sentence is wrapped.
    too_long = [line for line in lines if len(line) > 78 and "://" not in line and not line.startswith("    ")]
    assert too_long == []


def test_no_line_that_leaves_is_too_long_and_no_text_is_base64(made: Letter) -> None:
    raw = wire(made)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 200
    texts = [part for part in parsed(raw).walk() if part.get_content_maintype() == "text"]
    assert "base64" not in {part["Content-Transfer-Encoding"] for part in texts}
    assert raw.isascii()


def test_text_and_html_lead_to_the_same_places_by_short_links(made: Letter) -> None:
    in_html = {address for address in Page(made.html).links if not address.startswith("mailto:")}
    in_text = links_in(made.text)
    assert in_html <= in_text
    # Commands name addresses that nobody clicks.
    assert {address for address in in_text - in_html if not address.endswith(("/download.sh", "/status"))} == set()
    assert all(len(address) < 100 for address in in_text | in_html)
    assert all(address.startswith(f"{SITE}/") for address in in_html)


def test_html_loads_nothing_runs_nothing_and_is_whole(made: Letter) -> None:
    page = Page(made.html)
    assert (page.open, page.misplaced) == ([], [])
    assert not page.elements & {"img", "script", "link", "iframe", "form", "input", "object", "svg", "video"}
    assert not {name for name in page.attributes if name.startswith("on")} | page.attributes & {"src", "background"}
    assert "url(" not in made.html
    assert "@import" not in made.html
    assert not re.search(r"\{\{|\{%|\bNone\b|&amp;(amp|lt|quot|#)", made.html)
    # Larger ones are cut off by the largest mail program.
    assert len(made.html.encode()) < 60_000


def test_html_has_a_heading_and_a_title(made: Letter) -> None:
    assert len(re.findall(r"<h1[^>]*>[^<]{8,}</h1>", made.html)) == 1
    assert re.search(r"<title>[^<]{8,}</title>", made.html)


def test_every_element_that_is_styled_has_its_style(made: Letter) -> None:
    bare = re.findall(r"<(?:h1|h2|p|ul|li|a|th|td|blockquote)(?:\s(?![^>]*style=)[^>]*)?>", made.html)
    assert bare == []


def test_every_colour_of_the_light_scheme_has_another_in_the_dark(made: Letter) -> None:
    dark = {"color:#14191b": "ink", "color:#4b565a": "quiet", "color:#00586e": "link", "border-top:1px solid": "rule"}
    for element in re.findall(r"<[a-z0-9]+ [^>]*style=[^>]*>", made.html):
        found = re.search(r'class="([^"]*)"', element)
        classes = found[1].split() if found else []
        for colour, name in dark.items():
            if re.search(rf'[;"]{colour}', element):
                assert name in classes, element


def test_name_that_is_none_neither_links_nor_breaks_out(made: Letter) -> None:
    assert "www.evil.example" not in made.text + made.html
    assert "<b>& Co" not in made.html
    message = parsed(wire(made))
    assert len(message["To"].addresses) == 1
    assert text_of(message) == made.text


def test_every_mail_has_its_reason_for_being_sent(made: Letter) -> None:
    foot = made.text.partition("\n-- \n")[2]
    assert foot.startswith("You get this message because")
    assert "You get this message because" in made.html
