"""The sample data in a site: published, downloadable, loaded once."""

from pathlib import Path
from urllib.request import urlopen

import pytest

from accounts.models import AgreementVersion, User
from datasets.exceptions import BucketDown
from datasets.models import Archive, Dataset, Preview, Release, Volume
from datasets.storage import bucket
from portal.sample import SampleDataset
from portal.sample import load as loading
from portal.sample.archives import SampleArchive, SampleVolume, hash_file
from portal.sample.load import Progress, load_samples
from portal.sample.plan import PLANS
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db


def two_datasets(folder: Path, progress: Progress) -> list[SampleDataset]:
    """As the generator describes what it made, with one archive of a few bytes each."""
    progress("Making the sample data")
    return [
        SampleDataset(
            plan.slug,
            plan.name,
            plan.version,
            plan.summary,
            plan.description,
            plan.anatomy,
            plan.citation,
            plan.notes,
            (an_archive(folder / f"{plan.slug}_sample.tar"),),
        )
        for plan in PLANS
    ]


def an_archive(path: Path) -> SampleArchive:
    path.write_bytes(f"the bytes of {path.name}".encode())
    sha256, parts = hash_file(path)
    volume = SampleVolume("sample/file1.h5", 512, 9, "CORPD_FBK", 64, 36, 3, 4, 2.89)
    return SampleArchive(path.name, path, "sample", "4", path.stat().st_size, sha256, 2**28, parts, (volume,))


@pytest.fixture
def maintainer() -> User:
    return StaffFactory()


def load(by: User) -> list[str]:
    said: list[str] = []
    load_samples(said.append, by=by, make=two_datasets)
    return said


def test_samples_are_published_with_what_is_in_them(maintainer: User) -> None:
    load(maintainer)
    releases = Release.objects.published().select_related("dataset").order_by("dataset__position")
    assert [str(release) for release in releases] == ["Knee 2.0", "Brain 2.0"]
    policies = dict(Dataset.objects.values_list("slug", "access_policy"))
    assert policies == {"knee": Dataset.AccessPolicy.AUTOMATIC, "brain": Dataset.AccessPolicy.REVIEWED}
    for archive in Archive.objects.all():
        archive.full_clean()
        assert archive.status == Archive.Status.VERIFIED
    assert set(Volume.objects.values_list("offset", "size", "acquisition", "slices")) == {(512, 9, "CORPD_FBK", 3)}
    for dataset in Dataset.objects.all():
        dataset.full_clean()


def test_objects_are_in_the_bucket_as_the_catalogue_says(maintainer: User) -> None:
    load(maintainer)
    for archive in Archive.objects.all():
        facts = bucket().head(archive.key)
        assert (facts.size, facts.etag) == (archive.size, archive.etag)
        with urlopen(bucket().presign(archive.key, filename=archive.name)) as answer:
            assert answer.read() == f"the bytes of {archive.name}".encode()


def test_every_volume_waits_for_its_preview_also_where_it_was_loaded_before_there_were_any(maintainer: User) -> None:
    load(maintainer)
    assert Preview.objects.filter(state="waiting").count() == Volume.objects.count() == 2
    audiences = dict(Dataset.objects.values_list("slug", "preview_audience"))
    assert audiences == {"knee": Dataset.Audience.EVERYONE, "brain": Dataset.Audience.HOLDERS}
    kept = Preview.objects.earliest("pk")
    Preview.objects.exclude(pk=kept.pk).delete()
    load(maintainer)
    assert Preview.objects.count() == 2
    assert Preview.objects.filter(pk=kept.pk).exists()


def test_agreement_is_published_with_statements_to_tick(maintainer: User) -> None:
    load(maintainer)
    version = AgreementVersion.objects.published().get()
    assert version.number == 1
    assert version.required_from
    assert len(version.statements) == 4
    assert "simulated" in version.text


def test_second_run_changes_nothing_and_makes_nothing(maintainer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    load(maintainer)
    Dataset.objects.filter(slug="knee").update(summary="What a maintainer wrote since.")
    before = [list(model.objects.order_by("pk").values()) for model in (Dataset, Release, Archive, Volume)]
    monkeypatch.setattr(loading, "upload", None)
    assert load(maintainer) == ["The sample data are loaded already"]
    assert before == [list(model.objects.order_by("pk").values()) for model in (Dataset, Release, Archive, Volume)]


def test_run_that_ended_between_two_datasets_is_completed(maintainer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = loading.upload

    def fail_at_the_brain(sample: SampleDataset, archive: SampleArchive) -> object:
        if sample.slug == "brain":
            raise BucketDown("it does not answer")
        return upload(sample, archive)

    monkeypatch.setattr(loading, "upload", fail_at_the_brain)
    with pytest.raises(BucketDown):
        load(maintainer)
    monkeypatch.setattr(loading, "upload", upload)
    assert list(Dataset.objects.values_list("slug", flat=True)) == ["knee"]
    load(maintainer)
    assert set(Release.objects.published().values_list("dataset__slug", flat=True)) == {"knee", "brain"}
    assert AgreementVersion.objects.count() == 1
