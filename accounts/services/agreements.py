"""Publishing agreements and signing them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pghistory
from django.db import connection, transaction
from django.utils import timezone
from django.utils.formats import date_format

from accounts.exceptions import MoveNotAllowed, NameUnusable, StatementsMissing, VersionReplaced
from accounts.models import Agreement, AgreementVersion, Receipt, Signature, User
from accounts.services.evidence import GENESIS, commit_values, hash_record, new_salt, plain_address, verify_chain
from accounts.services.rendering import Rendered, rendered
from accounts.text import has_unseen, one_line, only_seen, paragraphs

__all__ = [
    "Rendered",
    "Signing",
    "clean_name",
    "current_version",
    "exact_text",
    "needs_signature",
    "planned_day",
    "publish_version",
    "reasons_since",
    "rendered",
    "require_due_versions",
    "sign_agreement",
    "signing_of",
    "verify_chain",
]

# How long before it is required a new version is announced, unless it is urgent.
NOTICE = timedelta(days=14)
NAME_LENGTH = 150
# PostgreSQL advisory lock: one writer of the chain at a time, in an order with those who publish versions.
CHAIN_LOCK = 0x5369676E  # "Sign"


@dataclass(frozen=True)
class Signing:
    """Where one person stands with one agreement."""

    signature: Signature | None
    """The newest version that the person signed."""
    current: AgreementVersion | None
    """The version that a signature made now would be for."""
    to_sign: AgreementVersion | None
    """`current` when the signatures do not suffice for it, else None."""
    is_due: bool
    """Whether a version that the person has not signed is required today."""


# Versions -----------------------------------------------------------------------------------------------


def current_version(agreement: Agreement) -> AgreementVersion | None:
    """The newest published version: the one that is shown and signed."""
    return agreement.versions.published().latest_first().first()


def needs_signature(user: User, agreement: Agreement) -> AgreementVersion | None:
    """The version to sign now, or None when the signatures suffice. An editorial version asks for none."""
    return signing_of(user, agreement).to_sign


def signing_of(user: User, agreement: Agreement) -> Signing:
    """Two queries: the agreement's published versions without their texts, and the person's newest signature."""
    versions = list(agreement.versions.published().latest_first().defer("text", "summary", "changes"))
    signature = Signature.objects.filter(user=user, version__agreement=agreement).order_by("-version__number")
    return compare(versions, signature.select_related("version").defer("version__text").first())


def compare(versions: Sequence[AgreementVersion], signature: Signature | None) -> Signing:
    """What a signature is worth beside an agreement's published versions, newest first."""
    signed = signature.version.number if signature else 0
    binding = [version for version in versions if not version.editorial and version.number > signed]
    now = timezone.now()
    return Signing(
        signature=signature,
        current=versions[0] if versions else None,
        to_sign=versions[0] if binding else None,
        is_due=any(version.required_from and version.required_from <= now for version in binding),
    )


def reasons_since(version: AgreementVersion, newer: AgreementVersion) -> list[AgreementVersion]:
    """The versions after one up to a newer one that say why they changed, oldest first, without their texts."""
    between = newer.agreement.versions.published().filter(number__gt=version.number, number__lte=newer.number)
    return list(between.exclude(changes="").order_by("number").only("agreement", "number", "changes", "editorial"))


def publish_version(version: AgreementVersion, *, by: User, required_from: datetime | None = None) -> AgreementVersion:
    """Draft to published: from now on the text cannot change, and this is the version that people sign."""
    with transaction.atomic(), pghistory.context(user=by.pk):
        _lock_chain()
        version = AgreementVersion.objects.select_for_update().select_related("agreement").get(pk=version.pk)
        if version.status != AgreementVersion.Status.DRAFT:
            raise MoveNotAllowed(f"Version {version.number} is {version.status} already; only a draft is published.")
        before = current_version(version.agreement)
        _require_complete(version, before)
        now = _database_time()
        version.required_from = _required_from(version, before, required_from or version.required_from, now)
        version.text = exact_text(version.text)
        version.sha256 = hashlib.sha256(version.text.encode()).hexdigest()
        version.status, version.published_at = AgreementVersion.Status.PUBLISHED, now
        version.save()
        require_due_versions()
        version.refresh_from_db()
        return version


def exact_text(text: str) -> str:
    """The text as it is hashed: line breaks as every system counts them alike, so that a saved copy has this hash."""
    return paragraphs(text) + "\n"


def planned_day(version: AgreementVersion) -> datetime | None:
    """From when a draft would be required, were it published now; None for an editorial one."""
    return _required_from(version, current_version(version.agreement), version.required_from, timezone.now())


def _require_complete(version: AgreementVersion, before: AgreementVersion | None) -> None:
    if not version.text.strip():
        raise MoveNotAllowed(f"Version {version.number} has no text. Write it, then publish.")
    if not _are_sentences(version.statements):
        raise MoveNotAllowed(f"Version {version.number} has no statements to tick. Write at least one, then publish.")
    if before and version.number <= before.number:
        raise MoveNotAllowed(f"Version {before.number} is published already. Give this one the number after it.")
    if version.editorial and not before:
        raise MoveNotAllowed("The first version of an agreement cannot be editorial: nobody has signed one before it.")
    if version.editorial and before and list(version.statements) != list(before.statements):
        raise MoveNotAllowed(
            "The statements differ from those of the version before. A version that changes what people confirm "
            "is not editorial."
        )


def _are_sentences(statements: object) -> bool:
    return (
        isinstance(statements, list) and bool(statements) and all(isinstance(s, str) and s.strip() for s in statements)
    )


def _required_from(
    version: AgreementVersion, before: AgreementVersion | None, wanted: datetime | None, now: datetime
) -> datetime | None:
    if version.editorial:
        return None
    if version.urgent and wanted is None:
        raise MoveNotAllowed(
            f"Version {version.number} is urgent. Say from which day it is required: whoever has not signed it by then "
            "is refused."
        )
    if before is None or version.urgent:
        return max(wanted or now, now)
    earliest = now + NOTICE
    if wanted is not None and wanted < earliest:
        raise MoveNotAllowed(
            f"Version {version.number} may be required from {date_format(earliest, 'j F Y, H:i')} UTC at the earliest, "
            f"{NOTICE.days} days after it is published. Choose a later day, or mark the version urgent."
        )
    return wanted or earliest


def require_due_versions() -> int:
    """Published to required for every version whose day has come; what it replaces is superseded. Says how many."""
    if not AgreementVersion.objects.required().filter(status=AgreementVersion.Status.PUBLISHED).exists():
        return 0
    with transaction.atomic():
        _lock_chain()
        due = AgreementVersion.objects.required(_database_time()).filter(status=AgreementVersion.Status.PUBLISHED)
        versions = list(due.select_for_update().order_by("agreement_id", "number").only("agreement_id", "number"))
        for version in versions:
            older = AgreementVersion.objects.published().filter(
                agreement_id=version.agreement_id, number__lt=version.number
            )
            older.exclude(status=AgreementVersion.Status.SUPERSEDED).update(status=AgreementVersion.Status.SUPERSEDED)
        # A version that a newer one superseded just now stays so.
        return due.filter(pk__in=[version.pk for version in versions]).update(status=AgreementVersion.Status.REQUIRED)


# Signatures ---------------------------------------------------------------------------------------------


def sign_agreement(
    *,
    user: User,
    version: AgreementVersion,
    typed_name: str,
    statements: Sequence[str],
    address: str | None,
    agent: str,
) -> Signature:
    """One signature a person and version, however often it is sent; its receipt is made by a worker, for that takes
    longer than the chain's lock may be held (accounts.services.receipts).

    `statements` are the sentences that were ticked. See accounts.services.evidence for what the record says.
    """
    name = clean_name(typed_name)
    with transaction.atomic():
        _lock_chain()
        done = Signature.objects.filter(user=user, version=version).first()
        if done is not None:
            return done
        version = _require_current(version)
        missing = [statement for statement in version.statements if statement not in statements]
        if missing:
            raise StatementsMissing(f"Tick every statement; one more is needed: {missing[0]}")
        signature = Signature(
            user=user,
            version=version,
            typed_name=name,
            email=user.email,
            address=plain_address(address) or None,
            agent=clean_agent(agent),
            salt=new_salt(),
            statements=version.statements,
            text_sha256=version.sha256,
            rendered_sha256=rendered(version).sha256,
        )
        _append(signature)
        Receipt.objects.create(signature=signature)
        return signature


def _append(signature: Signature) -> None:
    """Put the record at the end of the chain. The chain's lock is held, so the newest record is the last one."""
    newest = Signature.objects.latest_first().values_list("record_hash", flat=True).first()
    signature.previous_hash = newest or GENESIS
    signature.signed_at = _database_time()
    signature.commitments = commit_values(signature)
    signature.record_hash = hash_record(signature)
    signature.save(force_insert=True)


def _require_current(version: AgreementVersion) -> AgreementVersion:
    current = current_version(version.agreement)
    if current is None:
        raise VersionReplaced("This agreement is not published yet. Nothing was recorded.")
    if current.pk != version.pk or current.sha256 != version.sha256:
        raise VersionReplaced(
            f"Version {current.number} of the agreement was published while you read version {version.number}. "
            "Nothing was recorded. Read the new version below, then sign it."
        )
    return current


def clean_name(typed: str) -> str:
    """The name as it is recorded: any script, one blank between words, nothing that cannot be seen."""
    typed = typed.strip()
    if len(typed) > NAME_LENGTH:
        raise NameUnusable(f"Write at most {NAME_LENGTH} characters; you have {len(typed):,}.")
    if has_unseen(typed):
        raise NameUnusable("The name has characters that cannot be seen. Type it rather than pasting it.")
    name = one_line(typed)
    if len(name) > NAME_LENGTH or not any(character.isalpha() for character in name):
        raise NameUnusable("Type your full name.")
    return name


def clean_agent(agent: str) -> str:
    return one_line(only_seen(agent[:1000]))[:300].strip()


def _lock_chain() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])


def _database_time() -> datetime:
    """Now by the database's clock, which all web processes share; not the time at which the transaction began."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
