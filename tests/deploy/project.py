"""The project as it stands in the working tree, committed elsewhere, so that bundles can be made of it."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from portal.deployment.bundle import FACES

ROOT = Path(__file__).resolve().parent.parent.parent


def git(folder: Path, *arguments: str) -> str:
    names = ("-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *names, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "As it is")


def put_faces(folder: Path) -> None:
    """Files in the place of the fonts, which are not in git and come from a registry; and what they are known by."""
    faces = folder / "static" / "fonts"
    faces.mkdir()
    lines = []
    for line in (ROOT / FACES).read_text().splitlines():
        name = line.split()[1]
        (faces / name).write_bytes(name.encode())
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    (folder / FACES).write_text("".join(lines))


def commit_working_tree(folder: Path) -> None:
    tracked = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for path in filter(None, tracked):
        if (ROOT / path).is_file():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, folder / path)
    git(folder, "init", "--quiet")
    put_faces(folder)
    commit(folder)
