"""Where a person stands with datasets, as pages show it, and how long others waited.

What may be downloaded is decided by datasets.permissions alone; this only tells people about it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import AgreementVersion, Signature, User
from accounts.services.agreements import Signing, compare
from datasets.models import AccessGrant, AccessRequest, Dataset
from datasets.templatetags.house import spelled

# From so many days before the end on, pages say that it is near.
ENDING_DAYS = 14
# How far back waiting times look, and at how many decisions of a dataset at most.
WAITING_DAYS, WAITING_SAMPLE = 90, 1_000

Row = TypeVar("Row", AccessGrant, AccessRequest)


class State(StrEnum):
    """One word for where somebody stands, in the order in which one usually passes them."""

    NONE = "none"
    """Not signed in."""
    UNSIGNED = "unsigned"
    SIGNED = "signed"
    """What is required is signed, perhaps for another dataset; access was not asked for."""
    PENDING = "pending"
    ACTIVE = "active"
    ENDING = "ending"
    NEW_VERSION = "new version"
    """Access runs, but a version of the agreement is required that is not signed: downloads are refused."""
    ENDED = "ended"
    DECLINED = "declined"
    REVOKED = "revoked"


# The words of the state mark where they are others than the state's own.
SHOWN = {State.ENDING: "ends soon", State.NEW_VERSION: "not signed", State.UNSIGNED: "not signed"}


def working_days(count: int | None) -> str:
    """As it stands in a sentence; empty when unknown."""
    if not count:
        return "" if count is None else "less than a working day"
    return f"{spelled(count)} working day{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class WaitingTimes:
    """How many wait now, and how long others waited for a person's decision, in working days; None is unknown."""

    pending: int
    decided: int
    median: int | None
    ninth_decile: int | None

    @property
    def median_words(self) -> str:
        return working_days(self.median)

    @property
    def ninth_decile_words(self) -> str:
        return working_days(self.ninth_decile)


@dataclass(frozen=True)
class AccessStanding:
    """One person and one dataset."""

    dataset: Dataset
    state: State
    signing: Signing | None = None
    grant: AccessGrant | None = None
    request: AccessRequest | None = None
    waiting: WaitingTimes | None = None

    @property
    def word(self) -> str:
        return SHOWN.get(self.state, self.state.value)

    @property
    def holds_access(self) -> bool:
        """Whether there is a grant that runs. Whether a release may be downloaded is may_download's to say."""
        return self.state in {State.ACTIVE, State.ENDING, State.NEW_VERSION}

    @property
    def to_sign(self) -> AgreementVersion | None:
        return self.signing.to_sign if self.signing else None

    @property
    def required_from(self) -> datetime | None:
        """From when downloads stop unless the new version is signed."""
        return self.to_sign.required_from if self.to_sign and self.holds_access else None

    @property
    def place(self) -> int | None:
        """How many requests are before the pending one."""
        return getattr(self.request, "place", None) if self.state is State.PENDING else None

    @property
    def renews_to(self) -> datetime:
        """The end that a renewal today would set."""
        return timezone.now() + timedelta(days=self.dataset.access_days)

    @property
    def can_renew(self) -> bool:
        """One click is enough: the agreement is still current, and renewing gains at least a day."""
        if self.grant is None or self.to_sign or self.state not in {State.ACTIVE, State.ENDING, State.ENDED}:
            return False
        return self.renews_to - self.grant.ends_at >= timedelta(days=1)

    @property
    def opens_at_once(self) -> bool:
        automatic = self.dataset.access_policy == Dataset.AccessPolicy.AUTOMATIC
        return automatic and self.state is not State.REVOKED


def standing_of(user: User | AnonymousUser, dataset: Dataset) -> AccessStanding:
    """A constant number of queries: none for who is not signed in, else four, and one more for waiting times."""
    if not isinstance(user, User):
        return AccessStanding(dataset=dataset, state=State.NONE)
    return _standings(user, [dataset], AccessGrant.objects.filter(dataset=dataset), _placed().filter(dataset=dataset))[
        0
    ]


def standings_of(user: User) -> list[AccessStanding]:
    """Every dataset for which this person has or had a grant or a request, those that can be used first."""
    grants, requests = AccessGrant.objects.all(), _placed()
    held = Dataset.objects.filter(pk__in=_datasets_of(user)).select_related("agreement")
    order = [State.ACTIVE, State.ENDING, State.NEW_VERSION, State.PENDING, State.ENDED]
    standings = [found for found in _standings(user, list(held), grants, requests) if found.grant or found.request]
    return sorted(standings, key=lambda found: order.index(found.state) if found.state in order else len(order))


def _datasets_of(user: User) -> QuerySet:
    granted = AccessGrant.objects.filter(user=user).values("dataset")
    return granted.union(AccessRequest.objects.filter(user=user).values("dataset"))


def _standings(
    user: User, datasets: list[Dataset], grants: QuerySet[AccessGrant], requests: QuerySet[AccessRequest]
) -> list[AccessStanding]:
    newest_grant = _first_by_dataset(grants.filter(user=user).order_by("-status", "id"))
    newest_request = _first_by_dataset(requests.filter(user=user).order_by("id"))
    signings = _signings(user, {dataset.agreement_id for dataset in datasets})
    waiting = waiting_times_of(
        dataset.pk for dataset in datasets if dataset.access_policy == Dataset.AccessPolicy.REVIEWED
    )
    return [
        _standing(
            dataset,
            signings[dataset.agreement_id],
            newest_grant.get(dataset.pk),
            newest_request.get(dataset.pk),
            waiting.get(dataset.pk),
        )
        for dataset in datasets
    ]


def _standing(
    dataset: Dataset,
    signing: Signing,
    grant: AccessGrant | None,
    request: AccessRequest | None,
    waiting: WaitingTimes | None,
) -> AccessStanding:
    state = _state(signing, grant, request)
    return AccessStanding(dataset, state, signing, grant, request, waiting)


def _state(signing: Signing, grant: AccessGrant | None, request: AccessRequest | None) -> State:
    runs = grant is not None and grant.status == AccessGrant.Status.ACTIVE
    if grant is not None and runs and not grant.has_ended:
        if signing.is_due:
            return State.NEW_VERSION
        return State.ENDING if grant.days_left < ENDING_DAYS else State.ACTIVE
    if request is not None and request.status == AccessRequest.Status.PENDING:
        return State.PENDING
    if runs:
        return State.ENDED
    refusals = {}
    if grant is not None and grant.revoked_at:
        refusals[grant.revoked_at] = State.REVOKED
    if request is not None and request.status == AccessRequest.Status.DECLINED and request.decided_at:
        refusals[request.decided_at] = State.DECLINED
    if refusals:
        return refusals[max(refusals)]
    return State.UNSIGNED if signing.to_sign or signing.signature is None else State.SIGNED


def _first_by_dataset(rows: Iterable[Row]) -> dict[int, Row]:
    """The last row of each dataset, so that order_by says which one wins."""
    return {row.dataset_id: row for row in rows}


def _placed() -> QuerySet[AccessRequest]:
    """Requests with `place`: how many pending ones for the dataset are older."""
    before = AccessRequest.objects.pending().filter(dataset=OuterRef("dataset"), pk__lt=OuterRef("pk"))
    counted = before.order_by().values("dataset").annotate(count=Count("pk")).values("count")
    return AccessRequest.objects.annotate(place=Coalesce(Subquery(counted), 0))


def _signings(user: User, agreements: set[int]) -> dict[int, Signing]:
    versions: dict[int, list[AgreementVersion]] = defaultdict(list)
    published = AgreementVersion.objects.published().filter(agreement__in=agreements).latest_first()
    for version in published.defer("text", "summary", "changes"):
        versions[version.agreement_id].append(version)
    signatures = Signature.objects.filter(user=user, version__agreement__in=agreements)
    newest = {
        signature.version.agreement_id: signature
        for signature in signatures.select_related("version").defer("version__text").order_by("version__number")
    }
    return {agreement: compare(versions[agreement], newest.get(agreement)) for agreement in agreements}


# Waiting times ---------------------------------------------------------------------------------------------

# Working days between two days, by arithmetic: weekdays since Monday 3 January 2000, each.
WEEKDAYS = "((({0}::date - DATE '2000-01-03') / 7) * 5 + least(({0}::date - DATE '2000-01-03') %% 7 + 1, 5))"
WAITING = f"""
    SELECT d.id,
        (SELECT count(*) FROM datasets_accessrequest p WHERE p.dataset_id = d.id AND p.status = 'pending'),
        count(w.days),
        percentile_disc(0.5) WITHIN GROUP (ORDER BY w.days),
        percentile_disc(0.9) WITHIN GROUP (ORDER BY w.days)
    FROM unnest(%s::bigint[]) AS d (id)
    LEFT JOIN LATERAL (
        SELECT {WEEKDAYS.format("r.decided_at")} - {WEEKDAYS.format("r.created_at")} AS days
        FROM datasets_accessrequest r
        WHERE r.dataset_id = d.id AND r.status IN ('approved', 'declined') AND r.decided_by_id IS NOT NULL
            AND r.decided_at > %s
        ORDER BY r.id DESC LIMIT %s) w ON true
    GROUP BY d.id
"""  # noqa: S608 - constants of this module


def waiting_times(dataset: Dataset) -> WaitingTimes:
    return waiting_times_of([dataset.pk])[dataset.pk]


def waiting_times_of(datasets: Iterable[int]) -> Mapping[int, WaitingTimes]:
    """One query for all of them. Only what people decided counts: a policy answers at once."""
    keys = list(datasets)
    if not keys:
        return {}
    since = timezone.now() - timedelta(days=WAITING_DAYS)
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [keys, since, WAITING_SAMPLE])
        return {pk: WaitingTimes(*counts) for pk, *counts in cursor.fetchall()}
