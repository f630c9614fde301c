"""Notices of new versions of agreements: which are due, and whom they concern."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.models import AgreementVersion, Signature, User
from datasets.models import AccessGrant, Dataset, Notice

# A version that was published longer ago is no news: an upgrade announces none that was published before there were
# notices.
NEWS = timedelta(days=14)
# How long before the day who has not signed is reminded.
REMINDER = timedelta(days=3)


# Whom ---------------------------------------------------------------------------------------------------


def people_to_reach(version: AgreementVersion) -> QuerySet[User]:
    """Whose access runs under the agreement and whose signatures do not suffice for this version, each once.

    Nobody for an editorial one. It need not be published: so many will be asked to sign.
    """
    if version.editorial:
        return User.objects.none()
    grants = AccessGrant.objects.current().filter(user=OuterRef("pk"), dataset__agreement=version.agreement_id)
    signed = Signature.objects.filter(
        user=OuterRef("pk"), version__agreement=version.agreement_id, version__number__gte=version.number
    )
    return User.objects.filter(Exists(grants), ~Exists(signed), is_active=True)


@dataclass(frozen=True)
class Concern:
    """What a new version means to one person."""

    datasets: list[Dataset]
    """Whose downloads stop unless it is signed."""
    current: AgreementVersion
    """The version that a signature made now would be for: this one, or one that was published after it."""


def concern_of(user: User, version: AgreementVersion) -> Concern | None:
    """None when nothing is asked of this person: it is signed, access has ended, or the account is disabled."""
    if not people_to_reach(version).filter(pk=user.pk).exists():
        return None
    grants = AccessGrant.objects.current().filter(user=user, dataset__agreement=version.agreement_id)
    held = Dataset.objects.filter(pk__in=grants.values("dataset")).order_by("position", "name")
    current = version.agreement.versions.published().latest_first().defer("text").first()
    return Concern(list(held), current or version)


# When ---------------------------------------------------------------------------------------------------


def unannounced() -> QuerySet[AgreementVersion]:
    """The newest version of each agreement that must be signed, if it is news, has no notice and replaces another one.

    Whether anybody is to be reached is asked when the notice is worked on: a notice that reached nobody is written all
    the same, so that this stays a question about a few versions and not about everybody's access.
    """
    newer = AgreementVersion.objects.published().filter(
        agreement=OuterRef("agreement"), number__gt=OuterRef("number"), editorial=False
    )
    older = AgreementVersion.objects.published().filter(agreement=OuterRef("agreement"), number__lt=OuterRef("number"))
    told = Notice.objects.filter(version=OuterRef("pk"), kind=Notice.Kind.AGREEMENT)
    news = AgreementVersion.objects.published().filter(editorial=False, published_at__gt=timezone.now() - NEWS)
    return news.filter(Exists(older), ~Exists(newer), ~Exists(told))


def announce_versions() -> int:
    """Write the notices of versions that have none, and their reminders for later; says how many versions."""
    now = timezone.now()
    versions = list(unannounced().only("agreement", "number", "required_from"))
    for version in versions:
        notices = [Notice(kind=Notice.Kind.AGREEMENT, version=version)]
        day = reminder_day(version)
        if day is not None and day > now:
            notices.append(Notice(kind=Notice.Kind.AGREEMENT_DUE, version=version, due_at=day))
        # Two workers may find the same version; each kind is written once.
        Notice.objects.bulk_create(notices, ignore_conflicts=True)
    return len(versions)


def reminder_day(version: AgreementVersion) -> datetime | None:
    return version.required_from - REMINDER if version.required_from else None


# How ----------------------------------------------------------------------------------------------------


def holders_after(cursor: int, version: AgreementVersion) -> QuerySet[AccessGrant, int]:
    """The numbers of people with access under the agreement, in their order."""
    held = AccessGrant.objects.current().filter(dataset__agreement=version.agreement_id, user__gt=cursor)
    return held.order_by("user").values_list("user", flat=True).distinct()


def is_past(version: AgreementVersion) -> bool:
    """Whether a reminder comes too late to be one."""
    return version.required_from is not None and version.required_from <= timezone.now()
