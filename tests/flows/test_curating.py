"""A release from a folder of the bucket to its withdrawal and back: a maintainer's browser, real workers, and mails to
those whom each step concerns, and to nobody else."""

import re
from pathlib import Path

import psycopg2
import pytest
from playwright.sync_api import Browser, Page, expect

from datasets.storage import Bucket
from tests.archives import packed
from tests.chromium import watched_page
from tests.demo import Demo
from tests.flows.desk import run, sign_in_as_maintainer
from tests.kspace import volumes
from tests.visitor import LINK, Visitor
from tests.waiting import wait_until

FOLDER = "incoming/shoulder/"
NAMES = ("shoulder_multicoil_train.tar.xz", "shoulder_multicoil_val.tar")
REASON = "Two volumes carried the dates of their scans."
DATASET = """
from datasets.models import Dataset
knee = Dataset.objects.get(slug="knee")
words = {"summary": "Scans of shoulders.", "description": "Simulated.", "anatomy": "shoulder"}
Dataset.objects.create(slug="shoulder", name="Shoulder", agreement=knee.agreement, access_policy="automatic", **words)
"""
# What a notice is still to do: its row, and the mails that it wrote.
OPEN_NOTICES = """
SELECT (SELECT count(*) FROM datasets_notice WHERE state IN ('waiting', 'running'))
    + (SELECT count(*) FROM accounts_outgoingmail WHERE template LIKE 'release/%' AND state IN ('waiting', 'running'))
"""


@pytest.fixture
def files(demo: Demo, tmp_path: Path) -> dict[str, bytes]:
    """Archives of real volumes in a folder of the bucket, beside something that is none; their bytes by name."""
    scans = [volumes.multicoil(tmp_path / f"{seed}.h5", volumes.kspace(seed=seed)).read_bytes() for seed in range(3)]
    files = {
        NAMES[0]: packed(NAMES[0], {"multicoil_train/file1.h5": scans[0], "multicoil_train/file2.h5": scans[1]}),
        NAMES[1]: packed(NAMES[1], {"multicoil_val/file3.h5": scans[2]}),
    }
    said = demo.environment
    bucket = Bucket(
        said["BUCKET_NAME"],
        region=said["BUCKET_REGION"],
        endpoint_url=said["BUCKET_ENDPOINT_URL"],
        key_id=said["BUCKET_ACCESS_KEY_ID"],
        secret=said["BUCKET_SECRET_ACCESS_KEY"],
    )
    for name, content in {**files, "README.txt": b"hello"}.items():
        bucket.put(f"{FOLDER}{name}", content)
    return files


def registered(demo: Demo, email: str, slug: str) -> Visitor:
    visitor = Visitor(demo, email)
    visitor.register()
    visitor.sign(slug)
    return visitor


def told(demo: Demo, subject: str) -> list[str]:
    """Who was mailed this, once no notice has anything left to do. Nobody twice: each mail has its own Message-ID."""
    with psycopg2.connect(demo.environment["DATABASE_URL"]) as connection:
        connection.autocommit = True
        wait_until(lambda: not open_notices(connection), "The end of all notices", 60)
    mails = [mail for mail in demo.mails() if mail.subject == subject]
    keys = [dict(mail.headers)["Message-ID"] for mail in mails]
    assert len(set(keys)) == len(keys)
    return sorted(address for mail in mails for address in mail.recipients)


def open_notices(connection: psycopg2.extensions.connection) -> int:
    with connection.cursor() as cursor:
        cursor.execute(OPEN_NOTICES)
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def decide(page: Page, title: str, *, reason: str = "") -> None:
    """On a row's own page: the decision's button, the page that asks, and the answer."""
    page.get_by_role("link", name=f"{title} …").click()
    if reason:
        page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=title, exact=True).click()


def write_draft(page: Page, demo: Demo) -> str:
    """A draft release, as its form makes it; the address of its page."""
    page.goto(f"{demo.url}/admin/datasets/release/add/")
    choose(page, "Dataset", "Shoulder")
    page.get_by_label("Version").fill("1.0")
    page.get_by_label("Summary").fill("The first scans of shoulders.")
    page.get_by_label("Notes").fill("Everything is new.")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_role("link", name="Import …")).to_be_visible()
    return page.url


def choose(page: Page, label: str, option: str) -> None:
    """In a field that looks up what is typed into it."""
    page.get_by_role("combobox", name=label).click()
    page.locator(".select2-container--open .select2-search__field").last.fill(option)
    page.get_by_role("option", name=option).first.click()


def import_and_check(page: Page, demo: Demo) -> None:
    page.get_by_role("link", name="Import …").click()
    page.get_by_label("Folder of the bucket").fill(f"s3://{demo.environment['BUCKET_NAME']}/{FOLDER}")
    page.get_by_role("button", name="List it").click()
    expect(page.get_by_label(f"Take {FOLDER}README.txt")).to_be_disabled()
    page.get_by_role("button", name="Import and check what is ticked").click()

    def all_are_verified() -> bool:
        page.get_by_role("link", name="look again").click()
        return page.get_by_text("2 verified, 0 being read, 0 waiting, 0 failed").is_visible()

    wait_until(all_are_verified, "The reading of both archives", 60)


def write_erratum(page: Page, demo: Demo, text: str) -> None:
    page.goto(f"{demo.url}/admin/datasets/erratum/add/")
    choose(page, "Release", "Shoulder 1.0")
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Save and continue editing").click()
    decide(page, "Publish")
    expect(page.get_by_text("is published").first).to_be_visible()


def link_by_mail(demo: Demo, person: Visitor) -> str:
    """Whoever is told of a release goes to the page that the mail names, and has the link mailed."""
    mail = demo.wait_for_mail(person.email, "Shoulder 1.0 is published")
    assert f"{demo.url}/downloads/" in mail.text
    form = re.search(r'action="(/downloads/links/\d+/mail/)"', person.get("/downloads/").html)
    assert form
    person.post(form[1], {})
    found = LINK.search(demo.wait_for_mail(person.email, "Shoulder 1.0: your download link").text)
    assert found
    return found[0]


def fetch(link: str, folder: Path) -> dict[str, bytes]:
    """Both archives with curl, compared with the sums that the link gives."""
    folder.mkdir()
    names = " ".join(f"{link}{name}" for name in (*NAMES, "SHA256SUMS"))
    ended = run(f"curl -fsSL --remote-name-all {names} && sha256sum -c SHA256SUMS", folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count(": OK\n") == len(NAMES)
    return {name: (folder / name).read_bytes() for name in NAMES}


def test_a_release_is_imported_published_withdrawn_and_reinstated_and_whom_it_concerns_is_told(
    demo: Demo, browser: Browser, files: dict[str, bytes], tmp_path: Path
) -> None:
    demo.command("shell", "--no-imports", "-c", DATASET)
    downloader = registered(demo, "downloads-shoulder@example.org", "shoulder")
    holder = registered(demo, "holds-shoulder@example.org", "shoulder")
    registered(demo, "holds-another@example.org", "knee")
    complaints: list[str] = []
    page = watched_page(browser, complaints)
    sign_in_as_maintainer(page, demo)

    address = write_draft(page, demo)
    import_and_check(page, demo)
    page.get_by_role("link", name="Dry run").click()
    expect(page.get_by_text("Nothing keeps it from being published")).to_be_visible()
    expect(page.get_by_text("2 people with access")).to_be_visible()
    expect(page.get_by_text(re.compile(f"2 archives, {sum(map(len, files.values())):,}\\sbytes"))).to_be_visible()
    page.get_by_role("link", name="Publish …").click()
    expect(page.get_by_text("2 people, at once")).to_be_visible()
    page.get_by_role("link", name="Read it first, and send it to yourself").click()
    page.get_by_role("button", name="Send it to myself").click()
    assert demo.wait_for_mail("maintainer@example.org", "Test: Shoulder 1.0 is published")
    assert told(demo, "Shoulder 1.0 is published") == []

    page.goto(address)
    decide(page, "Publish")
    expect(page.get_by_text("Shoulder 1.0 is published.").first).to_be_visible()
    assert told(demo, "Shoulder 1.0 is published") == [downloader.email, holder.email]
    link = link_by_mail(demo, downloader)
    assert fetch(link, tmp_path / "first") == files

    decide(page, "Withdraw", reason=REASON)
    expect(page.get_by_text("Shoulder 1.0 is withdrawn.").first).to_be_visible()
    assert told(demo, "Shoulder 1.0 was withdrawn") == [downloader.email]
    refused = run(f"curl -sS -w '%{{http_code}}' {link}{NAMES[0]}", tmp_path).stdout
    assert refused.endswith("410")
    assert REASON in refused

    decide(page, "Undo the withdrawal")
    expect(page.get_by_text("Shoulder 1.0 is published again.").first).to_be_visible()
    assert told(demo, "Shoulder 1.0 is no longer withdrawn") == [downloader.email]
    assert fetch(link, tmp_path / "again") == files

    write_erratum(page, demo, "The coils of file 3 are in another order.")
    assert told(demo, "Erratum to Shoulder 1.0") == [downloader.email]
    assert "The coils of file 3 are in another order." in Visitor(demo, "").get("/datasets/shoulder/1.0/").text
    assert complaints == []
