"""Makes the source bundle of HEAD for Elastic Beanstalk: build/portal-<commit>.zip, the same bytes wherever it is made.

    python -m portal.deployment.bundle

What must not be deployed is refused with a sentence for every problem (portal.deployment.guards). Needs no account and
no network: what belongs to an account comes with an environment's option settings.
"""

import hashlib
import io
import sys
import zipfile
from pathlib import Path

from portal.deployment.checkout import File, commit_of, committed_files, refuse_uncommitted
from portal.deployment.errors import BundleRefused
from portal.deployment.guards import refuse_unfit

ROOT = Path(__file__).resolve().parent.parent.parent
# The faces are not in git: `make fonts` fetches what package-lock.json names. Of which bytes they are stands here.
FACES = Path(__file__).with_name("faces.sha256")
# What Elastic Beanstalk reads stands under other names in there. The rest of ebextensions/ stays at home.
MOVED = {"ebextensions/Procfile": "Procfile"}
PLATFORM = "ebextensions/platform/"
# The first moment that a zip file can hold.
MOMENT = (1980, 1, 1, 0, 0, 0)
UNIX = 3
MOST_BYTES = 512 * 1024 * 1024


def place_of(path: str) -> str | None:
    """Where a file of the project stands in the bundle, if it does."""
    if not path.startswith("ebextensions/"):
        return path
    if path.startswith(PLATFORM):
        return ".platform/" + path.removeprefix(PLATFORM)
    name = path.removeprefix("ebextensions/")
    if "/" not in name and name.endswith(".config"):
        return ".ebextensions/" + name
    return MOVED.get(path)


def faces(root: Path) -> list[File]:
    """The fonts, of which each must be the very one that is known."""
    found, wrong = [], []
    for line in FACES.read_text().splitlines():
        known, name = line.split()
        path = root / "static" / "fonts" / name
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != known:
            wrong.append(name)
        found.append(File(f"static/fonts/{name}", content))
    if wrong:
        raise BundleRefused(
            f"static/fonts lacks {', '.join(wrong)}, or has another one: run `make fonts`. If package-lock.json names "
            f"new ones, write their hashes: (cd static/fonts && sha256sum *) > portal/deployment/{FACES.name}"
        )
    return found


def gather(root: Path) -> list[File]:
    """What is in the bundle, in the order of its names."""
    placed = [(place_of(file.path), file) for file in committed_files(root)]
    files = [File(place, file.content, file.is_program) for place, file in placed if place is not None]
    return sorted([*files, *faces(root)], key=lambda file: file.path)


def zipped(files: list[File]) -> bytes:
    """Stored, not compressed, for what a compressor makes differs from one version to the next."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bundle:
        for file in files:
            entry = zipfile.ZipInfo(file.path, date_time=MOMENT)
            entry.create_system = UNIX
            entry.external_attr = (0o100755 if file.is_program else 0o100644) << 16
            bundle.writestr(entry, file.content)
    return buffer.getvalue()


def make_bundle(root: Path) -> Path:
    """The bundle of HEAD, or BundleRefused."""
    refuse_uncommitted(root)
    files = gather(root)
    refuse_unfit(files)
    content = zipped(files)
    if len(content) > MOST_BYTES:
        raise BundleRefused(f"The bundle has {len(content):,} bytes: Elastic Beanstalk takes {MOST_BYTES:,} at most.")
    path = root / "build" / f"portal-{commit_of(root)[:12]}.zip"
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
    print(f"{path.relative_to(root)}: {len(files)} files of commit {commit_of(root)[:12]}, {len(content):,} bytes")
    print(f"SHA-256 {hashlib.sha256(content).hexdigest()}")
    return path


def main() -> int:
    try:
        make_bundle(ROOT)
    except BundleRefused as refused:
        print("There is no bundle:", *(f"- {problem}" for problem in refused.problems), sep="\n", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
