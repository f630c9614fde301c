"""What somebody signed, on their own page, and any two versions side by side."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Agreement, AgreementVersion, User
from accounts.services.signed import signed_by
from tests.factories import AgreementFactory, AgreementVersionFactory, SignatureFactory, UserFactory
from tests.maintainers import maintainer

pytestmark = pytest.mark.django_db
PROFILE = "/accounts/profile/"


@pytest.fixture
def agreement() -> Agreement:
    return AgreementFactory(slug="terms", title="Terms of use")


@pytest.fixture
def user(client: Client) -> User:
    person = UserFactory(name="Quiet Reader")
    client.force_login(person)
    return person


def version(agreement: Agreement, number: int, text: str = "", **facts: object) -> AgreementVersion:
    return AgreementVersionFactory(
        agreement=agreement, number=number, text=text or f"# Terms\n\n## Use\n\nWords of {number}.\n", **facts
    )


def read(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


class TestWhatWasSigned:
    def test_each_signature_says_version_time_record_and_leads_to_its_text(
        self, client: Client, user: User, agreement: Agreement
    ) -> None:
        signature = SignatureFactory(user=user, version=version(agreement, 1))

        page = read(client, PROFILE)

        assert "Terms of use" in page
        assert f"{signature.signed_at:%H:%M} UTC" in page
        assert signature.record_hash in page
        assert "<td>Current</td>" in page
        assert f'href="{reverse("signed_text", args=["terms", 1])}"' in page

    @pytest.mark.parametrize(
        ("facts", "words"),
        [
            ({"required_from": timezone.now() + timedelta(days=9)}, "Another is to be signed"),
            ({}, "Another is required"),
            ({"editorial": True, "required_from": None}, "version 2 corrects the wording only"),
        ],
    )
    def test_a_newer_version_is_named_and_what_it_asks(
        self, facts: dict[str, Any], words: str, client: Client, user: User, agreement: Agreement
    ) -> None:
        SignatureFactory(user=user, version=version(agreement, 1))
        version(agreement, 2, **facts)

        page = read(client, PROFILE)

        assert words in page
        assert f'href="{reverse("agreement_versions", args=["terms"])}?from=1&amp;to=2"' in page

    def test_an_older_signature_says_that_a_later_one_was_given(
        self, client: Client, user: User, agreement: Agreement
    ) -> None:
        for number in (1, 2):
            SignatureFactory(user=user, version=version(agreement, number))

        assert [row.standing for row in signed_by(user)] == ["current", "you signed a later one"]
        assert "You signed a later one" in read(client, PROFILE)

    def test_signatures_under_different_agreements_are_judged_apart(self, user: User, agreement: Agreement) -> None:
        SignatureFactory(user=user, version=version(agreement, 1))
        SignatureFactory(user=user, version=version(AgreementFactory(), 1))
        version(agreement, 2)

        assert [row.standing for row in signed_by(user)] == ["current", "another is required"]

    def test_who_signed_nothing_is_led_to_the_datasets(self, client: Client, user: User) -> None:
        assert "You have signed nothing yet." in read(client, PROFILE)

    def test_others_signatures_are_not_listed(self, client: Client, user: User) -> None:
        other = SignatureFactory()
        assert other.record_hash not in read(client, PROFILE)

    def test_the_page_needs_the_same_queries_for_few_signatures_and_for_many(self, client: Client, user: User) -> None:
        def queries(more: int) -> int:
            for number in range(more):
                signed = SignatureFactory(user=user, version__number=number + 1)
                version(signed.version.agreement, number + 2)
            with CaptureQueriesContext(connection) as seen:
                read(client, PROFILE)
            return len(seen)

        queries(1)
        assert queries(1) == queries(20)


class TestTwoVersions:
    @pytest.fixture
    def three(self, agreement: Agreement) -> list[AgreementVersion]:
        return [
            version(agreement, number, f"# Terms\n\n## Use\n\nWithin {word} days.\n", changes=f"Reason {number}.")
            for number, word in ((1, "ninety"), (2, "sixty"), (3, "thirty"))
        ]

    def test_it_begins_with_the_version_that_was_signed_and_the_newest(
        self, client: Client, user: User, three: list[AgreementVersion]
    ) -> None:
        SignatureFactory(user=user, version=three[0])

        page = read(client, "/accounts/agreements/terms/")

        assert "What version 3 says otherwise than version 1. You signed version 1." in page
        assert "removed: </span>ninety" in page
        assert "added: </span>thirty" in page
        assert [f"Reason {number}." in page for number in (1, 2, 3)] == [False, True, True]
        assert '<option value="1" selected>' in page

    @pytest.mark.parametrize("asked", ["?from=1&to=2", "?from=2&to=1"])
    def test_any_two_are_compared_from_the_older_to_the_newer(
        self, asked: str, client: Client, user: User, three: list[AgreementVersion]
    ) -> None:
        SignatureFactory(user=user, version=three[2])

        page = read(client, f"/accounts/agreements/terms/{asked}")

        assert "What version 2 says otherwise than version 1." in page
        assert "removed: </span>ninety" in page
        assert "added: </span>sixty" in page
        for number in (1, 2):
            assert f'href="{reverse("signed_text", args=["terms", number])}"' in page

    def test_a_version_beside_itself_says_that_it_is_the_same(
        self, client: Client, user: User, three: list[AgreementVersion]
    ) -> None:
        SignatureFactory(user=user, version=three[2])
        assert "The two texts are the same, letter for letter." in read(client, "/accounts/agreements/terms/?from=3")

    def test_the_exact_text_is_what_was_hashed(self, client: Client, user: User, three: list[AgreementVersion]) -> None:
        SignatureFactory(user=user, version=three[0])

        response = client.get(reverse("signed_text", args=["terms", 2]))

        assert hashlib.sha256(response.content).hexdigest() == three[1].sha256
        assert response["Content-Type"] == "text/plain; charset=utf-8"

    @pytest.mark.parametrize("asked", ["", "?from=1&to=2", "1.txt"])
    def test_who_signed_none_of_them_finds_nothing(
        self, asked: str, client: Client, user: User, three: list[AgreementVersion]
    ) -> None:
        SignatureFactory(user=user)
        assert client.get(f"/accounts/agreements/terms/{asked}").status_code == 404

    @pytest.mark.parametrize("asked", ["", "1.txt"])
    def test_who_is_not_signed_in_signs_in_first(
        self, asked: str, client: Client, three: list[AgreementVersion]
    ) -> None:
        response = client.get(f"/accounts/agreements/terms/{asked}")
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("account_login"))

    def test_maintainers_read_versions_that_they_did_not_sign(
        self, client: Client, three: list[AgreementVersion]
    ) -> None:
        maintainer(client)
        assert "What version 3 says otherwise than version 2." in read(client, "/accounts/agreements/terms/")

    @pytest.mark.parametrize("asked", ["?from=9", "?from=x", "?to=%00", "?from=1&to=4", "?from=" + "9" * 40, "4.txt"])
    def test_drafts_and_what_does_not_exist_are_not_found(
        self, asked: str, client: Client, user: User, three: list[AgreementVersion], agreement: Agreement
    ) -> None:
        SignatureFactory(user=user, version=three[0])
        version(agreement, 4, status="draft", published_at=None, required_from=None)
        assert client.get(f"/accounts/agreements/terms/{asked}").status_code == 404

    def test_the_page_needs_the_same_queries_for_few_versions_and_for_many(
        self, client: Client, user: User, three: list[AgreementVersion], agreement: Agreement
    ) -> None:
        SignatureFactory(user=user, version=three[0])

        def queries() -> int:
            with CaptureQueriesContext(connection) as seen:
                read(client, "/accounts/agreements/terms/")
            return len(seen)

        queries()
        few = queries()
        for number in range(4, 24):
            version(agreement, number)
        assert queries() == few
