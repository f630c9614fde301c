"""The chain of evidence: what a signature's record says, and how it is checked years later.

Format 1. Every signature holds the SHA-256 of a canonical record:

    record_hash = SHA-256(canonical JSON of {
        "format": 1, "previous": <record_hash of the signature before, or 64 zeros>,
        "version": <row number of the AgreementVersion>, "text_sha256": …, "rendered_sha256": …,
        "statements": [<each sentence that was ticked>],
        "signed_at": <database time, UTC, ISO 8601 with six decimals>,
        "commitments": {<field>: <commitment>}})

Canonical JSON is UTF-8, keys sorted, no blanks, no escapes beyond what JSON needs. Personal values are not in the
record; a commitment of each is, for user (row number), typed_name, email, address (empty when not recorded), agent:

    commitment = HMAC-SHA256(key = HMAC-SHA256(key = salt, message = field name), message = value)

The salt is 64 random hexadecimal digits, taken as ASCII. One field's key opens that field and no other, and once the
salt and the values are forgotten, nothing can be guessed from the commitments while the chain still verifies. Records
are ordered by row number; each names the one before, so that none can be changed, swapped or taken out unseen.
"""

import hashlib
import hmac
import ipaddress
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists

from accounts.models import AgreementVersion, Deletion, Forgetting, Receipt, Signature
from accounts.models.users import NOWHERE
from accounts.services.anchors import Anchor

FORMAT = 1
GENESIS = "0" * 64
PERSONAL_FIELDS = ("user", "typed_name", "email", "address", "agent")


@dataclass(frozen=True)
class BadRecord:
    """The first signature at which the chain does not hold, and why; without a number when it is one that is gone."""

    pk: int | None
    reason: str


@dataclass(frozen=True)
class Chain:
    """How many records hold from the first one on, the hash of the last of them, and what comes after it, if bad."""

    count: int
    head: str
    bad: BadRecord | None


# Told how many records were read so far.
Progress = Callable[[int], None]


def quiet(_count: int) -> None:
    """Say nothing."""


def new_salt() -> str:
    return secrets.token_hex(32)


def commit_values(signature: Signature) -> dict[str, str]:
    """The commitments of this signature's personal values under its salt."""
    salt = signature.salt.encode()
    return {field: _commitment(salt, field, value) for field, value in _personal_values(signature).items()}


def hash_record(signature: Signature) -> str:
    return hashlib.sha256(record_of(signature)).hexdigest()


def record_of(signature: Signature) -> bytes:
    """What is hashed. It holds no personal value, so that all of the records may be handed to anybody."""
    record = {
        "format": FORMAT,
        "previous": signature.previous_hash,
        "version": signature.version_id,
        "text_sha256": signature.text_sha256,
        "rendered_sha256": signature.rendered_sha256,
        "statements": signature.statements,
        "signed_at": _written(signature.signed_at),
        "commitments": signature.commitments,
    }
    return canonical(record)


def records() -> Iterator[bytes]:
    """Every record in order, as it was hashed."""
    with transaction.atomic():
        for signature in Signature.objects.order_by("pk").iterator(chunk_size=1000):
            yield record_of(signature)


def canonical(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def examine_chain(*, anchor: Anchor | None = None, progress: Progress = quiet) -> Chain:
    """Read every signature in order, up to the first that does not hold, in one snapshot and little memory."""
    with transaction.atomic():
        texts = HashedTexts()
        count, head = 0, GENESIS
        for signature in Signature.objects.order_by("pk").iterator(chunk_size=1000):
            reason = next(_faults(signature, head, texts), "") or _lost_anchor(anchor, count + 1, signature.record_hash)
            if reason:
                return Chain(count=count, head=head, bad=BadRecord(pk=signature.pk, reason=reason))
            count, head = count + 1, signature.record_hash
            progress(count)
    if anchor is not None and count < anchor.count:
        return Chain(count=count, head=head, bad=BadRecord(pk=None, reason=_cut(anchor, count)))
    return Chain(count=count, head=head, bad=None)


def verify_chain() -> BadRecord | None:
    """The first signature that does not hold, or None when all of them do."""
    return examine_chain().bad


def verify_documents(*, progress: Progress = quiet) -> BadRecord | None:
    """The first signature whose receipt is not the one that was made for it. One that is still being made is none."""
    rows = Signature.objects.order_by("pk").values_list(
        "pk", "salt", "receipt__state", "receipt__reason", "receipt__document__sha256", "receipt__document__content"
    )
    with transaction.atomic():
        # Few at a time: each row brings a whole document.
        for count, (pk, salt, state, reason, sha256, content) in enumerate(rows.iterator(chunk_size=50), start=1):
            fault = _document_fault(bool(salt), state, reason, sha256, content)
            if fault:
                return BadRecord(pk=pk, reason=fault)
            progress(count)
    return None


def _document_fault(
    is_whole: bool, state: str | None, reason: str, sha256: str | None, content: bytes | memoryview | None
) -> str:
    if state is None:
        return "its receipt is gone"
    if sha256 is None:
        # A receipt that needed no document says why.
        return "the document of its receipt is gone" if state == Receipt.State.DONE and not reason else ""
    if content is None and is_whole:
        return "the document of its receipt is gone, though nobody was forgotten"
    if content is not None and hashlib.sha256(content).hexdigest() != sha256:
        return "the document of its receipt is not the one that was mailed"
    return ""


class HashedTexts(dict[int, str]):
    """The SHA-256 of each version's text, looked up when a signature first names it: one that was published and signed
    just before the signatures are read is known as well."""

    def __missing__(self, version: int) -> str:
        text = AgreementVersion.objects.values_list("text", flat=True).get(pk=version)
        self[version] = hashlib.sha256(text.encode()).hexdigest()
        return self[version]


def _lost_anchor(anchor: Anchor | None, place: int, record_hash: str) -> str:
    if anchor is None or place != anchor.count or record_hash == anchor.head:
        return ""
    return f"record {place:,} has another hash than the one that was anchored on {anchor.moment:%Y-%m-%d}"


def _cut(anchor: Anchor, count: int) -> str:
    return (
        f"the chain ends after {count:,} records, and {anchor.count:,} were anchored on {anchor.moment:%Y-%m-%d}: "
        f"{anchor.count - count:,} at its end were cut off"
    )


def _faults(signature: Signature, head: str, texts: HashedTexts) -> Iterator[str]:
    if signature.previous_hash != head:
        yield "it does not follow the record before it: one was removed, added or moved"
    if signature.record_hash != hash_record(signature):
        yield "its content is not what its hash was made of"
    if texts[signature.version_id] != signature.text_sha256:
        yield "the agreement's text is not the one that was signed"
    if signature.salt and signature.commitments != commit_values(signature):
        yield "a personal value is not the one that was signed with"
    if not signature.salt and any(value for field, value in _personal_values(signature).items() if field != "user"):
        yield "its salt is gone while personal values are left"
    if not signature.salt and not _is_forgotten(signature.user_id):
        yield "its personal values are gone, though its person was not forgotten"


def _is_forgotten(person: int) -> bool:
    """Asked of each when it is met: a deletion that was done since the first record was read is one, too."""
    noted = Forgetting.objects.filter(person=person, function="forget_signatures")
    deleted = Deletion.objects.filter(user=person, user__email__endswith=NOWHERE)
    return deleted.filter(Exists(noted)).exists()


def _personal_values(signature: Signature) -> dict[str, str]:
    return {
        "user": str(signature.user_id),
        "typed_name": signature.typed_name,
        "email": signature.email,
        "address": plain_address(signature.address),
        "agent": signature.agent,
    }


def plain_address(address: str | None) -> str:
    """One spelling for an address, however the client, Python or the database writes it; "" when there is none."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _commitment(salt: bytes, field: str, value: str) -> str:
    key = hmac.digest(salt, field.encode(), "sha256")
    return hmac.digest(key, value.encode(), "sha256").hex()


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
