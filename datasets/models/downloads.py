"""Personal links, and the append-only record of what was handed out through them."""

import secrets
from typing import Self

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models.evidence import never_emptied
from datasets.models.access import AccessGrant
from datasets.models.catalog import Archive, Release


def random_nonce() -> int:
    """64 random bits as PostgreSQL's signed bigint."""
    return secrets.randbits(64) - (1 << 63)


class DownloadLinkQuerySet(models.QuerySet["DownloadLink"]):
    def live(self) -> Self:
        return self.filter(status=DownloadLink.Status.LIVE)


class DownloadLink(models.Model):
    class Status(models.TextChoices):
        LIVE = "live", "live"
        REPLACED = "replaced", "replaced"
        REVOKED = "revoked", "revoked"

    MOVES = {Status.LIVE: {Status.REPLACED, Status.REVOKED}, Status.REPLACED: set(), Status.REVOKED: set()}

    grant = models.ForeignKey(AccessGrant, on_delete=models.CASCADE, related_name="links")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="links")
    nonce = models.BigIntegerField(unique=True, default=random_nonce, editable=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.LIVE, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    never_changes = ("grant", "release")
    objects = DownloadLinkQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["grant", "release"], condition=Q(status="live"), name="one_live_link_a_release"
            ),
            models.CheckConstraint(
                condition=Q(status="live", ended_at__isnull=True) | (~Q(status="live") & Q(ended_at__isnull=False)),
                name="link_ended_with_time",
            ),
        ]
        indexes = [models.Index(fields=["status", "id"], condition=~Q(status="live"), name="link_ended")]

    def __str__(self) -> str:
        return f"link {self.pk} for {self.release}"


# A record may lose its network address after a stated time; while a Deletion of its person runs, also the client and
# the country. Nothing else, ever.
FORGETS_WHENCE_ONLY = """
    IF TG_OP = 'UPDATE' AND NEW.address IS NULL THEN
        IF public.forgets_only(to_jsonb(OLD), to_jsonb(NEW), ARRAY['address']) THEN
            RETURN NEW;
        END IF;
        IF NEW.agent = '' AND NEW.country = ''
            AND public.forgets_only(to_jsonb(OLD), to_jsonb(NEW), ARRAY['address', 'agent', 'country'])
            AND public.deletion_runs((
                SELECT g.user_id FROM public.datasets_downloadlink l
                JOIN public.datasets_accessgrant g ON g.id = l.grant_id WHERE l.id = OLD.link_id))
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'download records are append-only';
"""


class DownloadRecord(models.Model):
    """One presigned redirect issued: what was asked for, not what arrived."""

    link = models.ForeignKey(DownloadLink, on_delete=models.PROTECT, related_name="records", db_index=False)
    archive = models.ForeignKey(Archive, on_delete=models.PROTECT, related_name="records")
    first_byte = models.PositiveBigIntegerField(default=0)
    asked = models.PositiveBigIntegerField("bytes asked for", null=True, help_text="Null: not recorded.")
    issued_at = models.DateTimeField(default=timezone.now)
    address = models.GenericIPAddressField("network address", null=True)
    agent = models.CharField("client", max_length=200, blank=True)
    country = models.CharField(max_length=2, blank=True)

    append_only = True

    class Meta:
        ordering = ["-id"]
        indexes = [
            # With the number, so that all requests of one person are counted and listed out of the index alone.
            models.Index(fields=["link", "archive", "issued_at"], include=["id"], name="record_by_link"),
            models.Index(fields=["issued_at"], condition=Q(address__isnull=False), name="record_with_address"),
            models.Index(fields=["issued_at"], name="record_issued"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="record_append_only",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func=FORGETS_WHENCE_ONLY,
            ),
            never_emptied(),
        ]

    def __str__(self) -> str:
        return f"{self.archive} from byte {self.first_byte}"


class DailyUsage(models.Model):
    """How much was opened by what was asked for through a grant on a day of UTC, as datasets.services.downloads.usage
    counts it.

    No evidence: the records are. It is written with each of them and read with each request, so the key begins with the
    day: what is asked for now stands together in the index. Only `asked` changes, which no index holds, and pages are
    kept half empty (a migration sets it), so that PostgreSQL changes a row in its place."""

    pk = models.CompositePrimaryKey("day", "grant")
    day = models.DateField()
    grant = models.ForeignKey(AccessGrant, on_delete=models.CASCADE, related_name="usage")
    asked = models.PositiveBigIntegerField("bytes asked for")

    class Meta:
        ordering = ["-day"]
        verbose_name = "use of a day"

    def __str__(self) -> str:
        return f"grant {self.grant_id} on {self.day}"
