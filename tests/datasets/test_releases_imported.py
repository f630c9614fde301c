"""From a folder of the bucket to archives of a draft: listed, guessed at, compared, ticked, registered."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.conf import settings

from accounts.models import User
from datasets.exceptions import ListChanged, MoveNotAllowed, SourceRefused
from datasets.models import Archive, Dataset, Release
from datasets.services.releases import check, propose, register
from datasets.services.releases.guesses import coils_of, faults_of, split_of
from datasets.services.releases.proposals import Proposal, Standing
from datasets.services.releases.sources import prefix_of
from datasets.storage import Bucket, Listed, bucket
from tests.factories import ArchiveFactory, DatasetFactory, ReleaseFactory, StaffFactory, VolumeFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def by() -> User:
    return StaffFactory()


@pytest.fixture
def dataset() -> Dataset:
    return DatasetFactory()


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder of the bucket that is empty before and after."""
    yield "import/2.1/"
    keys = list(bucket().keys("import/"))
    if keys:
        bucket().delete(*keys)


def place(folder: str) -> str:
    return f"s3://{settings.BUCKET_NAME}/{folder}"


def draft(dataset: Dataset) -> Release:
    return ReleaseFactory(dataset=dataset, version="2.1", status="draft", published_at=None)


def put(folder: str, *names: str, content: bytes = b"bytes") -> None:
    for name in names:
        bucket().put(f"{folder}{name}", content)


class TestWhere:
    def test_a_folder_of_the_own_bucket_ends_with_a_slash(self) -> None:
        assert prefix_of(place("knee/2.1")) == prefix_of(place("knee/2.1/")) == "knee/2.1/"

    @pytest.mark.parametrize(
        "source",
        [
            "s3://another-bucket/knee/",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "knee/2.1/",
            "s3:///knee/",
            "",
        ],
    )
    def test_what_is_not_in_the_own_bucket_is_refused_before_anybody_is_asked(
        self, source: str, monkeypatch: pytest.MonkeyPatch, dataset: Dataset
    ) -> None:
        monkeypatch.setattr(Bucket, "listing", None)
        with pytest.raises(SourceRefused, match=rf"s3://{settings.BUCKET_NAME}/"):
            propose(dataset, source)

    @pytest.mark.parametrize(
        "path", ["", "/", "..", "knee/../evidence", "knee//2.1", "knee/./x", "a\0b", "a\\b", "x" * 1_001]
    )
    def test_what_is_no_folder_is_refused(self, path: str) -> None:
        with pytest.raises(SourceRefused, match="no folder of the bucket"):
            prefix_of(place(path))

    def test_an_empty_folder_is_said_to_be_empty(self, dataset: Dataset, folder: str) -> None:
        with pytest.raises(SourceRefused, match="There is nothing in"):
            propose(dataset, place(folder))


@pytest.mark.parametrize(
    ("name", "split", "coils"),
    [
        ("knee_sample.tar", "sample", ""),
        ("knee_singlecoil_train.tar.xz", "train", "1"),
        ("knee_multicoil_val.tar.gz", "validation", ""),
        ("brain_multicoil_test_full.tar.xz", "test", ""),
        ("knee_DICOMs_batch1.tar", "images", ""),
        ("train_or_val.tar", "", ""),
        ("evaluation.tar", "", ""),
    ],
)
def test_split_and_coils_are_guessed_from_words_of_the_name(name: str, split: str, coils: str) -> None:
    assert (split_of(name), coils_of(name)) == (split, coils)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("knee.tar ", "begins or ends with a blank"),
        ("knie für alle.tar", "cannot carry"),
        ("README.txt", "no kind that is read"),
        ("status", "answers this name itself"),
        (f"{'x' * 150}.tar", "longer than 150"),
    ],
)
def test_names_that_cannot_be_taken_say_why(name: str, fault: str) -> None:
    assert fault in "; ".join(faults_of(name, 1))


class TestProposal:
    def test_new_changed_same_and_gone_are_told_against_the_newest_published_release(
        self, dataset: Dataset, folder: str
    ) -> None:
        put(folder, "knee_train.tar", "knee_val.tar", "knee_test.tar")
        etag = bucket().head(f"{folder}knee_val.tar").etag
        former = ReleaseFactory(dataset=dataset, version="2.0")
        ArchiveFactory(release=former, name="knee_train.tar", size=3, etag="other", coils="8", split="sample")
        ArchiveFactory(release=former, name="knee_val.tar", size=5, etag=etag)
        ArchiveFactory(release=former, name="knee_old.tar")

        proposal = propose(dataset, place(folder))

        standings = {row.name: row.standing for row in proposal.rows}
        assert standings == {
            "knee_test.tar": Standing.NEW,
            "knee_train.tar": Standing.CHANGED,
            "knee_val.tar": Standing.SAME,
        }
        assert [archive.name for archive in proposal.gone] == ["knee_old.tar"]
        changed = next(row for row in proposal.rows if row.name == "knee_train.tar")
        assert (changed.split, changed.coils, changed.former_size) == ("sample", "8", 3)

    def test_names_that_differ_by_case_or_stand_twice_are_told(self, dataset: Dataset, folder: str) -> None:
        put(folder, "a.tar", "A.tar", "x/b.tar", "y/b.tar", "empty.tar")
        put(folder, "empty.tar", content=b"")
        rows = {row.key.removeprefix(folder): row for row in propose(dataset, place(folder)).rows}
        assert "another name differs only by its case" in rows["a.tar"].oddities
        assert not rows["x/b.tar"].is_usable
        assert rows["empty.tar"].faults == ("it is empty",)

    def test_tens_of_thousands_of_keys_take_as_many_queries_as_ten(
        self, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: object, by: User
    ) -> None:
        one = Listed("import/x.h5", 5, "etag", by.date_joined)
        many = [one._replace(key=f"import/file{number:06}.h5") for number in range(12_000)]
        monkeypatch.setattr(Bucket, "listing", lambda _bucket, _prefix: iter(many))
        with django_assert_num_queries(1):  # type: ignore[operator]
            proposal = propose(dataset, place("import/"))
        assert len(proposal.usable) == 12_000
        release = draft(dataset)
        # A lock, what is there, twelve batches, and the two of a savepoint.
        with django_assert_num_queries(16):  # type: ignore[operator]
            register(release, proposal, [row.key for row in proposal.rows], by=by)
        assert release.archives.count() == 12_000


class TestRegistering:
    def proposal(self, dataset: Dataset, folder: str) -> Proposal:
        put(folder, "knee_train.tar", "knee_val.tar")
        return propose(dataset, place(folder))

    def test_only_what_was_ticked_is_registered_as_it_was_listed(self, dataset: Dataset, folder: str, by: User) -> None:
        proposal, release = self.proposal(dataset, folder), draft(dataset)
        assert register(release, proposal, [f"{folder}knee_train.tar"], by=by) == 1
        archive = release.archives.get()
        seen = bucket().head(archive.key)
        assert (archive.size, archive.etag, archive.status) == (seen.size, seen.etag, "registered")

    def test_again_changes_only_what_is_another_object_by_now(self, dataset: Dataset, folder: str, by: User) -> None:
        proposal, release = self.proposal(dataset, folder), draft(dataset)
        keys = [row.key for row in proposal.rows]
        register(release, proposal, keys, by=by)
        Archive.objects.update(status="verified", sha256="0" * 64)
        put(folder, "knee_val.tar", content=b"other bytes")

        assert register(release, propose(dataset, place(folder)), keys, by=by) == 1

        assert dict(release.archives.values_list("name", "status")) == {
            "knee_train.tar": "verified",
            "knee_val.tar": "registered",
        }

    def test_coils_that_are_left_empty_are_those_of_the_scans_also_of_what_was_read_before(
        self, dataset: Dataset, folder: str, by: User
    ) -> None:
        proposal, release = self.proposal(dataset, folder), draft(dataset)
        keys = [row.key for row in proposal.rows]
        register(release, proposal, keys, by=by)
        Archive.objects.update(status="verified", sha256="0" * 64, coils="8")
        for archive in release.archives.all():
            VolumeFactory(archive=archive, coils=16)
        put(folder, "knee_val.tar", content=b"other bytes")
        proposal = propose(dataset, place(folder))

        register(release, replace(proposal, rows=[row._replace(coils="") for row in proposal.rows]), keys, by=by)

        # The other object is read anew, and says then.
        assert dict(release.archives.values_list("name", "coils")) == {"knee_train.tar": "16", "knee_val.tar": ""}

    def test_a_key_that_is_gone_is_not_registered(self, dataset: Dataset, folder: str, by: User) -> None:
        proposal, release = self.proposal(dataset, folder), draft(dataset)
        with pytest.raises(ListChanged, match="not in the bucket any more"):
            register(release, proposal, [f"{folder}other.tar"], by=by)

    def test_nothing_is_added_to_what_is_published(self, dataset: Dataset, folder: str, by: User) -> None:
        proposal = self.proposal(dataset, folder)
        with pytest.raises(MoveNotAllowed, match="is published"):
            register(ReleaseFactory(dataset=dataset), proposal, [proposal.rows[0].key], by=by)

    def test_a_release_without_archives_is_not_checked(self, dataset: Dataset, by: User) -> None:
        with pytest.raises(MoveNotAllowed, match="has no archive"):
            check(draft(dataset), by=by)
