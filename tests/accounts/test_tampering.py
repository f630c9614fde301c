"""Each way of tampering with signatures is refused by the database or found by verify_evidence: a table of them.

What the site's own role does is refused. Whoever has the owner's password can switch the triggers off; what they do
then is found, by the chain itself or by an anchor of it that lies elsewhere (--head).
"""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts.models import AgreementVersion, Deletion, Forgetting, Receipt, ReceiptDocument, Signature, User
from accounts.services.agreements import sign_agreement
from accounts.services.anchors import Anchor, written
from accounts.services.deletions import delete_own_account, forget_person
from accounts.services.evidence import commit_values, examine_chain, hash_record
from tests.factories import AgreementVersionFactory, UserFactory
from tests.owner import as_owner, tamper, without_triggers
from tests.receipts import make_all_receipts

pytestmark = pytest.mark.django_db

Chain = list[Signature]
REFUSED = re.compile("Cannot update|Cannot delete|append-only|permission denied|must be owner")


@pytest.fixture
def version() -> AgreementVersion:
    return AgreementVersionFactory()


def sign(version: AgreementVersion) -> Signature:
    user = UserFactory()
    given = {"typed_name": user.name, "statements": version.statements, "address": "192.0.2.1", "agent": "Mozilla/5.0"}
    return sign_agreement(user=user, version=version, **given)


@pytest.fixture
def chain(version: AgreementVersion) -> Chain:
    signatures = [sign(version) for _ in range(5)]
    make_all_receipts()
    return signatures


@pytest.fixture
def anchor(chain: Chain, tmp_path: Path) -> Path:
    """As it lies in the bucket, from before somebody tampered."""
    now = examine_chain()
    file = tmp_path / "anchor.json"
    file.write_bytes(written(Anchor(count=now.count, head=now.head, moment=timezone.now())))
    return file


def verified(capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[int, dict[str, Any]]:
    """The exit code of verify_evidence, and what it said."""
    capsys.readouterr()
    try:
        call_command("verify_evidence", json=True, **options)
        code: Any = 0
    except SystemExit as end:
        code = end.code
    return int(code), json.loads(capsys.readouterr().out)


AS_THE_SITE = {
    "update of a name": "UPDATE accounts_signature SET typed_name = 'Somebody Else' WHERE id = {third}",
    "update of a hash": "UPDATE accounts_signature SET record_hash = repeat('a', 64) WHERE id = {third}",
    "swap of two records": "UPDATE accounts_signature SET id = -{third} WHERE id = {third}",
    "delete": "DELETE FROM accounts_signature WHERE id = {third}",
    "cut tail": "DELETE FROM accounts_signature WHERE id > {third}",
    "text changed": "UPDATE accounts_agreementversion SET text = text || 'And more.'",
    "statements changed": "UPDATE accounts_agreementversion SET statements = '[]'",
    "text changed round by the status": "UPDATE accounts_agreementversion SET status = 'draft'",
    "version deleted": "DELETE FROM accounts_agreementversion",
    "PDF changed": "UPDATE accounts_receiptdocument SET content = 'another'",
    "PDF and its hash changed": "UPDATE accounts_receiptdocument SET content = 'another', sha256 = repeat('a', 64)",
    "PDF emptied, its hash too": "UPDATE accounts_receiptdocument SET content = NULL, sha256 = ''",
    "PDF deleted": "DELETE FROM accounts_receiptdocument",
}


@pytest.mark.parametrize("sql", AS_THE_SITE.values(), ids=[f"{name}: refused" for name in AS_THE_SITE])
def test_as_the_site(chain: Chain, sql: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.format(third=chain[2].pk))

    assert verified(capsys)[0] == 0


# As the owner, with the triggers off ------------------------------------------------------------------------------

VALUES = [
    "typed_name = 'Somebody Else'",
    "email = 'somebody@example.org'",
    "address = '192.0.2.99'",
    "address = NULL",
    "agent = ''",
    "signed_at = signed_at - interval '1 microsecond'",
    "statements = '[]'",
    "text_sha256 = repeat('0', 64)",
    "rendered_sha256 = repeat('0', 64)",
    "commitments = '{}'",
    "commitments = jsonb_set(commitments, '{typed_name}', '\"00\"')",
    "salt = repeat('0', 64)",
    "salt = 'no salt'",
    "salt = ''",
    "record_hash = repeat('a', 64)",
    "previous_hash = repeat('b', 64)",
    "user_id = (SELECT max(id) FROM accounts_user)",
]


@pytest.mark.parametrize("change", VALUES, ids=[f"trigger off, {value}: found" for value in VALUES])
def test_a_changed_value(chain: Chain, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    UserFactory()
    tamper(f"UPDATE accounts_signature SET {change} WHERE id = %s", chain[2].pk)

    code, said = verified(capsys)

    assert (code, said["records"], said["first_bad"]["signature"]) == (1, 2, chain[2].pk)


def remove(*signatures: Signature) -> None:
    """With what refers to it, which the foreign keys would hold against it."""
    numbers = [signature.pk for signature in signatures]
    receipts = list(Receipt.objects.filter(signature__in=numbers).values_list("pk", flat=True))
    tamper("DELETE FROM accounts_receiptdocument WHERE receipt_id = ANY(%s)", receipts)
    tamper("DELETE FROM accounts_receipt WHERE id = ANY(%s)", receipts)
    tamper("DELETE FROM accounts_signature WHERE id = ANY(%s)", numbers)


def swap(one: Signature, other: Signature) -> None:
    move = "UPDATE accounts_signature SET id = %s WHERE id = %s"
    with without_triggers() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for old, new in ((one.pk, -1), (other.pk, one.pk), (-1, other.pk)):
            cursor.execute(move, [new, old])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def insert_after(last: Signature) -> None:
    columns = "version_id, typed_name, email, salt, statements, text_sha256, rendered_sha256, commitments, signed_at"
    tamper(
        f"INSERT INTO accounts_signature (id, user_id, agent, previous_hash, record_hash, {columns}) "
        f"SELECT id + 1, %s, '', repeat('c', 64), repeat('d', 64), {columns} FROM accounts_signature WHERE id = %s",
        UserFactory().pk, last.pk,
    )  # fmt: skip


def change_pdf(signature: Signature) -> None:
    tamper("UPDATE accounts_receiptdocument SET content = content || ' ' WHERE receipt_id = %s", signature.receipt.pk)


def empty_pdf(signature: Signature) -> None:
    tamper("UPDATE accounts_receiptdocument SET content = NULL WHERE receipt_id = %s", signature.receipt.pk)


WIPED = "UPDATE accounts_signature SET typed_name = '', email = '', address = NULL, agent = '', salt = ''"


def wipe_as_the_site(signature: Signature) -> None:
    """All that the site's own role can do: a deletion that runs, which it then lets seem to be none."""
    user = User.objects.filter(pk=signature.user_id)
    user.update(is_active=False)
    running = {"state": "running", "leased_until": timezone.now()}
    Deletion.objects.create(user=signature.user, **running)
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.forget_signatures(%s), public.forget_receipts(%s)", [signature.user_id] * 2)
    user.update(is_active=True)
    Deletion.objects.update(state="done", leased_until=None, finished_at=timezone.now())


def delete_pdf(signature: Signature) -> None:
    tamper("DELETE FROM accounts_receiptdocument WHERE receipt_id = %s", signature.receipt.pk)


def delete_receipt(signature: Signature) -> None:
    delete_pdf(signature)
    tamper("DELETE FROM accounts_receipt WHERE id = %s", signature.receipt.pk)


# What is done to five records, which of them is then named, counted from 0, and with which words.
BY_THE_CHAIN: dict[str, tuple[Callable[[Chain], None], int, str]] = {
    "first record deleted": (lambda chain: remove(chain[0]), 1, "removed, added or moved"),
    "record deleted": (lambda chain: remove(chain[2]), 3, "removed, added or moved"),
    "two records swapped": (lambda chain: swap(chain[1], chain[2]), 1, "removed, added or moved"),
    "text changed": (
        lambda chain: tamper("UPDATE accounts_agreementversion SET text = text || ' And more.'"),
        0,
        "text is not the one that was signed",
    ),
    "PDF changed": (lambda chain: change_pdf(chain[3]), 3, "not the one that was mailed"),
    "PDF deleted": (lambda chain: delete_pdf(chain[3]), 3, "document of its receipt is gone"),
    "PDF emptied": (lambda chain: empty_pdf(chain[3]), 3, "is gone, though nobody was forgotten"),
    "record wiped": (lambda chain: tamper(f"{WIPED} WHERE id = %s", chain[2].pk), 2, "person was not forgotten"),
    "record wiped by the site": (lambda chain: wipe_as_the_site(chain[2]), 2, "person was not forgotten"),
    "receipt deleted": (lambda chain: delete_receipt(chain[3]), 3, "its receipt is gone"),
}


@pytest.mark.parametrize(
    ("act", "place", "words"), BY_THE_CHAIN.values(), ids=[f"trigger off, {name}: found" for name in BY_THE_CHAIN]
)
def test_as_owner(
    chain: Chain, act: Callable[[Chain], None], place: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    act(chain)

    code, said = verified(capsys)

    assert (code, said["first_bad"]["signature"]) == (1, chain[place].pk)
    assert words in said["first_bad"]["reason"]


def test_a_record_that_was_put_behind_the_last_is_found(chain: Chain, capsys: pytest.CaptureFixture[str]) -> None:
    insert_after(chain[4])

    code, said = verified(capsys)

    assert (code, said["records"], said["first_bad"]["signature"]) == (1, 5, chain[4].pk + 1)


def rewrite(chain: Chain) -> None:
    """The owner who knows how the hashes are made writes every record from the third on anew."""
    previous = chain[1].record_hash
    with without_triggers():
        # Two passes, for no two records may have one predecessor at any time.
        for number, row in enumerate(chain[2:]):
            Signature.objects.filter(pk=row.pk).update(previous_hash=f"e{number:063}", record_hash=f"f{number:063}")
        for row in chain[2:]:
            row.refresh_from_db()
            row.typed_name, row.previous_hash = "Somebody Else", previous
            row.commitments = commit_values(row)
            previous = row.record_hash = hash_record(row)
            row.save()


def truncate(_chain: Chain) -> None:
    tamper("TRUNCATE accounts_signature CASCADE")


BY_AN_ANCHOR: dict[str, tuple[Callable[[Chain], None], int | None, str]] = {
    "cut tail": (lambda chain: remove(*chain[3:]), None, "the chain ends after 3 records, and 5 were anchored"),
    "last record deleted": (lambda chain: remove(chain[4]), None, "1 at its end were cut off"),
    "TRUNCATE": (truncate, None, "the chain ends after 0 records, and 5 were anchored"),
    "whole chain written anew": (rewrite, 4, "record 5 has another hash than the one that was anchored"),
}


@pytest.mark.parametrize(
    ("act", "place", "words"),
    BY_AN_ANCHOR.values(),
    ids=[f"trigger off, {name}: found by --head" for name in BY_AN_ANCHOR],
)
def test_as_owner_beyond_the_chain(
    chain: Chain,
    anchor: Path,
    act: Callable[[Chain], None],
    place: int | None,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    act(chain)

    assert verified(capsys)[0] == 0, "The chain alone cannot tell."
    code, said = verified(capsys, head=str(anchor))
    assert (code, said["first_bad"]["signature"]) == (1, None if place is None else chain[place].pk)
    assert words in said["first_bad"]["reason"]


def test_the_trace_of_a_wiping_stays_whatever_the_site_does(chain: Chain) -> None:
    """The owner's triggers are asked to be still, as every session may; the rights are not."""
    wipe_as_the_site(chain[2])

    for attack in (
        "DELETE FROM accounts_deletion",
        f"UPDATE accounts_deletion SET user_id = {UserFactory().pk}",
        "DELETE FROM accounts_forgetting",
        "UPDATE accounts_forgetting SET rows = 0",
    ):
        with pytest.raises(DatabaseError, match="permission denied"), pgtrigger.ignore(), transaction.atomic():
            connection.cursor().execute(attack)

    noted = Forgetting.objects.values_list("person", "function", "rows").order_by("pk")
    assert list(noted) == [(chain[2].user_id, "forget_signatures", 1), (chain[2].user_id, "forget_receipts", 1)]


def test_a_wiping_that_looks_like_a_deletion_but_was_none_is_found(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the owner: all of it but the note that only the functions write."""
    user = chain[2].user
    Deletion.objects.create(user=user)
    User.objects.filter(pk=user.pk).update(email="deleted-00@deleted.invalid")
    tamper(f"{WIPED} WHERE id = %s", chain[2].pk)

    code, said = verified(capsys)

    assert (code, said["first_bad"]["signature"]) == (1, chain[2].pk)


def test_a_document_is_not_emptied_while_no_deletion_of_its_person_runs(chain: Chain) -> None:
    with pytest.raises(DatabaseError, match="append-only"), as_owner() as cursor:
        cursor.execute("UPDATE accounts_receiptdocument SET content = NULL")


# What is no tampering ------------------------------------------------------------------------------------------------


def test_forgotten_values_leave_a_whole_chain_and_the_hash_of_the_receipt(
    chain: Chain, anchor: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sha256 = ReceiptDocument.objects.get(receipt__signature=chain[2]).sha256
    delete_own_account(chain[2].user)
    deletion = Deletion.objects.claim(lease=timedelta(minutes=1))
    assert deletion
    forget_person(deletion)

    assert verified(capsys, head=str(anchor))[0] == 0
    assert Signature.objects.get(pk=chain[2].pk).salt == ""
    document = ReceiptDocument.objects.get(receipt__signature=chain[2])
    assert (document.content, document.sha256) == (None, sha256)


def test_a_chain_that_grew_since_its_anchor_is_whole(
    chain: Chain, version: AgreementVersion, anchor: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign(version)

    code, said = verified(capsys, head=str(anchor))

    # The sixth receipt is still being made, which is no fault.
    assert (code, said["whole"], said["records"], said["anchored"]) == (0, True, 6, 5)
