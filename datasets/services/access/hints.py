"""What a reviewer would look up about those who ask. Nothing here decides: it only saves looking.

A constant number of queries, however many requests there are, each of which reads little however many people there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import Bounce, User
from accounts.models.users import Domain
from datasets.models import AccessGrant, AccessRequest
from datasets.services.access.domains import domain_of, is_free_mail
from datasets.services.access.grants import missing_profile

# A request that waits longer is marked.
LONG = timedelta(days=7)
# A purpose shorter than this says little.
SHORT_PURPOSE = 150
# People of a domain or a name are counted so far; of former requests so many are looked at.
COUNTED, LOOKED_AT = 20, 500
FORMER = {
    AccessRequest.Status.APPROVED: "was approved for {}",
    AccessRequest.Status.DECLINED: "was declined for {}",
    AccessRequest.Status.WITHDRAWN: "withdrew a request for {}",
}
# Grouped, PostgreSQL would look at everybody of a domain that has thousands.
HOLDERS = """SELECT d.name, (
        SELECT count(*) FROM (
            SELECT 1 FROM accounts_user u
            CROSS JOIN LATERAL (
                SELECT 1 FROM datasets_accessgrant g
                WHERE g.user_id = u.id AND g.status = 'active' AND g.ends_at > %s LIMIT 1) AS held
            WHERE SUBSTRING(u.email FROM '[^@]*$') = d.name LIMIT %s) AS few)
    FROM unnest(%s::text[]) AS d (name)
"""


@dataclass(frozen=True)
class Hints:
    """About one request; `lines` is how pages say it."""

    comes_back: bool
    """Whether mail to the person does."""
    domain: str
    is_free: bool
    """Whether anybody gets an address there."""
    colleagues: int
    """Other people of the domain who have access, up to COUNTED + 1; not counted where anybody gets an address."""
    missing: Sequence[str]
    held: Sequence[str]
    former: Sequence[str]
    namesakes: int
    namesakes_with_access: int
    purpose_length: int

    @property
    def lines(self) -> list[str]:
        told = [
            "mail to the address comes back" if self.comes_back else "",
            self._domain(),
            f"profile lacks: {', '.join(self.missing)}" if self.missing else "",
            *self.held,
            *self.former,
            self._namesakes(),
            f"purpose of {self.purpose_length} characters" if self.purpose_length < SHORT_PURPOSE else "",
        ]
        return [line for line in told if line]

    def _domain(self) -> str:
        if self.is_free:
            return f"{self.domain}: free mail"
        if not self.colleagues:
            return f"{self.domain}: nobody else has access"
        return f"{self.domain}: {_counted(self.colleagues)} other{'s have' if self.colleagues > 1 else ' has'} access"

    def _namesakes(self) -> str:
        if not self.namesakes:
            return ""
        accounts = "account has" if self.namesakes == 1 else "accounts have"
        access = f", {_counted(self.namesakes_with_access)} with access" if self.namesakes_with_access else ""
        return f"{_counted(self.namesakes)} other {accounts} this name{access}"


def _counted(number: int) -> str:
    return f"{number}" if number <= COUNTED else f"more than {COUNTED}"


def hints_for(requests: Iterable[AccessRequest]) -> dict[int, Hints]:
    """By the number of each request. They come with their people."""
    asked = list(requests)
    people = {request.user_id: request.user for request in asked}
    held, former = _held(people), _former(people, {request.pk for request in asked})
    holders = _holders({domain_of(user.email) for user in people.values()})
    namesakes = _namesakes(people.values())
    comes_back = set(_unreachable(people).values_list("pk", flat=True))
    found = {}
    for request in asked:
        user = request.user
        domain = domain_of(user.email)
        others = [has_access for pk, has_access in namesakes[user.name.lower()] if pk != user.pk]
        found[request.pk] = Hints(
            comes_back=user.pk in comes_back,
            domain=domain,
            is_free=is_free_mail(domain),
            colleagues=max(0, holders.get(domain, 0) - bool(held[user.pk])),
            missing=missing_profile(user),
            held=held[user.pk],
            former=former[user.pk],
            namesakes=len(others),
            namesakes_with_access=sum(others),
            purpose_length=len(request.purpose),
        )
    return found


def has_waited_long(request: AccessRequest) -> bool:
    return request.status == AccessRequest.Status.PENDING and timezone.now() - request.created_at > LONG


def of_the_same_name(user: User) -> QuerySet[Any]:
    return _named({user.name.lower()} - {""}).exclude(pk=user.pk)


def of_the_same_domain(user: User) -> QuerySet[Any]:
    """Who has access with an address there; nobody where anybody gets one."""
    domain = domain_of(user.email)
    if is_free_mail(domain):
        return User.objects.none()
    people = _with_access(User.objects.annotate(domain=Domain("email")).filter(domain=domain))
    return people.filter(has_access=True).exclude(pk=user.pk)


def _named(names: Iterable[str]) -> QuerySet[Any]:
    """People of these names, in small letters."""
    return _with_access(User.objects.annotate(lower_name=Lower("name")).filter(lower_name__in=list(names)))


def _with_access(people: QuerySet[Any]) -> QuerySet[Any]:
    return people.annotate(has_access=Exists(AccessGrant.objects.current().filter(user=OuterRef("pk"))))


def _held(people: Iterable[int]) -> dict[int, list[str]]:
    held: dict[int, list[str]] = defaultdict(list)
    grants = AccessGrant.objects.current().filter(user__in=list(people)).order_by("pk")
    for user, name, since in grants.values_list("user", "dataset__name", "starts_at"):
        held[user].append(f"holds {name} since {since:%B %Y}")
    return held


def _former(people: Iterable[int], these: set[int]) -> dict[int, list[str]]:
    """What the same people asked for before, each outcome once a dataset; how often, where it was more than once."""
    times: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    decided = AccessRequest.objects.filter(user__in=list(people), status__in=list(FORMER)).exclude(pk__in=these)
    rows = decided.order_by("-pk").values_list("user", "status", "dataset__name")[:LOOKED_AT]
    for user, status, name in rows:
        times[user][FORMER[AccessRequest.Status(status)].format(name)] += 1
    told: dict[int, list[str]] = defaultdict(list)
    for user, lines in times.items():
        told[user] = [line if count == 1 else f"{line} {count} times" for line, count in sorted(lines.items())]
    return told


def _holders(domains: set[str]) -> dict[str, int]:
    wanted = sorted(domain for domain in domains if not is_free_mail(domain))
    with connection.cursor() as cursor:
        cursor.execute(HOLDERS, [timezone.now(), COUNTED + 2, wanted])
        return dict(cursor.fetchall())


def _namesakes(people: Iterable[User]) -> dict[str, list[tuple[int, bool]]]:
    """The numbers of those who have the name, and whether they have access."""
    names = {user.name.lower() for user in people if user.name}
    found: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for name, pk, has_access in _named(names).values_list("lower_name", "pk", "has_access")[:LOOKED_AT]:
        found[name].append((pk, has_access))
    return found


def _unreachable(people: Iterable[int]) -> QuerySet[User]:
    return User.objects.filter(pk__in=list(people)).filter(Exists(Bounce.objects.open().of_the_outer_person()))
