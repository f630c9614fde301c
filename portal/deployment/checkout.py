"""What git has of the project: what was committed, whatever the line ends and masks of the working tree."""

import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from portal.deployment.errors import BundleRefused


@dataclass(frozen=True)
class File:
    """One file of the bundle: where it stands in there, its bytes, and whether it is a program."""

    path: str
    content: bytes
    is_program: bool = False

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix


def ask_git(root: Path, *arguments: str, told: bytes = b"") -> bytes:
    done = subprocess.run(["git", "-C", str(root), *arguments], input=told, capture_output=True, check=False)
    if done.returncode:
        raise BundleRefused(f"git {arguments[0]} said: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def commit_of(root: Path) -> str:
    return ask_git(root, "rev-parse", "HEAD").decode().strip()


def refuse_uncommitted(root: Path) -> None:
    """A bundle is named after its commit, so nothing may be in the tree that is not in there."""
    changed = ask_git(root, "status", "--porcelain").decode(errors="replace").splitlines()
    if changed:
        named = ", ".join(line[3:] for line in changed[:5])
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise BundleRefused(f"Not everything is committed: {named}{more}. Commit it, or put it aside.")


def committed_files(root: Path) -> list[File]:
    """All files of HEAD, but for those that .ebignore leaves out; ebextensions/ is always there."""
    ignored = set(_lines(ask_git(root, "ls-files", "-z", "--cached", "--ignored", "--exclude-from=.ebignore")))
    entries = [_entry(line) for line in _lines(ask_git(root, "ls-tree", "-r", "-z", "HEAD"))]
    kept = [entry for entry in entries if entry[2] not in ignored or entry[2].startswith("ebextensions/")]
    odd = [path for mode, _blob, path in kept if mode not in {"100644", "100755"}]
    if odd:
        raise BundleRefused(f"Links and submodules cannot be in a bundle: {', '.join(odd)}.")
    contents = _contents(root, [blob for _mode, blob, _path in kept])
    return [
        File(path, content, is_program=mode == "100755")
        for (mode, _blob, path), content in zip(kept, contents, strict=True)
    ]


def _lines(answer: bytes) -> list[str]:
    return [line for line in answer.decode().split("\0") if line]


def _entry(line: str) -> tuple[str, str, str]:
    facts, _tab, path = line.partition("\t")
    mode, _kind, blob = facts.split()
    return mode, blob, path


def _contents(root: Path, blobs: list[str]) -> list[bytes]:
    answer = ask_git(root, "cat-file", "--batch", told="".join(f"{blob}\n" for blob in blobs).encode())
    contents, at = [], 0
    for _blob in blobs:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[2])
        contents.append(answer[end + 1 : end + 1 + size])
        at = end + size + 2
    return contents
