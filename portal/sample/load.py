"""Puts the sample data into a site: agreement, datasets, releases, archives, volumes with the previews to be made, and
the objects in the bucket."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pghistory
from django.db import transaction

from accounts.models import Agreement, AgreementVersion, User
from accounts.services.agreements import current_version, publish_version
from datasets.models import Archive, Dataset, Release, Volume
from datasets.services.previews import plan_previews
from datasets.services.releases import publish_sample
from datasets.storage import ObjectFacts, bucket
from portal.sample.archives import SampleArchive
from portal.sample.generate import SampleDataset, generate
from portal.sample.plan import PLANS

AGREEMENT_SLUG = "data-use"
AGREEMENT_TITLE = "Data-use agreement for raw MRI data"
AGREEMENT_TEXT = Path(__file__).with_name("agreement.md")
AGREEMENT_SUMMARY = """\
- Use the data for research and teaching in your own institution.
- Give neither the data nor your download link to anybody; colleagues sign for themselves.
- Do not try to find out who a person is.
- Delete withdrawn archives within thirty days.
- Cite the dataset and the release.
"""
STATEMENTS = [
    "I have read this version of the agreement and agree to it.",
    "I will not pass on the data or my download link.",
    "I will not try to find out who a person in the data is.",
    "I will delete withdrawn archives within thirty days.",
]
POLICIES = {"knee": Dataset.AccessPolicy.AUTOMATIC, "brain": Dataset.AccessPolicy.REVIEWED}
# One of each, so that both can be seen.
AUDIENCES = {"knee": Dataset.Audience.EVERYONE, "brain": Dataset.Audience.HOLDERS}

Progress = Callable[[str], None]
Generate = Callable[[Path, Progress], list[SampleDataset]]


def load_samples(progress: Progress, *, by: User, make: Generate = generate) -> None:
    """Loads what is missing, in the maintainer's name; where nothing is, it changes nothing.

    A dataset and its release are written in one transaction after their objects are in the bucket. So a run that ends
    in the middle leaves nothing that the next one would take for whole.
    """
    present = set(Release.objects.values_list("dataset__slug", "version"))
    if all((plan.slug, plan.version) in present for plan in PLANS):
        progress("The sample data are loaded already")
        plan_missing_previews()
        return
    agreement = load_agreement(by=by)
    folder = Path(tempfile.mkdtemp(prefix="portal-sample-"))
    try:
        for position, sample in enumerate(make(folder, progress)):
            if (sample.slug, sample.version) not in present:
                load_dataset(sample, agreement=agreement, position=position, progress=progress, by=by)
    finally:
        shutil.rmtree(folder)


def plan_missing_previews() -> None:
    """Of samples that were loaded before there were previews."""
    for plan in PLANS:
        of_sample = Volume.objects.filter(archive__release__dataset__slug=plan.slug)
        plan_previews(of_sample.filter(archive__release__version=plan.version))


def load_agreement(*, by: User) -> Agreement:
    """The agreement with a published version. One that the maintainers have written since is left as it is."""
    with transaction.atomic(), pghistory.context(user=by.pk):
        agreement, _created = Agreement.objects.get_or_create(slug=AGREEMENT_SLUG, defaults={"title": AGREEMENT_TITLE})
        if current_version(agreement) is None:
            version, _created = AgreementVersion.objects.get_or_create(
                agreement=agreement,
                number=1,
                defaults={
                    "text": AGREEMENT_TEXT.read_text(),
                    "summary": AGREEMENT_SUMMARY,
                    "statements": STATEMENTS,
                },
            )
            publish_version(version, by=by)
    return agreement


def load_dataset(
    sample: SampleDataset, *, agreement: Agreement, position: int, progress: Progress, by: User
) -> Release:
    facts = [upload(sample, archive) for archive in sample.archives]
    with transaction.atomic(), pghistory.context(user=by.pk):
        dataset, _created = Dataset.objects.get_or_create(
            slug=sample.slug,
            defaults={
                "name": sample.name,
                "summary": sample.summary,
                "description": sample.description,
                "anatomy": sample.anatomy,
                "citation": sample.citation,
                "agreement": agreement,
                "access_policy": POLICIES[sample.slug],
                "preview_audience": AUDIENCES[sample.slug],
                "position": position,
            },
        )
        release = Release.objects.create(
            dataset=dataset,
            version=sample.version,
            summary="Simulated scans in the fastMRI format.",
            notes=sample.notes,
            # Its archives were read to their ends just now; there is nothing left to check.
            status=Release.Status.READY,
        )
        for archive, seen in zip(sample.archives, facts, strict=True):
            add_archive(release, sample, archive, seen)
        plan_previews(Volume.objects.filter(archive__release=release))
        publish_sample(release, by=by)
    progress(f"{release} is published: {len(facts)} archives, {sum(seen.size for seen in facts) / 1e6:.1f} MB")
    return release


def key_of(sample: SampleDataset, archive: SampleArchive) -> str:
    return f"{sample.slug}/{sample.version}/{archive.name}"


def upload(sample: SampleDataset, archive: SampleArchive) -> ObjectFacts:
    """The archive into the bucket, and what the bucket then says of it."""
    key = key_of(sample, archive)
    bucket().upload(archive.path, key)
    return bucket().head(key)


def add_archive(release: Release, sample: SampleDataset, archive: SampleArchive, seen: ObjectFacts) -> Archive:
    row = Archive.objects.create(
        release=release,
        name=archive.name,
        key=key_of(sample, archive),
        version_id=seen.version_id,
        etag=seen.etag,
        size=archive.size,
        sha256=archive.sha256,
        part_size=archive.part_size,
        part_hashes=list(archive.part_hashes),
        split=archive.split,
        coils=archive.coils,
        status=Archive.Status.VERIFIED,
    )
    Volume.objects.bulk_create(
        Volume(
            archive=row,
            path=volume.path,
            offset=volume.offset,
            size=volume.size,
            acquisition=volume.acquisition,
            readout=volume.readout,
            phase=volume.phase,
            slices=volume.slices,
            coils=volume.coils,
            field_strength=volume.field_strength,
        )
        for volume in archive.volumes
    )
    return row
