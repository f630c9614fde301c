"""What the mails about access and signatures say when they are sent."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.exceptions import Obsolete
from accounts.mail.letters import Letter, letter
from accounts.models import OutgoingMail, User
from datasets.models import Archive
from datasets.services.access import approve_request, decline_request, renew_grant, revoke_grant
from datasets.services.access.reminders import remind_of_ends
from datasets.services.downloads import address_of, replace_link
from datasets.services.releases import withdraw_release
from tests.access import asked, granted, link_of, offered, publish_next, reviewed, set_end, sign
from tests.factories import AgreementVersionFactory, ArchiveFactory, DatasetFactory, StaffFactory, UserFactory
from tests.receipts import document_of, make_all_receipts

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return UserFactory(name="Quiet Reader")


def mail(template: str) -> OutgoingMail:
    make_all_receipts()
    return OutgoingMail.objects.filter(template=template).latest("id")


def attached(found: Letter) -> dict[str, str]:
    return {str(part.filename): str(part.content) for part in found.attachments}


def both(found: Letter) -> list[str]:
    """The text and the HTML, without their line breaks."""
    return [" ".join(body.split()) for body in (str(found.body), str(found.alternatives[0][0]))]


class TestReceipt:
    def test_it_says_what_was_signed_and_carries_the_text(self, user: User) -> None:
        dataset = offered()
        signature = sign(user, dataset).signature

        found = letter(mail("agreement/receipt"))

        (pdf_name, pdf), (name, text) = attached(found).items()
        assert found.subject == f"Receipt: {dataset.agreement}, version 1"
        assert text == signature.version.text
        assert name.endswith("-version-1.txt")
        assert (pdf_name, pdf) == (
            f"{dataset.agreement.slug}-version-1-receipt.pdf",
            str(bytes(document_of(signature).content or b"")),
        )
        for value in (signature.text_sha256, signature.record_hash, signature.typed_name, *signature.statements):
            assert value in found.body

    def test_a_hostile_name_and_text_stay_where_they_belong(self) -> None:
        user = UserFactory(name="Eve <script>alert(1)</script>")
        dataset = DatasetFactory()
        AgreementVersionFactory(agreement=dataset.agreement, number=1, statements=["<b>I</b> agree & more."])

        sign(user, dataset)

        text, html = both(letter(mail("agreement/receipt")))
        assert "<script>" not in html
        assert "&lt;b&gt;I&lt;/b&gt; agree &amp; more." in html
        assert "<b>I</b> agree & more." in text


class TestLink:
    def test_one_short_link_the_shortest_command_and_every_command(self, user: User) -> None:
        dataset = offered(archives=2)
        ArchiveFactory(release=dataset.releases.get(), split=Archive.Split.SAMPLE, size=1_070_000_000)
        grant = granted(user, dataset)
        address = address_of(link_of(grant))

        found = letter(mail("access/link"))

        commands = attached(found)["commands.txt"]
        assert len(address) < 100
        assert found.subject == f"{dataset.releases.get()}: your download link"
        for body in both(found):
            assert address in body
            assert "3 archives, 202.5 GB" in body
            assert "Sample, to begin with" in body
        for program in ("aria2c", "curl", "wget", "sha256sum"):
            assert program in commands

    def test_no_line_is_longer_than_mail_allows(self, user: User) -> None:
        granted(user, offered(archives=30))

        raw = letter(mail("access/link")).message().as_bytes()

        assert max(len(line) for line in raw.splitlines()) < 998

    def test_the_row_holds_no_secret(self, user: User) -> None:
        grant = granted(user, offered())

        row = mail("access/link")

        token = address_of(link_of(grant)).rstrip("/").rpartition("/")[2]
        assert token not in str(row.__dict__)
        assert set(row.keys) == {"grant", "link"}

    def test_a_link_that_was_replaced_meanwhile_is_mailed_as_its_successor(self, user: User) -> None:
        grant = granted(user, offered())
        new = replace_link(link_of(grant), by=user)

        assert address_of(new) in letter(mail("access/link")).body

    def test_without_a_release_it_says_so(self, user: User) -> None:
        dataset = DatasetFactory()
        AgreementVersionFactory(agreement=dataset.agreement, number=1)
        granted(user, dataset)

        found = letter(mail("access/link"))

        assert found.subject == f"Your access to {dataset.name} is open"
        assert all("is published yet" in body for body in both(found))
        assert not found.attachments

    def test_it_is_not_sent_when_there_is_nothing_to_download_any_more(self, user: User) -> None:
        maintainer = StaffFactory()
        withdrawn, revoked = offered(), offered()
        granted(user, withdrawn)
        withdraw_release(withdrawn.releases.get(), by=maintainer, reason="Dates.")
        with pytest.raises(Obsolete, match="is withdrawn"):
            letter(mail("access/link"))

        revoke_grant(granted(user, revoked), by=maintainer, reason="Closed.")
        with pytest.raises(Obsolete, match="revoked or has ended"):
            letter(mail("access/link"))


class TestRequests:
    def test_the_acknowledgement_tells_the_place_and_the_wait(self, user: User) -> None:
        dataset, maintainer = reviewed(), StaffFactory()
        approve_request(asked(UserFactory(), dataset), by=maintainer)
        asked(UserFactory(), dataset)
        asked(user, dataset)

        found = letter(mail("access/requested"))

        text = " ".join(found.body.split())
        assert f"your request for {dataset.name} arrived on" in text
        assert "One request is before yours. The median wait now is less than a working day." in text

    def test_it_is_not_sent_after_the_answer(self, user: User) -> None:
        approve_request(asked(user, reviewed()), by=StaffFactory())

        with pytest.raises(Obsolete, match="approved already"):
            letter(mail("access/requested"))

    def test_declined_and_revoked_give_the_reason(self, user: User) -> None:
        maintainer = StaffFactory()
        decline_request(asked(user, reviewed()), by=maintainer, reason="The purpose says <nothing> & more.")
        revoke_grant(granted(user, offered()), by=maintainer, reason="The project has closed.")

        declined, revoked = letter(mail("access/declined")), letter(mail("access/revoked"))

        assert "The purpose says <nothing> & more." in declined.body
        assert "The purpose says &lt;nothing&gt; &amp; more." in both(declined)[1]
        assert "The project has closed." in revoked.body


class TestReminder:
    def reminded(self, user: User, **facts: Any) -> OutgoingMail:
        set_end(granted(user, offered(**facts)), 10)
        remind_of_ends()
        return mail("access/ends")

    def test_it_tells_the_end_and_the_one_click(self, user: User) -> None:
        found = letter(self.reminded(user, name="Knee"))

        assert found.subject == "Knee: your access ends in 10 days"
        assert "Renewing takes one click" in found.body
        assert "/downloads/" in found.body

    def test_with_a_new_version_it_leads_to_the_agreement(self, user: User) -> None:
        row = self.reminded(user, slug="knee")
        publish_next(user.access_grants.get().dataset, due_in=timedelta(days=20))

        assert "/datasets/knee/agreement/" in letter(row).body

    def test_it_is_not_sent_after_a_renewal(self, user: User) -> None:
        row = self.reminded(user)
        renew_grant(user.access_grants.get(), by=user)

        with pytest.raises(Obsolete, match="was renewed"):
            letter(row)

    def test_it_is_not_sent_to_a_disabled_account(self, user: User) -> None:
        row = self.reminded(user)
        User.objects.update(is_active=False)

        with pytest.raises(Obsolete, match="disabled"):
            letter(row)


def test_every_mail_is_written_in_both_forms_and_filled(user: User) -> None:
    maintainer = StaffFactory()
    request = asked(user, reviewed())
    letters = [letter(mail("agreement/receipt")), letter(mail("access/requested"))]
    decline_request(request, by=maintainer, reason="Too short.")
    grant = set_end(granted(user, offered()), 10)
    remind_of_ends()
    letters += [letter(mail(template)) for template in ("access/declined", "access/link", "access/ends")]
    revoke_grant(grant, by=maintainer, reason="Closed.")
    letters.append(letter(mail("access/revoked")))

    for found in letters:
        assert found.subject
        for body in both(found):
            assert "Dear Quiet Reader," in body
            assert "You get this message because" in body
            assert not [gap for gap in ("{{", "{%", "None", "not recorded") if gap in body]
