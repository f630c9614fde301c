"""Errata, published."""

import pghistory
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from datasets.exceptions import MoveNotAllowed
from datasets.models import Erratum, Notice, Release
from datasets.services.notices.releases import plan_release_notice


@transaction.atomic
def publish_erratum(erratum: Erratum, *, by: User) -> Erratum:
    """Show it on the release's page, and tell whom it concerns. A second click finds it published."""
    erratum = Erratum.objects.select_for_update(of=("self",)).select_related("release__dataset").get(pk=erratum.pk)
    if erratum.is_published:
        return erratum
    release = erratum.release
    if release.status != Release.Status.PUBLISHED:
        raise MoveNotAllowed(f"{release} is {release.status}: only what is published has an erratum.")
    if erratum.archives.exclude(release=release).exists():
        raise MoveNotAllowed(f"It names an archive that is none of {release}.")
    erratum.published_at = timezone.now()
    with pghistory.context(user=by.pk):
        erratum.save(update_fields=["published_at"])
    plan_release_notice(release, Notice.Kind.ERRATUM, erratum=erratum)
    return erratum
