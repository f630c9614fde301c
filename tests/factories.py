"""Rows for tests, made as the site makes them."""

import hashlib
from datetime import timedelta

import factory
from django.utils import timezone

from accounts.models import Agreement, AgreementVersion, Bounce, Signature, User
from datasets.kspace.report import Facts, Kind, Layout, PictureReport, Report, Scores, SliceReport
from datasets.models import (
    AccessGrant,
    AccessRequest,
    Archive,
    Dataset,
    DownloadLink,
    DownloadRecord,
    Drift,
    Erratum,
    FixityCheck,
    Ingest,
    Notice,
    Preview,
    Release,
    Volume,
)

PASSWORD = "a long pass phrase for tests"


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"researcher{n}@example.org")
    name = factory.Sequence(lambda n: f"Researcher {n}")
    institution = "Example Institute of Imaging"
    country = "GH"
    position = User.Position.DOCTORAL
    research_purpose = (
        "Measuring how well undersampled scans of the knee can be reconstructed, and where they fail. " * 2
    )
    password = factory.django.Password(PASSWORD)

    @factory.post_generation
    def verified(self, create: bool, extracted: bool | None, **kwargs: object) -> None:
        """The address is confirmed unless verified=False."""
        if create and extracted is not False:
            self.emailaddress_set.create(email=self.email, verified=True, primary=True)


class StaffFactory(UserFactory):
    email = factory.Sequence(lambda n: f"maintainer{n}@example.org")
    is_staff = True
    is_superuser = True


class BounceFactory(factory.django.DjangoModelFactory):
    """A mail that came back for good from the address that the person has."""

    class Meta:
        model = Bounce

    user = factory.SubFactory(UserFactory)
    address = factory.SelfAttribute("user.email")
    kind = Bounce.Kind.PERMANENT
    said = "smtp; 550 5.1.1 user unknown"
    at = factory.LazyFunction(lambda: timezone.now() - timedelta(days=1))


class AgreementFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Agreement

    slug = factory.Sequence(lambda n: f"agreement-{n}")
    title = "Data-use agreement"


class AgreementVersionFactory(factory.django.DjangoModelFactory):
    """A published version, required since yesterday."""

    class Meta:
        model = AgreementVersion

    agreement = factory.SubFactory(AgreementFactory)
    number = factory.Sequence(lambda n: n % 30_000 + 1)
    text = factory.LazyAttribute(
        lambda row: f"# Agreement\n\nThe text of version {row.number}.\n\n## Use\n\nResearch only."
    )
    statements = ["I have read this version and agree to it.", "I will not pass on the data or my download link."]
    status = AgreementVersion.Status.REQUIRED
    published_at = factory.LazyFunction(lambda: timezone.now() - timedelta(days=1))
    required_from = factory.LazyFunction(lambda: timezone.now() - timedelta(days=1))


class SignatureFactory(factory.django.DjangoModelFactory):
    """A signature without a place in the chain; tests of the chain sign through the service."""

    class Meta:
        model = Signature

    user = factory.SubFactory(UserFactory)
    version = factory.SubFactory(AgreementVersionFactory)
    typed_name = factory.SelfAttribute("user.name")
    email = factory.SelfAttribute("user.email")
    address = "192.0.2.1"
    agent = "test"
    salt = "0" * 64
    statements = factory.SelfAttribute("version.statements")
    text_sha256 = factory.SelfAttribute("version.sha256")
    rendered_sha256 = factory.SelfAttribute("version.sha256")
    signed_at = factory.LazyFunction(timezone.now)
    previous_hash = factory.Sequence(lambda n: hashlib.sha256(f"previous {n}".encode()).hexdigest())
    record_hash = factory.Sequence(lambda n: hashlib.sha256(f"record {n}".encode()).hexdigest())


class DatasetFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Dataset

    slug = factory.Sequence(lambda n: f"dataset-{n}")
    name = factory.Sequence(lambda n: f"Dataset {n:04}")  # in lists they stand in the order in which they were made
    summary = "Coronal proton density, with and without fat suppression."
    description = "Raw k-space of every coil."
    anatomy = "Knee"
    agreement = factory.SubFactory(AgreementFactory)
    access_policy = Dataset.AccessPolicy.AUTOMATIC


class ReleaseFactory(factory.django.DjangoModelFactory):
    """A published release."""

    class Meta:
        model = Release

    dataset = factory.SubFactory(DatasetFactory)
    version = factory.Sequence(lambda n: f"{n + 1}.0")
    status = Release.Status.PUBLISHED
    published_at = factory.LazyFunction(lambda: timezone.now() - timedelta(days=2))
    publish_at = factory.LazyAttribute(
        lambda row: timezone.now() + timedelta(days=2) if row.status == Release.Status.SCHEDULED else None
    )


class ArchiveFactory(factory.django.DjangoModelFactory):
    """A verified archive of an object that need not exist."""

    class Meta:
        model = Archive

    release = factory.SubFactory(ReleaseFactory)
    name = factory.Sequence(lambda n: f"knee_multicoil_train_batch_{n}.tar.xz")
    key = factory.LazyAttribute(lambda row: f"v2.0/{row.name}")
    size = 100_694_526_932
    sha256 = factory.LazyAttribute(lambda row: hashlib.sha256(row.name.encode()).hexdigest())
    split = Archive.Split.TRAIN
    coils = "15"
    status = Archive.Status.VERIFIED


def published(release: Release) -> Release:
    """A draft that has all its archives by now, where the database lets nobody add some to a published release."""
    release.status, release.published_at = Release.Status.PUBLISHED, timezone.now() - timedelta(days=2)
    release.save(update_fields=["status", "published_at"])
    return release


class VolumeFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Volume

    archive = factory.SubFactory(ArchiveFactory)
    path = factory.Sequence(lambda n: f"multicoil_train/file{n:07}.h5")
    offset = 512
    size = 1_000_000
    acquisition = "CORPD_FBK"
    slices, coils, readout, phase = 36, 15, 640, 368


class PreviewFactory(factory.django.DjangoModelFactory):
    """Of a volume that waits to be rendered. With `pictures`, names of them, it is done."""

    class Meta:
        model = Preview

    class Params:
        pictures: tuple[str, ...] = ()

    volume = factory.SubFactory(VolumeFactory)
    state = factory.LazyAttribute(lambda row: Preview.State.DONE if row.pictures else Preview.State.WAITING)
    finished_at = factory.LazyAttribute(lambda row: timezone.now() if row.pictures else None)
    folder = factory.LazyAttribute(lambda row: digest_of(row.volume.path)[:32] if row.pictures else "")
    report = factory.LazyAttribute(lambda row: report_of(*row.pictures).as_json() if row.pictures else None)


class IngestFactory(factory.django.DjangoModelFactory):
    """Of an archive that waits to be read."""

    class Meta:
        model = Ingest

    archive = factory.SubFactory(
        ArchiveFactory,
        status=Archive.Status.REGISTERED,
        sha256="",
        release=factory.SubFactory(ReleaseFactory, status=Release.Status.CHECKING, published_at=None),
    )


class FixityCheckFactory(factory.django.DjangoModelFactory):
    """Of a release that waits to be looked at."""

    class Meta:
        model = FixityCheck

    release = factory.SubFactory(ReleaseFactory)


class DriftFactory(factory.django.DjangoModelFactory):
    """An object that is gone."""

    class Meta:
        model = Drift

    archive = factory.SubFactory(ArchiveFactory)
    finding = Drift.Finding.MISSING


class AccessRequestFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = AccessRequest

    user = factory.SubFactory(UserFactory)
    dataset = factory.SubFactory(DatasetFactory, access_policy=Dataset.AccessPolicy.REVIEWED)
    signature = factory.SubFactory(
        SignatureFactory,
        user=factory.SelfAttribute("..user"),
        version=factory.SubFactory(AgreementVersionFactory, agreement=factory.SelfAttribute("...dataset.agreement")),
    )
    purpose = factory.SelfAttribute("user.research_purpose")


class AccessGrantFactory(factory.django.DjangoModelFactory):
    """A grant that runs, without a signature: see `granted` for one that may download."""

    class Meta:
        model = AccessGrant

    user = factory.SubFactory(UserFactory)
    dataset = factory.SubFactory(DatasetFactory)
    ends_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=90))


class DownloadLinkFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = DownloadLink

    grant = factory.SubFactory(AccessGrantFactory)
    release = factory.SubFactory(ReleaseFactory, dataset=factory.SelfAttribute("..grant.dataset"))


class DownloadRecordFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = DownloadRecord

    link = factory.SubFactory(DownloadLinkFactory)
    archive = factory.SubFactory(ArchiveFactory, release=factory.SelfAttribute("..link.release"))
    address = "192.0.2.7"
    agent = "curl/8"


class ErratumFactory(factory.django.DjangoModelFactory):
    """A draft about a published release."""

    class Meta:
        model = Erratum

    release = factory.SubFactory(ReleaseFactory)
    text = "The mask of four volumes is shifted by one column."


class NoticeFactory(factory.django.DjangoModelFactory):
    """Of a version of which nobody has been told yet."""

    class Meta:
        model = Notice

    kind = Notice.Kind.AGREEMENT
    version = factory.SubFactory(AgreementVersionFactory)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def report_of(*pictures: str) -> Report:
    """What would be told of a volume with pictures of these names."""
    return Report(
        facts=Facts(layout=Layout.MULTI_COIL, shape=(3, 4, 16, 12), dtype="complex64", slices=3),
        slice=1,
        slices=(SliceReport(1, Scores(0.01, 32.0, 0.9)),),
        volume=None,
        acceleration=4,
        columns=(0, 5, 6, 7),
        centre=2,
        pictures=tuple(PictureReport(Kind.RECONSTRUCTION, 1, "full", 320, 320, name) for name in pictures),
        bytes_read=9_216,
        seconds=0.1,
    )


def granted(archives: int = 1, **user: object) -> DownloadLink:
    """A person who signed what is required and holds access to a published release with so many archives."""
    link = DownloadLinkFactory(grant__user=UserFactory(**user))
    version = AgreementVersionFactory(agreement=link.grant.dataset.agreement)
    SignatureFactory(user=link.grant.user, version=version)
    ArchiveFactory.create_batch(archives, release=link.release)
    return link
