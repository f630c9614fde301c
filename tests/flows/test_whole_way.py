"""The main job, whole: a browser registers and signs, a terminal downloads by the mailed link, a maintainer ends it."""

import hashlib
import json
import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.chromium import watched_page
from tests.demo import Demo
from tests.flows.desk import run, sign_in_as_maintainer
from tests.visitor import LINK

PASSPHRASE = "a long pass phrase for a test"
PURPOSE = "How far undersampled scans of the knee can be reconstructed, and where the reconstruction begins to fail."


def register(page: Page, demo: Demo, email: str) -> None:
    page.goto(f"{demo.url}/accounts/signup/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Full name").fill("Role Researcher")
    page.get_by_label("Institution", exact=True).fill("Example Institute of Imaging")
    page.get_by_label("Country of the institution").select_option("GH")
    page.get_by_label("Doctoral student").check()
    page.get_by_label("What do you want to find out?").fill(PURPOSE)
    page.get_by_label("Password").fill(PASSPHRASE)
    page.get_by_role("button", name="Send me a code").click()
    code = re.search(r"^ +(\d{6})\s*$", demo.wait_for_mail(email, "Your code").text, re.MULTILINE)
    assert code
    page.get_by_label("Code").fill(code[1])
    page.get_by_role("main").get_by_role("button").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("My downloads")


def sign(page: Page, demo: Demo, slug: str) -> None:
    page.goto(f"{demo.url}/datasets/{slug}/")
    page.get_by_role("link", name=re.compile("sign the agreement")).click()
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_label("Your full name").fill("Role Researcher")
    page.get_by_role("button", name=re.compile("^Sign version")).click()


def mailed_commands(attachment: str) -> dict[str, str]:
    """The commands of the attachment by client, as somebody would paste them."""
    blocks = [block.strip() for block in attachment.replace("\r\n", "\n").split("\n\n")]
    return {
        client: next(block for block in blocks if end in block)
        for client, end in {
            "script": "\nsh knee",
            "aria2": "\naria2c -j2",
            "curl": "curl -K",
            "wget": "wget -c",
            "check": "\nsha256sum -c",
        }.items()
    }


def whole_release(link: str, folder: Path) -> None:
    """Every file of the release is in the folder, and has the hash that the manifest states."""
    manifest = json.loads(run(f"curl -fsS {link}manifest.json", folder).stdout)
    files = {file["name"]: file["sha256"] for file in manifest["files"]}
    assert len(files) == 5
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files} == files


def test_from_sign_up_to_a_verified_download_and_its_end(demo: Demo, browser: Browser, tmp_path: Path) -> None:
    complaints: list[str] = []
    page, email = watched_page(browser, complaints), "whole-way@example.org"

    register(page, demo, email)
    sign(page, demo, "knee")
    expect(page.get_by_text("Your access to Knee is open until")).to_be_visible()
    mail = demo.wait_for_mail(email, "Knee 2.0: your download link")
    found = LINK.search(mail.text)
    assert found
    link = found[0]
    assert demo.wait_for_mail(email, "Receipt")

    commands = mailed_commands(mail.attachments[0].content.decode())
    for client in ("script", "aria2", "curl", "wget"):
        folder = tmp_path / client
        folder.mkdir()
        ended = run(commands[client], folder)
        assert ended.returncode == 0, (client, ended.stdout, ended.stderr)
        whole_release(link, folder)
        assert run(commands["check"], folder).returncode == 0

    page.reload()
    expect(page.get_by_role("cell", name="knee_multicoil_train.tar.xz")).to_be_visible()
    maintainer = watched_page(browser, complaints)
    sign_in_as_maintainer(maintainer, demo)
    revoke(maintainer, demo, email, "the project has closed")
    (tmp_path / "script" / "knee_sample.tar").unlink()
    refused = run("sh knee-2.0.sh", tmp_path / "script")
    assert refused.returncode == 4
    assert "the project has closed" in refused.stderr
    answer = run(f"curl -sS -w '%{{http_code}}' {link}knee_sample.tar", tmp_path)
    assert answer.stdout.endswith("403")
    assert "ended by its maintainers" in answer.stdout
    assert "the project has closed" in answer.stdout
    assert demo.wait_for_mail(email, "access", 30)
    assert complaints == []


def revoke(page: Page, demo: Demo, email: str, reason: str) -> None:
    page.goto(f"{demo.url}/admin/datasets/accessgrant/?q={email}")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("revoke")
    page.get_by_role("button", name=re.compile("^(Go|Run)")).first.click()
    page.get_by_label("Reason", exact=False).fill(reason)
    page.get_by_role("main").get_by_role("button").first.click()
    expect(page.get_by_text("revoked").first).to_be_visible()


def test_reviewed_dataset_is_asked_for_and_approved(demo: Demo, browser: Browser) -> None:
    complaints: list[str] = []
    page, email = watched_page(browser, complaints), "asks-for-brain@example.org"
    register(page, demo, email)
    sign(page, demo, "brain")
    expect(page.get_by_text("waiting for review").first).to_be_visible()
    assert demo.wait_for_mail(email, "Brain")

    maintainer = watched_page(browser, complaints)
    sign_in_as_maintainer(maintainer, demo)
    maintainer.goto(f"{demo.url}/admin/datasets/accessrequest/?q={email}")
    maintainer.locator("input.action-select").first.check()
    maintainer.locator("select[name=action]").select_option("approve")
    maintainer.get_by_role("button", name=re.compile("^(Go|Run)")).first.click()
    maintainer.get_by_role("main").get_by_role("button", name=re.compile("Approve")).first.click()

    assert LINK.search(demo.wait_for_mail(email, "Brain 2.0: your download link").text)
    page.goto(f"{demo.url}/downloads/")
    expect(page.get_by_text("days left")).to_be_visible()
    assert complaints == []
