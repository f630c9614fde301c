"""make bundle: the same bytes wherever it is made, with all that runs in production, and nothing that must not."""

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from portal.deployment.bundle import FACES, make_bundle
from portal.deployment.errors import BundleRefused
from portal.embedded.fonts import FILES, SHEET
from tests.demo import clean_environment
from tests.deploy.project import ROOT, commit, git
from tests.portal.test_production_guard import SAFE

Clone = Callable[..., Path]


def made_in(folder: Path, *, umask: int, zone: str) -> tuple[str, str]:
    """The name of the bundle that is made there, and the SHA-256 that was told."""
    command = [sys.executable, "-m", "portal.deployment.bundle"]
    environment = {**os.environ, "TZ": zone, "LC_ALL": "C"}
    done = subprocess.run(
        command, cwd=folder, env=environment, umask=umask, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = re.search(r"^build/(\S+): .*\nSHA-256 (\w{64})$", done.stdout, re.MULTILINE)
    assert told, done.stdout
    assert hashlib.sha256((folder / "build" / told[1]).read_bytes()).hexdigest() == told[2]
    return told[1], told[2]


def test_one_commit_has_one_bundle_wherever_it_is_made(clone: Clone) -> None:
    here = made_in(clone("here"), umask=0o022, zone="UTC")
    there = made_in(clone("over there/with a blank", "core.autocrlf=true"), umask=0o077, zone="Asia/Kathmandu")
    assert here == there


def test_bundle_is_named_after_its_commit(clone: Clone) -> None:
    folder = clone("project")
    assert make_bundle(folder).name == f"portal-{git(folder, 'rev-parse', 'HEAD')[:12]}.zip"


@pytest.fixture(scope="module")
def bundle(project: Path) -> Path:
    return make_bundle(project)


def test_what_elastic_beanstalk_reads_stands_where_it_looks(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as opened:
        modes = {entry.filename: entry.external_attr >> 16 for entry in opened.infolist()}
    assert list(modes) == sorted(modes)
    assert modes["Procfile"] == 0o100644
    assert modes[".ebextensions/options.config"] == 0o100644
    assert modes[".platform/nginx/nginx.conf"] == 0o100644
    assert modes[".platform/hooks/postdeploy/10_smoke.sh"] == 0o100755
    assert modes[".platform/confighooks/predeploy/10_check.sh"] == 0o100755
    tops = {name.partition("/")[0] for name in modes}
    assert tops == {
        *(".ebextensions", ".platform", "Procfile", "LICENSE", "manage.py", "requirements.txt"),
        *("accounts", "datasets", "portal", "static", "templates"),
    }
    assert not [name for name in modes if "embedded" in name or "/sample/" in name or "infra" in name]


def test_the_site_runs_with_the_files_of_the_bundle_alone(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as opened:
        opened.extractall(tmp_path)
    environment = {
        **clean_environment(),
        "DJANGO_SETTINGS_MODULE": "portal.settings.production",
        **SAFE,
        "EMAIL_URL": "ses://eu-central-1",
        "METRICS_NAMESPACE": "portal-tests",
    }
    loads = "import portal.wsgi, portal.celery; portal.celery.app.loader.import_default_modules()"
    for command in (
        ["manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        ["manage.py", "collectstatic", "--no-input", "--verbosity", "0"],
        ["-c", loads],
    ):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert list((tmp_path / "staticfiles").glob("portal.*.css"))


def refusal(folder: Path) -> str:
    with pytest.raises(BundleRefused) as refused:
        make_bundle(folder)
    assert not (folder / "build").exists()
    return str(refused.value)


def test_nothing_is_bundled_that_is_not_committed(clone: Clone) -> None:
    folder = clone("project")
    (folder / "notes.txt").write_text("not in git\n")
    (folder / "manage.py").write_text("# changed\n")
    assert refusal(folder) == "Not everything is committed: manage.py, notes.txt. Commit it, or put it aside."


def test_faces_that_are_missing_or_others_are_refused(clone: Clone) -> None:
    folder = clone("project")
    sheet, other = folder / "static/fonts/fonts.css", folder / "static/fonts/source-code-pro-LICENSE.txt"
    sheet.unlink()
    other.write_bytes(b"changed")
    said = refusal(folder)
    assert "lacks fonts.css, source-code-pro-LICENSE.txt" in said
    assert "make fonts" in said


def test_every_problem_is_named_at_once(clone: Clone) -> None:
    folder = clone("project")
    platform = folder / "ebextensions" / "platform"
    (platform / "hooks/predeploy/10_check.sh").unlink()
    (platform / "hooks/postdeploy/10_smoke.sh").chmod(0o644)
    (folder / "ebextensions/Procfile").write_text("web python\n")
    commit(folder)
    said = refusal(folder)
    assert ".platform/hooks/predeploy/10_check.sh is missing." in said
    assert ".platform/hooks/postdeploy/10_smoke.sh may not be executed" in said
    assert "Procfile, line 1, is not `name: command`." in said


def test_links_are_refused(clone: Clone) -> None:
    folder = clone("project")
    (folder / "static" / "link.css").symlink_to("portal.css")
    commit(folder)
    assert refusal(folder) == "Links and submodules cannot be in a bundle: static/link.css."


def test_more_than_elastic_beanstalk_takes_is_refused(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.deployment.bundle.MOST_BYTES", 1_000_000)
    assert "Elastic Beanstalk takes 1,000,000 at most." in refusal(clone("project"))


def test_without_git_there_is_a_sentence(tmp_path: Path) -> None:
    assert "git status said" in refusal(tmp_path)


def test_every_face_is_known_by_its_bytes() -> None:
    lines = [line.split() for line in (ROOT / FACES).read_text().splitlines()]
    known = {name: sha256 for sha256, name in lines}
    fonts = {name for names in FILES.values() for name in names}
    assert set(known) == fonts | {f"{package}-LICENSE.txt" for package in FILES} | {SHEET.name}
    assert known[SHEET.name] == hashlib.sha256(SHEET.read_bytes()).hexdigest()
