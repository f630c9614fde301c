"""The bundles that are rehearsed, each made from a clone of its commit by that commit's own `make bundle`."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portal.embedded.application import ROOT
from tests.rehearsal.machine import StepError

# What a commit must have to be rehearsed.
REHEARSED = "tests/rehearsal/rows.py"


@dataclass(frozen=True)
class Bundle:
    name: str
    path: Path

    @property
    def checkout(self) -> Path:
        """The clone that it was made in."""
        return self.path.parent.parent


def bundle_of(ref: str, folder: Path) -> Bundle:
    commit = git("rev-parse", "--short=12", f"{ref}^{{commit}}").strip()
    clone = folder / commit
    if not clone.exists():
        git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(clone))
        git("-C", str(clone), "checkout", "--quiet", commit)
        # Not in git; `make bundle` looks at each of its bytes.
        shutil.copytree(ROOT / "static" / "fonts", clone / "static" / "fonts", dirs_exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "portal.deployment.bundle"], cwd=clone, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StepError(f"There is no bundle of {commit}: {done.stderr}")
    return Bundle(commit, next((clone / "build").glob("*.zip")))


def bundle_before(folder: Path, ref: str) -> Bundle:
    """Of the commit that was named; otherwise of the last tag; otherwise of the last commit with other migrations, for
    these are what a rollback meets."""
    found = bundle_of(ref or last_tag() or next(candidates(), "HEAD"), folder)
    if found.name == git("rev-parse", "--short=12", "HEAD").strip():
        return Bundle(f"{found.name}, the same: none is older", found.path)
    return found


def last_tag() -> str:
    head = git("rev-parse", "HEAD")
    tags = git("tag", "--merged", "HEAD", "--sort=-creatordate").split()
    return next((tag for tag in tags if git("rev-parse", f"{tag}^{{commit}}") != head), "")


def candidates() -> Iterator[str]:
    """Commits that can be rehearsed and whose migrations are others than today's, the newest first; then those
    with the same."""
    now, same = migrations("HEAD"), []
    for commit in git("rev-list", "--first-parent", "--max-count=200", "HEAD~1").split():
        if not git("ls-tree", "-r", "--name-only", commit, REHEARSED):
            break
        if migrations(commit) != now:
            yield commit
        same.append(commit)
    yield from same


def migrations(ref: str) -> list[str]:
    return [name for name in git("ls-tree", "-r", "--name-only", ref).splitlines() if "/migrations/" in name]


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
