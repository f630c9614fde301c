"""Signatures: what is recorded, once, in one chain; and what becomes of one that was tampered with."""

import hashlib
import hmac
import json
from collections.abc import Callable
from functools import partial
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import InternalError, ProgrammingError, connection, transaction
from django.utils import timezone

from accounts.exceptions import NameUnusable, StatementsMissing, VersionReplaced
from accounts.management.commands import verify_evidence
from accounts.models import Agreement, AgreementVersion, OutgoingMail, Receipt, Signature, User
from accounts.services.agreements import publish_version, rendered, sign_agreement, verify_chain
from accounts.services.anchors import Anchor, written
from accounts.services.evidence import examine_chain
from tests.factories import AgreementFactory, AgreementVersionFactory, StaffFactory, UserFactory
from tests.owner import as_owner, tamper
from tests.receipts import make_all_receipts
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> AgreementVersion:
    return AgreementVersionFactory()


def sign(version: AgreementVersion, user: User | None = None, **facts: Any) -> Signature:
    user = user or UserFactory()
    given = {"typed_name": user.name, "statements": version.statements, "address": "192.0.2.1", "agent": "Mozilla/5.0"}
    return sign_agreement(user=user, version=version, **given | facts)


class TestSigning:
    def test_the_record_says_who_signed_which_text(self, version: AgreementVersion) -> None:
        user = UserFactory(name="Quiet Reader")

        signature = sign(version, user, typed_name="  Quiet   Reader ")

        signature.refresh_from_db()
        assert (signature.user, signature.version) == (user, version)
        assert (signature.typed_name, signature.email) == ("Quiet Reader", user.email)
        assert (signature.address, signature.agent) == ("192.0.2.1", "Mozilla/5.0")
        assert signature.text_sha256 == hashlib.sha256(version.text.encode()).hexdigest()
        assert signature.rendered_sha256 == rendered(version).sha256
        assert signature.statements == version.statements

    def test_the_first_record_follows_64_zeros_and_the_next_the_first(self, version: AgreementVersion) -> None:
        first, second = sign(version), sign(version)

        assert first.previous_hash == "0" * 64
        assert second.previous_hash == first.record_hash
        assert verify_chain() is None

    def test_the_format_of_the_record_is_the_documented_one(self, version: AgreementVersion) -> None:
        """Computed here from the row alone, as somebody who checks it in ten years would."""
        row = Signature.objects.get(pk=sign(version).pk)
        values = {
            "user": str(row.user_id), "typed_name": row.typed_name, "email": row.email, "address": row.address or "",
            "agent": row.agent,
        }  # fmt: skip
        commitments = {}
        for field, value in values.items():
            key = hmac.digest(row.salt.encode(), field.encode(), "sha256")
            commitments[field] = hmac.digest(key, value.encode(), "sha256").hex()
        record = {
            "format": 1, "previous": "0" * 64, "version": version.pk, "text_sha256": row.text_sha256,
            "rendered_sha256": row.rendered_sha256, "statements": row.statements, "commitments": commitments,
            "signed_at": row.signed_at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        }  # fmt: skip
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

        assert row.record_hash == hashlib.sha256(text.encode()).hexdigest()

    def test_signing_twice_is_one_signature_and_one_receipt(self, version: AgreementVersion) -> None:
        user = UserFactory()

        assert sign(version, user) == sign(version, user, typed_name="Another Name")

        assert Signature.objects.count() == 1
        make_all_receipts()
        assert OutgoingMail.objects.filter(template="agreement/receipt", user=user).count() == 1

    def test_every_statement_must_be_ticked(self, version: AgreementVersion) -> None:
        with pytest.raises(StatementsMissing, match="I will not pass on"):
            sign(version, statements=version.statements[:1])

        assert not Signature.objects.exists()
        assert not Receipt.objects.exists()

    def test_a_version_that_was_replaced_while_it_was_read_is_not_signed(self, version: AgreementVersion) -> None:
        newer = AgreementVersionFactory(agreement=version.agreement, number=version.number + 1)

        with pytest.raises(VersionReplaced, match=f"Version {newer.number} of the agreement was published while"):
            sign(version)

        assert not Signature.objects.exists()

    def test_a_draft_is_not_signed(self) -> None:
        draft = AgreementVersionFactory(status=AgreementVersion.Status.DRAFT, published_at=None, required_from=None)

        with pytest.raises(VersionReplaced, match="not published yet"):
            sign(draft)

    @pytest.mark.parametrize(
        "name",
        ["Ada", "Нина Петрова", "山田 太郎", "Mary-Jane O'Neill", "José", "نازنین\u200cزهرا", "Mx. J. 3rd", "Ng"],
    )
    def test_names_of_every_script_are_kept(self, version: AgreementVersion, name: str) -> None:
        assert sign(version, typed_name=name).typed_name == name

    @pytest.mark.parametrize(
        "name",
        ["", "   ", "...", "12345", "Ada\x00", "Ada\r\nBcc: x@example.org", "Ada\u202egnp.exe", "Ada\u200b", "a" * 151,
         "\ud800", "x" * 900_000],
    )  # fmt: skip
    def test_what_is_no_name_is_refused(self, version: AgreementVersion, name: str) -> None:
        with pytest.raises(NameUnusable):
            sign(version, typed_name=name)

        assert not Signature.objects.exists()

    @pytest.mark.parametrize(
        ("address", "kept"),
        [
            (None, None),
            ("not an address", None),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("::ffff:192.0.2.9", "192.0.2.9"),
            ("fe80::1%eth0", "fe80::1"),
            ("::192.0.2.9", "::c000:209"),
        ],
    )
    def test_an_address_verifies_however_it_is_spelt(
        self, version: AgreementVersion, address: str | None, kept: str | None
    ) -> None:
        signature = sign(version, address=address)

        assert signature.address == kept
        assert verify_chain() is None

    def test_a_hostile_browser_name_is_kept_on_one_line(self, version: AgreementVersion) -> None:
        signature = sign(version, agent="curl\r\nX: \x00" + "y" * 5000)

        assert signature.agent.startswith("curl X: y")
        assert len(signature.agent) == 300
        assert verify_chain() is None

    def test_signatures_are_append_only(self, version: AgreementVersion) -> None:
        signature = sign(version)

        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            Signature.objects.filter(pk=signature.pk).update(typed_name="Somebody Else")
        with pytest.raises(InternalError, match="Cannot update or delete"), as_owner() as cursor:
            cursor.execute("UPDATE accounts_signature SET typed_name = 'Somebody Else'")
        with pytest.raises(InternalError, match="Cannot update or delete"), as_owner() as cursor:
            cursor.execute("DELETE FROM accounts_signature")


def test_a_version_that_is_published_and_signed_while_the_chain_is_examined_is_known(version: AgreementVersion) -> None:
    sign(version)
    newer = AgreementVersionFactory(
        agreement=version.agreement,
        number=version.number + 1,
        text="Other words.",
        status="draft",
        published_at=None,
        required_from=None,
    )
    signed: list[Signature] = []

    def just_before(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if not signed and 'FROM "accounts_signature"' in sql:
            signed.append(Signature())
            publish_version(newer, by=StaffFactory())
            signed[0] = sign(AgreementVersion.objects.get(pk=newer.pk))
        return execute(sql, *args)

    with connection.execute_wrapper(just_before):
        chain = examine_chain()

    assert (chain.count, chain.head, chain.bad) == (2, signed[0].record_hash, None)


class TestCommand:
    @pytest.fixture
    def chain(self, version: AgreementVersion) -> list[Signature]:
        signatures = [sign(version) for _ in range(5)]
        make_all_receipts()
        return signatures

    def head(self, tmp_path: Path, content: str | bytes) -> str:
        file = tmp_path / "anchor.json"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(file)

    def test_it_names_the_first_bad_record(self, chain: list[Signature], capsys: pytest.CaptureFixture[str]) -> None:
        tamper("UPDATE accounts_signature SET typed_name = 'X' WHERE id >= %s", chain[3].pk)

        with pytest.raises(SystemExit) as end:
            call_command("verify_evidence")

        assert end.value.code == 1
        assert f"Signature {chain[3].pk} does not hold" in (said := capsys.readouterr().out)
        assert "Before it, 3 hold" in said

    def test_it_says_that_the_chain_is_whole(self, chain: list[Signature], capsys: pytest.CaptureFixture[str]) -> None:
        call_command("verify_evidence")

        assert f"5 signatures, the last one's hash is {chain[4].record_hash}" in capsys.readouterr().out

    def test_an_anchor_from_standard_input_says_through_which_record_the_chain_goes(
        self, chain: list[Signature], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        anchor = Anchor(count=2, head=chain[1].record_hash, moment=chain[1].signed_at)
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(written(anchor))))

        call_command("verify_evidence", head="-")

        assert "goes through the anchor of" in (said := capsys.readouterr().out)
        assert "at record 2." in said

    def test_a_cut_tail_is_said_in_words(
        self, chain: list[Signature], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        anchor = Anchor(count=7, head="a" * 64, moment=chain[4].signed_at)

        with pytest.raises(SystemExit) as end:
            call_command("verify_evidence", head=self.head(tmp_path, written(anchor)))

        assert end.value.code == 1
        assert "The chain does not hold: the chain ends after 5 records, and 7 were" in capsys.readouterr().out

    def test_an_empty_chain_goes_through_an_empty_anchor(self, tmp_path: Path) -> None:
        anchor = Anchor(count=0, head="0" * 64, moment=timezone.now())

        call_command("verify_evidence", head=self.head(tmp_path, written(anchor)))

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("", "It is not JSON"),
            ("\x00\xff", "It is not JSON"),
            (b"\xff\xfe\x00", "It is not JSON"),
            ("[" * 9_000, "It is not JSON"),
            ("[]", "It is not an anchor of format 1"),
            ('{"format": 2}', "It is not an anchor of format 1"),
            ('{"format": 1, "count": "5"}', "Its count is not a number of records"),
            ('{"format": 1, "count": -1}', "Its count is not a number of records"),
            ('{"format": 1, "count": true}', "Its count is not a number of records"),
            ('{"format": 1, "count": 5, "head": "x"}', "Its head is not a SHA-256"),
            (json.dumps({"format": 1, "count": 5, "head": "a" * 64, "moment": 3}), "Its moment is not a time"),
            (json.dumps({"format": 1, "count": 5, "head": "a" * 64}), "Its moment is not a time"),
        ],
        ids=range(12),
    )
    def test_what_is_no_anchor_gets_a_sentence(self, tmp_path: Path, content: str | bytes, sentence: str) -> None:
        with pytest.raises(CommandError, match=sentence) as error:
            call_command("verify_evidence", head=self.head(tmp_path, content))

        assert error.value.returncode == 2

    @pytest.mark.parametrize("name", ["missing.json", "."])
    def test_a_file_that_cannot_be_read_gets_a_sentence(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(CommandError, match="cannot be read: ") as error:
            call_command("verify_evidence", head=str(tmp_path / name))

        assert error.value.returncode == 2

    def test_who_waits_is_told_how_far_it_is(
        self, chain: list[Signature], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(verify_evidence, "PATIENCE_SECONDS", 0)

        call_command("verify_evidence")

        assert "3 read so far" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    @pytest.fixture
    def agreement(self) -> Agreement:
        return AgreementFactory()

    def test_two_tabs_make_one_signature(self, version: AgreementVersion) -> None:
        user = UserFactory()

        outcomes = at_once([lambda: sign(version, user)] * 6)

        assert len({outcome.pk for outcome in outcomes}) == 1
        assert Receipt.objects.count() == 1

    def test_who_signs_while_a_version_is_published_signs_one_that_was_current(self, agreement: Agreement) -> None:
        first = AgreementVersionFactory(agreement=agreement, number=1)
        second = AgreementVersionFactory(
            agreement=agreement, number=2, status="draft", published_at=None, required_from=None
        )
        people, maintainer = UserFactory.create_batch(5), StaffFactory()

        outcomes = at_once(
            [partial(sign, first, user) for user in people] + [lambda: publish_version(second, by=maintainer)]
        )

        second.refresh_from_db()
        assert second.published_at is not None
        for outcome in outcomes[:-1]:
            assert isinstance(outcome, VersionReplaced) or outcome.signed_at < second.published_at
        assert verify_chain() is None
