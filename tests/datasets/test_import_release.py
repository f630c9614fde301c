"""The command that imports a release."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import User
from datasets.models import Dataset, Release
from datasets.services.releases import ingesting, reopen
from datasets.storage import bucket
from tests import imports
from tests.access import offered
from tests.factories import StaffFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ingesting, "Sandbox", imports.Reader)
    imports.empty()
    yield
    imports.empty()


@pytest.fixture
def by() -> User:
    return StaffFactory()


@pytest.fixture
def dataset() -> Dataset:
    return offered(slug="knee")


def run(by: User | None, *more: str, source: str | None = None, version: str = "97.1") -> str:
    out, name = io.StringIO(), ("--by", by.email) if by else ()
    call_command("import_release", "knee", version, source or imports.place(), *name, *more, stdout=out)
    return out.getvalue()


def test_a_folder_becomes_a_release_that_is_ready(dataset: Dataset, by: User) -> None:
    imports.upload("knee_train.tar")
    bucket().put(f"{imports.FOLDER}README.txt", b"hello")

    said = run(by)

    assert "left out: it is of no kind that is read here" in said
    assert "1 archives, 1 of them to be read anew." in said
    assert "1 verified, 0 being read, 0 waiting, 0 failed" in said
    release = Release.objects.get(version="97.1")
    assert (release.status, release.archives.get().status) == ("ready", "verified")


def test_it_is_published_when_nothing_stands_against_it_and_says_what_does(
    dataset: Dataset, by: User, tmp_path: Path
) -> None:
    imports.upload("knee_train.tar")
    with pytest.raises(CommandError, match=r"cannot be published yet: its notes are not written\."):
        run(by, "--publish")
    reopen(Release.objects.get(version="97.1"), by=by)
    notes = tmp_path / "notes.md"
    notes.write_text("New scans.")

    said = run(by, "--publish", "--notes", str(notes))

    assert "0 of them to be read anew" in said
    assert "is published." in said


def test_an_archive_that_fails_is_named_with_its_reason(dataset: Dataset, by: User) -> None:
    bucket().put(f"{imports.FOLDER}knee_train.tar.gz", b"no gzip" * 99)
    with pytest.raises(CommandError, match=r"1 of its 1 archives failed the check: knee_train.tar.gz"):
        run(by)


@pytest.mark.parametrize(
    ("source", "said"), [("s3://other/knee/", "this site's own bucket alone"), ("/etc/", "no place in the bucket")]
)
def test_other_places_are_refused(source: str, said: str, dataset: Dataset, by: User) -> None:
    with pytest.raises(CommandError, match=said):
        run(by, source=source)
    assert not Release.objects.filter(version="97.1", archives__isnull=False).exists()


def test_only_a_maintainer_imports(dataset: Dataset) -> None:
    with pytest.raises(CommandError, match="is no maintainer"):
        run(UserFactory())


def test_without_a_name_the_history_has_none(dataset: Dataset) -> None:
    imports.upload("knee_train.tar")
    run(None)
    assert Release.objects.get(version="97.1").status == "ready"


def test_what_is_no_version_is_refused(dataset: Dataset, by: User) -> None:
    with pytest.raises(CommandError, match=r"v2 is no version. Write a version such as 2.0"):
        run(by, version="v2")
