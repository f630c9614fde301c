"""Access: signed for, asked for, decided, renewed and revoked.

Locks are taken in one order: the chain of signatures, the person, a receipt or the request, the grant, its links. The
person's row is the one that serialises what two tabs, two clicks or two maintainers do at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pghistory
from django.db import transaction
from django.utils import timezone

from accounts.exceptions import VersionReplaced
from accounts.mail import queue
from accounts.models import AgreementVersion, Signature, User
from accounts.models.users import REQUIRED_PROFILE
from accounts.services.agreements import sign_agreement, signing_of
from accounts.text import one_line, only_seen
from datasets.exceptions import MoveNotAllowed, ProfileIncomplete, SignatureNeeded
from datasets.models import AccessGrant, AccessRequest, Dataset, Release
from datasets.permissions import as_clause, day_long
from datasets.services.downloads import issue_link, revoke_links

# Requests of one person for one dataset within 24 hours: each is mailed and each is read by a maintainer.
ASKS_A_DAY = 5
# A renewal that would gain less than this is a second click.
RENEWAL_GAIN = timedelta(days=1)
REASON_LENGTH = 2000
MOST_DAILY_BYTES = 10**15


@dataclass(frozen=True)
class Outcome:
    """What signing or asking led to: a grant, or a request that a person will decide."""

    signature: Signature
    grant: AccessGrant | None
    request: AccessRequest | None
    opened: bool = False
    """Whether the grant was given just now, so that its link is mailed."""


# By the person -------------------------------------------------------------------------------------------


@transaction.atomic
def sign_for_access(
    *,
    user: User,
    dataset: Dataset,
    version: AgreementVersion,
    typed_name: str,
    statements: Sequence[str],
    address: str | None,
    agent: str,
) -> Outcome:
    """Signature and what follows from it, all or nothing: a grant where access opens at once, else a request."""
    _require_profile(user)
    if version.agreement_id != dataset.agreement_id:
        raise VersionReplaced(f"{dataset.name} has another agreement now. Nothing was recorded. Read it below.")
    signature = sign_agreement(
        user=user, version=version, typed_name=typed_name, statements=statements, address=address, agent=agent
    )
    return _answer(user, dataset, signature)


@transaction.atomic
def ask_for_access(*, user: User, dataset: Dataset) -> Outcome:
    """Ask on the strength of a signature that was given before; SignatureNeeded when there is none that suffices."""
    _require_profile(user)
    return _answer(user, dataset, None)


@transaction.atomic
def withdraw_request(request: AccessRequest, *, by: User) -> AccessRequest:
    request = _locked_request(request)
    if request.status == AccessRequest.Status.WITHDRAWN:
        return request
    if by.pk != request.user_id:
        raise MoveNotAllowed("Only the person who asked can withdraw a request. Decline it instead.")
    _decide(request, AccessRequest.Status.WITHDRAWN, by=by)
    return request


@transaction.atomic
def renew_grant(grant: AccessGrant, *, by: User) -> AccessGrant:
    """Move the end of the same grant, counted from now and never to an earlier day, so that mailed commands live on."""
    grant = _locked_grant(grant)
    if grant.status != AccessGrant.Status.ACTIVE:
        raise MoveNotAllowed(f"{_revoked(grant, by)} It cannot be renewed.")
    if not grant.user.is_active:
        raise MoveNotAllowed(f"The account {grant.user.email} is disabled. Enable it first.")
    _require_signature(grant.user, grant.dataset)
    with pghistory.context(user=by.pk):
        _extend(grant)
    return grant


def _answer(user: User, dataset: Dataset, signature: Signature | None) -> Outcome:
    """What this person gets for a signature, new or given before."""
    user = _locked_person(user.pk)
    if not user.is_active:
        raise MoveNotAllowed("This account was closed a moment ago. Nothing was recorded.")
    grant = AccessGrant.objects.active().filter(user=user, dataset=dataset).select_for_update().first()
    if grant is not None and not grant.has_ended and signature is not None:
        return Outcome(signature, grant, None)
    newest = _require_signature(user, dataset)
    if grant is not None:
        # Somebody who signs or asks after the end wants to go on: the same as renewing.
        if grant.has_ended:
            _extend(grant)
        return Outcome(newest, grant, None)
    pending = AccessRequest.objects.pending().filter(user=user, dataset=dataset).select_for_update().first()
    if _opens_at_once(user, dataset):
        return Outcome(newest, _open_grant(user, dataset, pending), None, opened=True)
    return Outcome(newest, None, pending or _file_request(user, dataset, newest))


def _opens_at_once(user: User, dataset: Dataset) -> bool:
    """Whether no person needs to look. Who was revoked once is read by a maintainer, whatever the policy."""
    if dataset.access_policy != Dataset.AccessPolicy.AUTOMATIC:
        return False
    return not AccessGrant.objects.filter(user=user, dataset=dataset, status=AccessGrant.Status.REVOKED).exists()


def _file_request(user: User, dataset: Dataset, signature: Signature) -> AccessRequest:
    since = timezone.now() - timedelta(days=1)
    if AccessRequest.objects.filter(user=user, dataset=dataset, created_at__gt=since).count() >= ASKS_A_DAY:
        raise MoveNotAllowed(f"You asked for {dataset.name} {ASKS_A_DAY} times within a day. Ask again tomorrow.")
    request = AccessRequest.objects.create(
        user=user, dataset=dataset, signature=signature, purpose=user.research_purpose
    )
    queue("access/requested", user=user, once=f"requested:{request.pk}", request=request.pk)
    return request


def missing_profile(user: User) -> list[str]:
    """The names of what the profile does not say yet."""
    labels = {field.name: str(field.verbose_name) for field in User._meta.fields}
    return [labels[field] for field in REQUIRED_PROFILE if not getattr(user, field)]


def _require_profile(user: User) -> None:
    missing = missing_profile(user)
    if missing:
        raise ProfileIncomplete(f"Your profile lacks: {', '.join(missing)}. Complete it, then sign.")


def _require_signature(user: User, dataset: Dataset) -> Signature:
    signing = signing_of(user, dataset.agreement)
    if signing.current is None:
        raise SignatureNeeded(f"The agreement for {dataset.name} is not published yet. Come back when it is.")
    if signing.signature is None or signing.to_sign is not None:
        raise SignatureNeeded(
            f"Version {signing.current.number} of the agreement for {dataset.name} is not signed yet. "
            "Read and sign it, and your access continues."
        )
    return signing.signature


# By a maintainer -----------------------------------------------------------------------------------------


@transaction.atomic
def approve_request(request: AccessRequest, *, by: User, reason: str = "") -> AccessGrant:
    """Open access and mail the link. A second click gives the same grant; a second maintainer gets a sentence.

    A reason may stay with the request; the person is not mailed it."""
    request = _locked_request(request)
    if request.status == AccessRequest.Status.APPROVED and request.decided_by_id == by.pk:
        return AccessGrant.objects.filter(user=request.user_id, dataset=request.dataset_id).latest("id")
    if request.status == AccessRequest.Status.PENDING and not request.user.is_active:
        raise MoveNotAllowed(f"The account {request.user.email} is disabled. Enable it first, or decline the request.")
    return _open_grant(request.user, request.dataset, request, by=by, reason=reason and require_reason(reason))


@transaction.atomic
def decline_request(request: AccessRequest, *, by: User, reason: str) -> AccessRequest:
    request = _locked_request(request)
    if request.status == AccessRequest.Status.DECLINED and request.decided_by_id == by.pk:
        return request
    _decide(request, AccessRequest.Status.DECLINED, by=by, reason=require_reason(reason))
    queue("access/declined", user=request.user, once=f"declined:{request.pk}", request=request.pk)
    return request


@transaction.atomic
def revoke_grant(grant: AccessGrant, *, by: User, reason: str) -> AccessGrant:
    """End a grant now. Its links are refused from their next request on."""
    grant = _locked_grant(grant)
    if grant.status == AccessGrant.Status.REVOKED and grant.revoked_by_id == by.pk:
        return grant
    if AccessGrant.Status.REVOKED not in AccessGrant.MOVES[AccessGrant.Status(grant.status)]:
        raise MoveNotAllowed(_revoked(grant, by))
    grant.status, grant.reason = AccessGrant.Status.REVOKED, require_reason(reason)
    grant.revoked_at, grant.revoked_by = timezone.now(), by
    grant.save(update_fields=["status", "reason", "revoked_at", "revoked_by"])
    revoke_links(grant)
    queue("access/revoked", user=grant.user, once=f"revoked:{grant.pk}", grant=grant.pk)
    return grant


@transaction.atomic
def set_daily_cap(grant: AccessGrant, *, by: User, daily_bytes: int | None) -> AccessGrant:
    """How many bytes a day may be asked for through a grant; None is as many as through any other. It holds from the
    next request on, and the grant's history keeps who set it."""
    grant = _locked_grant(grant)
    if grant.status != AccessGrant.Status.ACTIVE:
        raise MoveNotAllowed(_revoked(grant, by))
    if daily_bytes is not None and not 0 < daily_bytes <= MOST_DAILY_BYTES:
        raise MoveNotAllowed("Give more than 0 and at most 1,000 TB a day, or nothing for what everybody has.")
    with pghistory.context(user=by.pk):
        grant.daily_bytes = daily_bytes
        grant.save(update_fields=["daily_bytes"])
    return grant


def require_reason(reason: str) -> str:
    reason = one_line(only_seen(reason))
    if not reason:
        raise MoveNotAllowed("Give the reason: the person reads it in a mail and on the site.")
    if len(reason) > REASON_LENGTH:
        raise MoveNotAllowed(f"Write at most {REASON_LENGTH:,} characters; the reason has {len(reason):,}.")
    return reason


# Steps that several of these share ---------------------------------------------------------------------------


def _open_grant(
    user: User, dataset: Dataset, request: AccessRequest | None, *, by: User | None = None, reason: str = ""
) -> AccessGrant:
    """Approve the request, if there is one, and give the grant with its links; by None is the policy's decision."""
    if request is not None:
        _decide(request, AccessRequest.Status.APPROVED, by=by, reason=reason)
    grant = AccessGrant.objects.active().filter(user=user, dataset=dataset).select_for_update().first()
    if grant is None:
        now = timezone.now()
        ends_at = now + timedelta(days=dataset.access_days)
        grant = AccessGrant.objects.create(user=user, dataset=dataset, request=request, starts_at=now, ends_at=ends_at)
    else:
        _extend(grant)
    _mail_first_link(grant)
    return grant


def _mail_first_link(grant: AccessGrant) -> None:
    releases = Release.objects.published().filter(dataset=grant.dataset).newest_first()
    links = [issue_link(grant, release) for release in releases]
    newest = links[0].pk if links else None
    queue(
        "access/link", user=grant.user, once=f"granted:{grant.pk}:{grant.ends_at:%Y%m%d}", grant=grant.pk, link=newest
    )


def _extend(grant: AccessGrant) -> None:
    ends_at = timezone.now() + timedelta(days=grant.dataset.access_days)
    if ends_at - grant.ends_at >= RENEWAL_GAIN:
        grant.ends_at = ends_at
        grant.save(update_fields=["ends_at"])


def _decide(request: AccessRequest, status: AccessRequest.Status, *, by: User | None, reason: str = "") -> None:
    if status not in AccessRequest.MOVES[AccessRequest.Status(request.status)]:
        raise MoveNotAllowed(_decided(request, by))
    request.status, request.reason, request.decided_at, request.decided_by = status, reason, timezone.now(), by
    request.save(update_fields=["status", "reason", "decided_at", "decided_by"])


def _decided(request: AccessRequest, by: User | None) -> str:
    when = day_long(request.decided_at) if request.decided_at else "an unknown day"
    if by is not None and by.pk == request.user_id:
        return f"Your request for {request.dataset.name} was {request.status} on {when}."
    who = request.decided_by.get_full_name() if request.decided_by else "the access policy"
    reason = f": {as_clause(request.reason)}" if request.reason else ""
    return f"This request was {request.status} by {who} on {when}{reason}. Nothing was changed."


def _revoked(grant: AccessGrant, by: User) -> str:
    who = f" by {grant.revoked_by.get_full_name()}" if grant.revoked_by and by.pk != grant.user_id else ""
    when = f" on {day_long(grant.revoked_at)}" if grant.revoked_at else ""
    return f"This access to {grant.dataset.name} was revoked{who}{when}: {as_clause(grant.reason)}."


def _locked_person(pk: int) -> User:
    # no_key: rows that refer to the person may still be written meanwhile.
    return User.objects.select_for_update(no_key=True).get(pk=pk)


def _locked_request(request: AccessRequest) -> AccessRequest:
    _locked_person(request.user_id)
    rows = AccessRequest.objects.select_for_update(of=("self",))
    return rows.select_related("user", "dataset__agreement", "decided_by").get(pk=request.pk)


def _locked_grant(grant: AccessGrant) -> AccessGrant:
    _locked_person(grant.user_id)
    rows = AccessGrant.objects.select_for_update(of=("self",))
    return rows.select_related("user", "dataset__agreement", "revoked_by").get(pk=grant.pk)
