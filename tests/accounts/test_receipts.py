"""Receipts: what the PDF says, that it is made once and always the same, and who can have it."""

import hashlib
import os
import re
import subprocess
import sys
from datetime import UTC, timedelta
from threading import Event
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.exceptions import MailDelayed, Obsolete
from accounts.mail import queue
from accounts.mail.letters import letter
from accounts.models import Agreement, AgreementVersion, OutgoingMail, Receipt, ReceiptDocument, Signature, User
from accounts.services import receipts
from accounts.services.agreements import sign_agreement
from accounts.services.deletions import delete_own_account
from accounts.services.documents import receipt_pdf
from accounts.services.receipts import make_receipts
from accounts.services.retention import SENT_DAYS
from accounts.services.typesetting import printable, set_html
from accounts.tasks import sweep
from tests.factories import AgreementVersionFactory, StaffFactory, UserFactory
from tests.letters import parsed, wire
from tests.maintainers import maintainer
from tests.owner import tamper
from tests.pdfs import pages_of, text_of
from tests.receipts import document_of, make_all_receipts
from tests.sessions import signed_in
from tests.threads import at_once
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


def sign(version: AgreementVersion | None = None, **facts: Any) -> Signature:
    version = version or AgreementVersionFactory(number=3)
    user = facts.pop("user", None) or UserFactory(name="Zoë O’Neill")
    given = {"typed_name": user.name, "statements": version.statements, "address": "192.0.2.1", "agent": "Mozilla/5.0"}
    return sign_agreement(user=user, version=version, **given | facts)


def pdf_of(signature: Signature) -> bytes:
    return receipt_pdf(Signature.objects.select_related("version__agreement", "user").get(pk=signature.pk))


class TestDocument:
    def test_it_says_who_signed_what_when_and_how_that_is_checked(self, settings: Settings) -> None:
        settings.SITE_NAME, settings.SITE_INSTITUTION = "Kspace Portal", "Department of Radiology"
        signature = sign()
        moment = signature.signed_at.astimezone(UTC)

        text = text_of(pdf_of(signature))

        for fact in (
            *(
                "Kspace Portal, Department of Radiology",
                "Data-use agreement, version 3",
                "Zoë O’Neill",
                signature.email,
            ),
            *(f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC", "192.0.2.1", "Mozilla/5.0", *signature.statements),
            *(signature.text_sha256, signature.rendered_sha256, signature.previous_hash, signature.record_hash),
            *(signature.salt, *signature.commitments.values()),
            *("simple electronic signature", "not a qualified electronic signature", "anchored outside"),
            *("verify_evidence", "docs/decisions/2026-11-25-evidence.md", "The text of version 3."),
        ):
            assert fact in text

    def test_the_same_record_gives_the_same_bytes_also_in_another_process(self) -> None:
        signature = sign(AgreementVersionFactory(text=MARKDOWN))
        here = hashlib.sha256(pdf_of(signature)).hexdigest()
        assert hashlib.sha256(pdf_of(signature)).hexdigest() == here

        assert {elsewhere(signature, seed) for seed in ("1", "2")} == {here}

    def test_another_record_gives_other_bytes(self) -> None:
        version = AgreementVersionFactory()

        assert pdf_of(sign(version)) != pdf_of(sign(version))

    def test_a_long_text_goes_on_over_pages_that_are_numbered(self) -> None:
        clauses = "\n\n".join(f"## Clause\n\nSentence {n} of many. " + "More of it. " * 80 for n in range(60))

        pages = pages_of(pdf_of(sign(AgreementVersionFactory(text=clauses))))

        assert len(pages) > 10
        for number, page in enumerate(pages, start=1):
            assert f"page {number} of {len(pages)}" in page
        text = " ".join(pages)
        assert all(f"Sentence {n} of many." in text for n in range(60))
        assert "60 Clause" in text

    def test_headings_lists_tables_quotes_links_and_code_are_set(self) -> None:
        text = text_of(pdf_of(sign(AgreementVersionFactory(text=MARKDOWN))))

        for words in (
            *("1 Use", "2 Passing on", "1. first", "2. second", "• inner", "3. third", "a cell of the table"),
            *("quoted words", "link (https://example.org/terms)", "bold and slanted", "def code(x):", "last words"),
        ):
            assert words in text

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("José", "José"),
            ("Łukasz Żak", "Łukasz [U+017B]ak"),
            ("Нина", "[U+041D U+0438 U+043D U+0430]"),
            ("山田 太郎", "[U+5C71 U+7530] [U+592A U+90CE]"),
            ("نازنین\u200cزهرا", "[U+0646 U+0627 U+0632 U+0646 U+06CC U+0646 U+200C U+0632 U+0647 U+0631 U+0627]"),
            ("Ada <b>&amp;</b>", "Ada <b>&amp;</b>"),
        ],
    )
    def test_a_name_of_any_script_is_in_it_as_letters_or_as_numbers_with_a_word_about_them(
        self, name: str, shown: str
    ) -> None:
        text = text_of(pdf_of(sign(user=UserFactory(name=name))))

        assert f"Typed name {shown} Account" in text
        assert ("Those are written as their Unicode numbers" in text) == ("[U+" in shown)

    def test_what_was_not_recorded_says_so(self) -> None:
        assert "Network address not recorded Browser not recorded" in text_of(pdf_of(sign(address=None, agent="")))

    @pytest.mark.parametrize(
        "text",
        [
            "x" * 60_000,
            "| "
            + " | ".join("abcdefghijklmnop")
            + " |\n|"
            + "---|" * 16
            + "\n| "
            + " | ".join("0123456789abcdef")
            + " |",
            "| a | b |\n|---|---|\n| c | " + "word " * 20_000 + "|",
            "\n".join(f"{'  ' * level}- level {level}" for level in range(40)),
            "> " * 60 + "deep",
            "```\n" + "y" * 9_000 + "\n\n\tz\n```",
            "* * *\n\n" * 500,
            "<script>alert(1)</script> <font size=900>&lt;x&gt; &#0; </para>",
            "# \n\n## \n\n| a |\n|---|\n",
            "a" * 3 + "\u0301" * 500 + " \U0001f600 \ue000 \u2028",
            "[x](javascript:alert(1)) ![picture](https://example.org/x.png) <https://example.org>",
            "999999999. far\n1. on",
            "# " + "a heading longer than a page " * 600 + "\n\nAnd text.",
            "## Heading\n\n" * 300,
        ],
        ids=range(14),
    )
    def test_odd_texts_are_set_all_the_same(self, text: str) -> None:
        pdf = pdf_of(sign(AgreementVersionFactory(text=text)))

        assert pdf.startswith(b"%PDF-1.")
        assert b"JavaScript" not in pdf

    @hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.text(max_size=300))
    def test_no_text_breaks_it_and_none_is_lost(self, text: str) -> None:
        version = AgreementVersion(pk=1, agreement=Agreement(pk=1, title="t", slug="s"), number=1, text=text)
        user = User(pk=1, email="a@example.org", name="a")
        signature = Signature(
            pk=1, user=user, version=version, typed_name=text[:150], email="a@example.org", agent=text[:300],
            statements=[text[:100]], signed_at=timezone.now(), record_hash="a" * 64, previous_hash="b" * 64,
        )  # fmt: skip

        said = text_of(receipt_pdf(signature))

        wanted = " ".join(printable(text[:100]).split())
        assert wanted.replace(" ", "") in said.replace(" ", "")


MARKDOWN = """# Title

## Use

Some **bold *and slanted*** words, a [link](https://example.org/terms).

1. first
2. second
   - inner
3. third

## Passing on

| left | right |
|---|---|
| a cell | of the table |

> quoted words

```
def code(x):
    return x
```

last words
"""


def elsewhere(signature: Signature, seed: str) -> str:
    """The SHA-256 of the same record's PDF, from a process with other hashes of its strings."""
    facts = {field.attname: getattr(signature, field.attname) for field in Signature._meta.concrete_fields}
    version = {
        field.attname: getattr(signature.version, field.attname) for field in AgreementVersion._meta.concrete_fields
    }
    agreement = {"id": signature.version.agreement.pk, "title": str(signature.version.agreement)}
    program = f"""
import datetime, hashlib
import django
django.setup()
from accounts.models import Agreement, AgreementVersion, Signature
from accounts.services.documents import receipt_pdf
signature = Signature(**{facts!r})
signature.version = AgreementVersion(**{version!r})
signature.version.agreement = Agreement(**{agreement!r})
print(hashlib.sha256(receipt_pdf(signature)).hexdigest())
"""
    names = {"PYTHONHASHSEED": seed, "DJANGO_SETTINGS_MODULE": "portal.settings.testing", "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | names, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


class TestWork:
    def test_a_signature_waits_for_its_receipt_from_the_moment_it_is_given(self) -> None:
        signature = sign()

        assert signature.receipt.state == Receipt.State.WAITING
        assert not OutgoingMail.objects.exists()

    def test_a_worker_stores_the_document_with_its_hash_and_queues_one_mail(self) -> None:
        signature = sign()

        make_all_receipts()
        make_all_receipts()

        document = ReceiptDocument.objects.get()
        assert document.receipt.state == Receipt.State.DONE
        assert bytes(document.content or b"") == pdf_of(signature)
        assert document.sha256 == hashlib.sha256(pdf_of(signature)).hexdigest()
        mail = OutgoingMail.objects.get()
        assert (mail.template, mail.once, mail.keys) == (
            "agreement/receipt",
            f"receipt:{signature.pk}",
            {"signature": signature.pk},
        )

    def test_the_mail_carries_the_document_and_the_text(self) -> None:
        signature = sign()
        document = document_of(signature)

        message = parsed(wire(letter(OutgoingMail.objects.get())))

        pdf, text = message.iter_attachments()
        assert (pdf.get_content_type(), pdf.get_filename()) == ("application/pdf", document.receipt.file_name)
        assert pdf.get_content() == bytes(document.content or b"")
        assert text.get_content().replace("\r\n", "\n").strip() == signature.version.text
        body = message.get_body(("plain",))
        assert body
        assert document.sha256 in body.get_content()

    def test_a_worker_that_dies_in_between_leaves_nothing_half_done(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sign()
        monkeypatch.setattr(receipts, "queue", lambda *_, **__: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            make_receipts(seconds=10)

        row = Receipt.objects.get()
        assert (row.state, row.deaths) == (Receipt.State.WAITING, 1)
        assert not ReceiptDocument.objects.exists()

    def test_one_whose_row_was_taken_over_stores_nothing(self) -> None:
        signature = sign()
        slow = Receipt.objects.claim(lease=timedelta(seconds=60))
        assert slow
        Receipt.objects.filter(pk=signature.receipt.pk).update(attempts=5)

        receipts.make_receipt(slow)

        assert not ReceiptDocument.objects.exists()
        assert not OutgoingMail.objects.exists()

    def test_a_person_who_was_forgotten_before_gets_none(self) -> None:
        signature = sign()
        tamper("UPDATE accounts_signature SET salt = '', typed_name = '', email = '', address = NULL, agent = ''")

        make_all_receipts()

        signature.receipt.refresh_from_db()
        assert signature.receipt.state == Receipt.State.DONE
        assert "forgotten" in signature.receipt.reason
        assert not ReceiptDocument.objects.exists()

    @pytest.mark.parametrize(("days", "mails"), [(SENT_DAYS - 1, 1), (SENT_DAYS, 0)])
    def test_who_signed_before_mails_are_kept_gets_the_document_and_no_second_mail(
        self, monkeypatch: pytest.MonkeyPatch, days: int, mails: int
    ) -> None:
        """As after an upgrade: the mail that they had, and its word, may be gone."""
        signature = sign()
        then = signature.signed_at + timedelta(days=days)
        monkeypatch.setattr("django.utils.timezone.now", lambda: then)

        make_all_receipts()

        assert ReceiptDocument.objects.get().receipt.signature == signature
        assert OutgoingMail.objects.count() == mails

    def test_somebody_whose_deletion_has_begun_gets_none(self) -> None:
        signature = sign()
        delete_own_account(signature.user)

        make_all_receipts()

        signature.receipt.refresh_from_db()
        assert signature.receipt.state == Receipt.State.DONE
        assert "deleted" in signature.receipt.reason
        assert not ReceiptDocument.objects.exists()
        assert not OutgoingMail.objects.filter(template="agreement/receipt").exists()

    def test_a_mail_of_before_waits_for_its_document_and_one_of_the_forgotten_is_not_sent(self) -> None:
        signature = sign()
        queue("agreement/receipt", user=signature.user, once=f"receipt:{signature.pk}", signature=signature.pk)
        mail = OutgoingMail.objects.get()
        with pytest.raises(MailDelayed):
            letter(mail)

        make_all_receipts()

        assert OutgoingMail.objects.get() == mail
        assert letter(mail)
        tamper("UPDATE accounts_receiptdocument SET content = NULL")
        with pytest.raises(Obsolete):
            letter(mail)

    def test_the_sweeper_finds_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hinted: list[str] = []
        monkeypatch.setattr("accounts.tasks.hint", lambda task: hinted.append(task.name))
        sweep()
        assert "accounts.tasks.make_receipts" not in hinted
        sign()

        sweep()

        assert "accounts.tasks.make_receipts" in hinted

    def test_a_document_can_be_forgotten_and_nothing_else(self) -> None:
        document = document_of(sign())
        rows = "UPDATE accounts_receiptdocument SET "

        for change in ("made_at = now()", "sha256 = ''", "content = ''", "content = NULL, sha256 = ''"):
            with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(rows + change)
        tamper(rows + "content = NULL")

        again = ReceiptDocument.objects.get()
        assert (again.content, again.sha256) == (None, document.sha256)


@pytest.mark.django_db(transaction=True)
def test_a_receipt_waits_for_who_holds_its_person_and_holds_nothing_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting a person holds that row and then wants their receipts."""
    signature = sign()
    row = Receipt.objects.claim(lease=timedelta(seconds=60))
    assert row
    is_held = Event()

    def set_meanwhile(_signature: Signature) -> bytes:
        assert is_held.wait(10)
        return b"%PDF-1."

    monkeypatch.setattr(receipts, "receipt_pdf", set_meanwhile)

    def forget() -> None:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=signature.user_id)
            is_held.set()
            wait_until(is_somebody_waiting, "The receipt's transaction")
            Receipt.objects.filter(pk=row.pk).update(reason="was free")

    assert at_once([forget, lambda: receipts.make_receipt(row)]) == [None, None]
    assert ReceiptDocument.objects.get().receipt.state == Receipt.State.DONE


def is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


class TestPages:
    @pytest.fixture
    def signature(self) -> Signature:
        return sign()

    def test_the_profile_says_that_it_is_being_made_and_then_has_it(self, signature: Signature) -> None:
        client, address = signed_in(signature.user), reverse("receipt", args=[signature.pk])
        assert "is being made" in client.get(reverse("profile")).content.decode()
        waiting = client.get(address, follow=True)
        assert "This receipt is being made" in waiting.content.decode()

        document = document_of(signature)

        assert f'href="{address}"' in client.get(reverse("profile")).content.decode()
        answer = client.get(address)
        assert answer.content == bytes(document.content or b"")
        assert answer["Content-Type"] == "application/pdf"
        assert answer["Content-Disposition"] == f'attachment; filename="{document.receipt.file_name}"'
        assert "no-store" in answer["Cache-Control"]

    def test_nobody_has_somebody_elses(self, signature: Signature) -> None:
        make_all_receipts()
        address = reverse("receipt", args=[signature.pk])

        assert signed_in(UserFactory()).get(address).status_code == 404
        assert signed_in(StaffFactory()).get(address).status_code == 404
        assert Client().get(address)["Location"].startswith(reverse("account_login"))
        assert signed_in(signature.user).post(address).status_code == 405

    def test_one_that_could_not_be_made_is_delayed_in_the_profile(self, signature: Signature) -> None:
        facts = {"state": "failed", "reason": "It would not.", "finished_at": timezone.now()}
        Receipt.objects.update(**facts)

        assert "delayed" in signed_in(signature.user).get(reverse("profile")).content.decode()

    def test_a_maintainer_sees_how_far_it_is_and_has_it_too(self, signature: Signature, client: Client) -> None:
        maintainer(client)
        row = reverse("admin:accounts_signature_change", args=[signature.pk])
        file = reverse("admin:accounts_signature_receipt", args=[signature.pk])
        assert "is being made" in client.get(row).content.decode()
        assert "There is no document to show" in client.get(file, follow=True).content.decode()

        document = document_of(signature)

        page = client.get(row).content.decode()
        assert f'href="{file}"' in page
        assert document.sha256 in re.sub(r"<[^>]*>|\s", "", page)
        assert client.get(file).content == bytes(document.content or b"")

    def test_a_maintainer_who_may_not_see_signatures_has_none(self, signature: Signature, client: Client) -> None:
        make_all_receipts()
        maintainer(client, is_superuser=False)

        assert client.get(reverse("admin:accounts_signature_receipt", args=[signature.pk])).status_code == 403


def test_html_is_set_by_its_blocks() -> None:
    flow = set_html("<p>one</p><hr><table><tbody><tr><td>x</td></tr></tbody></table><p>two</p>", width=400)

    assert [type(each).__name__ for each in flow] == ["Paragraph", "HRFlowable", "Table", "Paragraph"]
