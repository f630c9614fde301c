"""Signatures: what is recorded, once, in one chain; and what becomes of one that was tampered with."""

import hashlib
import hmac
import json
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
from django.db import InternalError, ProgrammingError, transaction

from accounts.exceptions import NameUnusable, StatementsMissing, VersionReplaced
from accounts.models import Agreement, AgreementVersion, OutgoingMail, Signature, User
from accounts.services.agreements import publish_version, rendered, sign_agreement, verify_chain
from tests.factories import AgreementFactory, AgreementVersionFactory, StaffFactory, UserFactory
from tests.owner import as_owner
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
        assert OutgoingMail.objects.filter(template="agreement/receipt", user=user).count() == 1

    def test_every_statement_must_be_ticked(self, version: AgreementVersion) -> None:
        with pytest.raises(StatementsMissing, match="I will not pass on"):
            sign(version, statements=version.statements[:1])

        assert not Signature.objects.exists()
        assert not OutgoingMail.objects.exists()

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


def tamper(sql: str, *parameters: int) -> None:
    """What somebody with the owner's password can do: switch the triggers off."""
    with as_owner(freely_with=("accounts_signature", "accounts_agreementversion")) as cursor:
        cursor.execute(sql, parameters)


class TestTampering:
    @pytest.fixture
    def chain(self, version: AgreementVersion) -> list[Signature]:
        return [sign(version) for _ in range(5)]

    @pytest.mark.parametrize(
        "change",
        [
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
        ],
    )
    def test_a_changed_value_is_found(self, chain: list[Signature], change: str) -> None:
        UserFactory()
        tamper(f"UPDATE accounts_signature SET {change} WHERE id = %s", chain[2].pk)

        bad = verify_chain()

        assert bad is not None
        assert bad.pk == chain[2].pk

    def test_a_removed_record_is_found_at_the_next(self, chain: list[Signature]) -> None:
        tamper("DELETE FROM accounts_signature WHERE id = %s", chain[2].pk)

        bad = verify_chain()

        assert bad is not None
        assert bad.pk == chain[3].pk
        assert "removed" in bad.reason

    def test_the_first_record_cannot_be_cut_off(self, chain: list[Signature]) -> None:
        tamper("DELETE FROM accounts_signature WHERE id = %s", chain[0].pk)

        bad = verify_chain()

        assert bad is not None
        assert bad.pk == chain[1].pk

    def test_swapped_records_are_found(self, chain: list[Signature]) -> None:
        swap = "UPDATE accounts_signature SET id = %s WHERE id = %s"
        tamper(swap, -1, chain[1].pk)
        tamper(swap, chain[1].pk, chain[2].pk)
        tamper(swap, chain[2].pk, -1)

        bad = verify_chain()

        assert bad is not None
        assert bad.pk == chain[1].pk

    def test_an_inserted_record_is_found(self, chain: list[Signature], version: AgreementVersion) -> None:
        columns = (
            "version_id, typed_name, email, salt, statements, text_sha256, rendered_sha256, commitments, signed_at"
        )
        tamper(
            f"INSERT INTO accounts_signature (id, user_id, agent, previous_hash, record_hash, {columns}) "
            f"SELECT %s, %s, '', repeat('c', 64), repeat('d', 64), {columns} FROM accounts_signature WHERE id = %s",
            chain[4].pk + 1, UserFactory().pk, chain[4].pk,
        )  # fmt: skip

        bad = verify_chain()

        assert bad is not None
        assert bad.pk == chain[4].pk + 1

    def test_a_changed_text_is_found(self, chain: list[Signature], version: AgreementVersion) -> None:
        tamper("UPDATE accounts_agreementversion SET text = text || ' And more.' WHERE id = %s", version.pk)

        bad = verify_chain()

        assert bad is not None
        assert bad.pk == chain[0].pk
        assert "text" in bad.reason

    def test_forgotten_values_leave_a_whole_chain(self, chain: list[Signature]) -> None:
        tamper(
            "UPDATE accounts_signature SET salt = '', typed_name = '', email = '', address = NULL, agent = '' "
            "WHERE id = %s",
            chain[2].pk,
        )

        assert verify_chain() is None

    def test_the_command_names_the_first_bad_record(
        self, chain: list[Signature], capsys: pytest.CaptureFixture[str]
    ) -> None:
        tamper("UPDATE accounts_signature SET typed_name = 'X' WHERE id >= %s", chain[3].pk)

        with pytest.raises(SystemExit) as exit_code:
            call_command("verify_evidence", json=True)

        said = json.loads(capsys.readouterr().out)
        assert exit_code.value.code == 1
        assert (said["whole"], said["records"], said["first_bad"]["signature"]) == (False, 3, chain[3].pk)

    def test_the_command_says_that_the_chain_is_whole(
        self, chain: list[Signature], capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("verify_evidence")

        assert f"5 signatures, the last one's hash is {chain[4].record_hash}" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    @pytest.fixture
    def agreement(self) -> Agreement:
        return AgreementFactory()

    def test_twenty_signers_make_one_chain(self, version: AgreementVersion) -> None:
        people = UserFactory.create_batch(20)

        outcomes = at_once([partial(sign, version, user) for user in people])

        assert all(isinstance(outcome, Signature) for outcome in outcomes), outcomes
        assert Signature.objects.count() == 20
        assert verify_chain() is None

    def test_two_tabs_make_one_signature(self, version: AgreementVersion) -> None:
        user = UserFactory()

        outcomes = at_once([lambda: sign(version, user)] * 6)

        assert len({outcome.pk for outcome in outcomes}) == 1
        assert OutgoingMail.objects.count() == 1

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
