"""Datasets, their releases, the archives of a release, and the volumes in an archive."""

from typing import Self

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Count, Q, Sum
from django.urls import reverse

from accounts.models import Agreement
from accounts.models.evidence import tracked
from accounts.models.search import WordVector

version_validator = RegexValidator(r"^[0-9]+(\.[0-9]+)*$", "Write a version such as 2.0.")
PLAIN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z"
name_validator = RegexValidator(
    PLAIN_NAME,
    "Use letters, digits, dots, hyphens and underscores; begin with a letter or digit.",
)
sha256_validator = RegexValidator(r"^[0-9a-f]{64}\Z", "A SHA-256 has 64 hexadecimal digits.")
# Names below /get/<token>/ that the portal answers itself.
RESERVED_NAMES = (
    "download.sh",
    "aria2.txt",
    "SHA256SUMS",
    "manifest.json",
    "status",
    "commands.txt",
    "curl.txt",
    "wget.txt",
)


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def listed(self) -> Self:
        return self.filter(is_listed=True)


@tracked()
class Dataset(models.Model):
    class AccessPolicy(models.TextChoices):
        AUTOMATIC = "automatic", "At once, after signing"
        REVIEWED = "reviewed", "Reviewed by a person"

    class Audience(models.TextChoices):
        EVERYONE = "everyone", "Everyone"
        SIGNED_IN = "signed-in", "Who is signed in"
        HOLDERS = "holders", "Who has signed the agreement"

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    summary = models.CharField(max_length=300, help_text="One or two sentences, for lists.")
    description = models.TextField(help_text="Markdown.")
    anatomy = models.CharField(max_length=100)
    citation = models.TextField(blank=True, help_text="Markdown, one reference a paragraph.")
    doi = models.CharField("DOI", max_length=100, blank=True)
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="datasets")
    access_policy = models.CharField(max_length=10, choices=AccessPolicy, default=AccessPolicy.REVIEWED)
    access_days = models.PositiveSmallIntegerField(
        default=180, validators=[MinValueValidator(1), MaxValueValidator(3650)], help_text="How long access lasts."
    )
    preview_audience = models.CharField(max_length=10, choices=Audience, default=Audience.HOLDERS)
    is_listed = models.BooleanField("listed", default=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Order in lists.")

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("dataset", args=[self.slug])


class ReleaseQuerySet(models.QuerySet["Release"]):
    def published(self) -> Self:
        return self.filter(status=Release.Status.PUBLISHED)

    def scheduled(self) -> Self:
        return self.filter(status=Release.Status.SCHEDULED)

    def visible(self) -> Self:
        """What the public catalogue shows: withdrawn ones too, with their reason."""
        return self.filter(status__in=[Release.Status.PUBLISHED, Release.Status.WITHDRAWN], dataset__is_listed=True)

    def newest_first(self) -> Self:
        return self.order_by("-published_at", "-id")

    def with_totals(self) -> Self:
        """Adds archive_count and total_size (bytes)."""
        return self.annotate(archive_count=Count("archives"), total_size=Sum("archives__size"))


@tracked()
class Release(models.Model):
    class Status(models.TextChoices):
        DRAFT = "draft", "draft"
        CHECKING = "checking", "checking"
        READY = "ready", "ready"
        SCHEDULED = "scheduled", "scheduled"
        PUBLISHED = "published", "published"
        WITHDRAWN = "withdrawn", "withdrawn"
        FAILED = "failed", "failed"

    MOVES = {
        Status.DRAFT: {Status.CHECKING},
        Status.CHECKING: {Status.READY, Status.FAILED},
        Status.FAILED: {Status.CHECKING},
        Status.READY: {Status.DRAFT, Status.SCHEDULED, Status.PUBLISHED},
        Status.SCHEDULED: {Status.READY, Status.PUBLISHED},
        Status.PUBLISHED: {Status.WITHDRAWN},
        # A mistake that is undone.
        Status.WITHDRAWN: {Status.PUBLISHED},
    }

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="releases")
    version = models.CharField(max_length=20, validators=[version_validator])
    summary = models.CharField(max_length=300, blank=True)
    notes = models.TextField(blank=True, help_text="Markdown: what changed since the release before.")
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT, editable=False)
    reason = models.TextField(blank=True, editable=False, help_text="Why it failed or was withdrawn.")
    publish_at = models.DateTimeField("is published at", null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        ordering = ["dataset", "-published_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "version"], name="one_release_a_version"),
            models.CheckConstraint(
                condition=~Q(status="withdrawn") | (Q(withdrawn_at__isnull=False) & ~Q(reason="")),
                name="release_withdrawn_with_reason",
            ),
            models.CheckConstraint(
                condition=~Q(status="published") | Q(published_at__isnull=False), name="release_published_with_time"
            ),
            models.CheckConstraint(
                condition=~Q(status="scheduled") | Q(publish_at__isnull=False), name="release_scheduled_with_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name} {self.version}"

    def get_absolute_url(self) -> str:
        return reverse("release", args=[self.dataset.slug, self.version])

    @property
    def is_withdrawn(self) -> bool:
        return self.status == self.Status.WITHDRAWN


class ArchiveQuerySet(models.QuerySet["Archive"]):
    def verified(self) -> Self:
        return self.filter(status=Archive.Status.VERIFIED)

    def failed(self) -> Self:
        return self.filter(status=Archive.Status.FAILED)

    def unverified(self) -> Self:
        return self.exclude(status=Archive.Status.VERIFIED)

    def with_volume_counts(self) -> Self:
        return self.annotate(volume_count=Count("volumes"))


@tracked(but=["part_hashes"])
class Archive(models.Model):
    """One downloadable object. Sizes are bytes; what is not known yet is None."""

    class Status(models.TextChoices):
        REGISTERED = "registered", "registered"
        INGESTING = "ingesting", "ingesting"
        VERIFIED = "verified", "verified"
        FAILED = "failed", "failed"

    class Split(models.TextChoices):
        SAMPLE = "sample", "sample"
        TRAIN = "train", "train"
        VALIDATION = "validation", "validation"
        TEST = "test", "test"
        IMAGES = "images", "images"
        OTHER = "", "not recorded"

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="archives")
    name = models.CharField("file name", max_length=150, validators=[name_validator])
    key = models.CharField("bucket key", max_length=1024)
    version_id = models.CharField("version of the object", max_length=1024, blank=True)
    etag = models.CharField("ETag", max_length=200, blank=True)
    size = models.PositiveBigIntegerField("size in bytes", null=True, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True, validators=[sha256_validator])
    part_size = models.PositiveBigIntegerField(null=True, blank=True)
    part_hashes = models.JSONField(default=list, blank=True)
    split = models.CharField(max_length=10, choices=Split, blank=True)
    coils = models.CharField(max_length=20, blank=True, help_text="Such as 15, or 4 to 20.")
    status = models.CharField(max_length=10, choices=Status, default=Status.REGISTERED, editable=False)
    reason = models.TextField(blank=True, editable=False)

    objects = ArchiveQuerySet.as_manager()

    class Meta:
        ordering = ["release", "id"]
        constraints = [
            models.UniqueConstraint(fields=["release", "name"], name="one_archive_a_name"),
            models.CheckConstraint(
                condition=~Q(status="verified") | (Q(size__isnull=False) & ~Q(sha256="")),
                name="archive_verified_with_hash",
            ),
            models.CheckConstraint(condition=~Q(name__in=RESERVED_NAMES), name="archive_name_not_reserved"),
            # Names go into scripts and lists as they are.
            models.CheckConstraint(condition=Q(name__regex=PLAIN_NAME), name="archive_name_plain"),
            models.CheckConstraint(condition=~Q(status="failed") | ~Q(reason=""), name="archive_failed_with_reason"),
        ]

    def __str__(self) -> str:
        return self.name


class Volume(models.Model):
    """One scan inside an archive: an HDF5 member, at this byte of the uncompressed stream."""

    archive = models.ForeignKey(Archive, on_delete=models.CASCADE, related_name="volumes")
    path = models.CharField("member path", max_length=255)
    offset = models.PositiveBigIntegerField("first byte")
    size = models.PositiveBigIntegerField("size in bytes")
    acquisition = models.CharField(max_length=40, blank=True, db_index=True)
    slices = models.PositiveIntegerField(null=True)
    coils = models.PositiveSmallIntegerField(null=True)
    readout = models.PositiveIntegerField(null=True)
    phase = models.PositiveIntegerField(null=True)
    field_strength = models.FloatField("field strength in tesla", null=True, blank=True)

    words = models.GeneratedField(
        expression=WordVector("path", "acquisition"), output_field=SearchVectorField(), db_persist=True
    )

    class Meta:
        ordering = ["archive", "path"]
        constraints = [models.UniqueConstraint(fields=["archive", "path"], name="one_volume_a_path")]
        indexes = [GinIndex(fields=["words"], name="volume_words")]

    def __str__(self) -> str:
        return self.path

    def get_absolute_url(self) -> str:
        release = self.archive.release
        return reverse("volume", args=[release.dataset.slug, release.version, self.archive.name, self.path])


class CatalogueEdition(models.Model):
    """Whether what public pages are made of has changed: the sum of all numbers is another one after every commit that
    wrote there. Triggers of the database move it (a migration has them), each in a row that no other transaction holds:
    several rows, so that nobody waits for another's commit, and few, because a row is taken again."""

    number = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number}"
