"""What sits on a desk: a maintainer's browser, and a terminal."""

import re
import subprocess
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.demo import Demo


def sign_in_as_maintainer(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/admin/")
    page.get_by_label("E-mail").fill("maintainer@example.org")
    page.get_by_label("Password").fill(demo.secrets["maintainer_password"])
    page.get_by_role("button", name="Sign in").first.click()
    page.get_by_label("code", exact=False).first.fill(demo.next_code())
    page.get_by_role("main").get_by_role("button").first.click()
    expect(page).to_have_url(re.compile("/admin/"))


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
