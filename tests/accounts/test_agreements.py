"""Publishing an agreement's versions, and which of them a person has to sign."""

import re
from datetime import timedelta

import pgtrigger
import pytest
from django.db import InternalError, transaction
from django.utils import timezone

from accounts import tasks
from accounts.exceptions import MoveNotAllowed
from accounts.models import Agreement, AgreementVersion, User
from accounts.services.agreements import (
    current_version,
    needs_signature,
    publish_version,
    rendered,
    require_due_versions,
    signing_of,
)
from tests.factories import AgreementFactory, AgreementVersionFactory, SignatureFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db
Status = AgreementVersion.Status


@pytest.fixture
def agreement() -> Agreement:
    return AgreementFactory()


@pytest.fixture
def maintainer() -> User:
    return StaffFactory()


def draft(agreement: Agreement, number: int, **facts: object) -> AgreementVersion:
    return AgreementVersionFactory(
        agreement=agreement, number=number, status=Status.DRAFT, published_at=None, required_from=None, **facts
    )


class TestPublishing:
    def test_first_version_is_required_at_once(self, agreement: Agreement, maintainer: User) -> None:
        version = publish_version(draft(agreement, 1), by=maintainer)

        assert version.status == Status.REQUIRED
        assert current_version(agreement) == version

    def test_next_version_is_required_after_fourteen_days(self, agreement: Agreement, maintainer: User) -> None:
        first = publish_version(draft(agreement, 1), by=maintainer)

        second = publish_version(draft(agreement, 2), by=maintainer)

        first.refresh_from_db()
        assert (first.status, second.status) == (Status.REQUIRED, Status.PUBLISHED)
        assert second.required_from is not None
        assert second.published_at is not None
        assert second.required_from - second.published_at == timedelta(days=14)

    def test_next_version_cannot_be_required_sooner(self, agreement: Agreement, maintainer: User) -> None:
        publish_version(draft(agreement, 1), by=maintainer)
        second = draft(agreement, 2)

        with pytest.raises(MoveNotAllowed, match="14 days after it is published"):
            publish_version(second, by=maintainer, required_from=timezone.now() + timedelta(days=13))

        second.refresh_from_db()
        assert second.status == Status.DRAFT

    def test_urgent_version_supersedes_at_once(self, agreement: Agreement, maintainer: User) -> None:
        first = publish_version(draft(agreement, 1), by=maintainer)

        second = publish_version(draft(agreement, 2, urgent=True), by=maintainer, required_from=timezone.now())

        first.refresh_from_db()
        assert (first.status, second.status) == (Status.SUPERSEDED, Status.REQUIRED)

    def test_an_urgent_version_needs_its_day(self, agreement: Agreement, maintainer: User) -> None:
        publish_version(draft(agreement, 1), by=maintainer)
        second = draft(agreement, 2, urgent=True)

        with pytest.raises(MoveNotAllowed, match="Say from which day it is required"):
            publish_version(second, by=maintainer)

        second.refresh_from_db()
        assert second.status == Status.DRAFT

    def test_editorial_version_asks_for_no_signature(self, agreement: Agreement, maintainer: User) -> None:
        signature = SignatureFactory(version=publish_version(draft(agreement, 1), by=maintainer))

        second = publish_version(draft(agreement, 2, editorial=True), by=maintainer)

        assert second.required_from is None
        assert needs_signature(signature.user, agreement) is None
        assert needs_signature(UserFactory(), agreement) == second

    def test_the_first_version_cannot_be_editorial(self, agreement: Agreement, maintainer: User) -> None:
        with pytest.raises(MoveNotAllowed, match="cannot be editorial"):
            publish_version(draft(agreement, 1, editorial=True), by=maintainer)

    def test_an_editorial_version_keeps_the_statements(self, agreement: Agreement, maintainer: User) -> None:
        publish_version(draft(agreement, 1), by=maintainer)

        with pytest.raises(MoveNotAllowed, match="not editorial"):
            publish_version(draft(agreement, 2, editorial=True, statements=["Another promise."]), by=maintainer)

    @pytest.mark.parametrize(
        ("facts", "sentence"),
        [
            ({"text": " \n"}, "has no text"),
            ({"statements": []}, "has no statements"),
            ({"statements": ["  "]}, "has no statements"),
            ({"statements": {"a": 1}}, "has no statements"),
        ],
    )
    def test_what_is_incomplete_is_not_published(
        self, agreement: Agreement, maintainer: User, facts: dict, sentence: str
    ) -> None:
        with pytest.raises(MoveNotAllowed, match=sentence):
            publish_version(draft(agreement, 1, **facts), by=maintainer)

    def test_numbers_only_grow(self, agreement: Agreement, maintainer: User) -> None:
        publish_version(draft(agreement, 2), by=maintainer)

        with pytest.raises(MoveNotAllowed, match="Version 2 is published already"):
            publish_version(draft(agreement, 1), by=maintainer)

    def test_a_second_click_says_that_it_is_published(self, agreement: Agreement, maintainer: User) -> None:
        version = draft(agreement, 1)
        publish_version(version, by=maintainer)

        with pytest.raises(MoveNotAllowed, match="only a draft is published"):
            publish_version(version, by=maintainer)

    def test_a_published_text_cannot_be_changed(self, agreement: Agreement, maintainer: User) -> None:
        version = publish_version(draft(agreement, 1), by=maintainer)

        with pytest.raises(InternalError, match="Cannot update"), transaction.atomic():
            AgreementVersion.objects.filter(pk=version.pk).update(text="Something else.")
        with pytest.raises(InternalError, match="Cannot delete"), transaction.atomic():
            AgreementVersion.objects.filter(pk=version.pk).delete()

    def test_nor_round_by_the_status_nor_by_asking_the_triggers_to_be_still(
        self, agreement: Agreement, maintainer: User
    ) -> None:
        rows = AgreementVersion.objects.filter(pk=publish_version(draft(agreement, 1), by=maintainer).pk)

        for change in ({"status": Status.DRAFT}, {"text": "Something else."}, {"published_at": None}):
            with pgtrigger.ignore(), pytest.raises(InternalError, match="Cannot update"), transaction.atomic():
                rows.update(**change)
        with pgtrigger.ignore(), pytest.raises(InternalError, match="Cannot delete"), transaction.atomic():
            rows.delete()

    def test_a_draft_is_written_and_taken_away_freely(self, agreement: Agreement) -> None:
        rows = AgreementVersion.objects.filter(pk=draft(agreement, 1).pk)

        assert rows.update(text="Something else.", number=2) == 1
        assert rows.delete()[0] == 1

    def test_the_hash_is_that_of_the_text_that_was_published(self, agreement: Agreement, maintainer: User) -> None:
        version = draft(agreement, 1)
        before = version.sha256
        AgreementVersion.objects.filter(pk=version.pk).update(text="Changed behind save().")

        assert publish_version(version, by=maintainer).sha256 != before


class TestDueVersions:
    def test_a_version_becomes_required_on_its_day(self, agreement: Agreement) -> None:
        first = AgreementVersionFactory(agreement=agreement, number=1)
        second = AgreementVersionFactory(agreement=agreement, number=2, status=Status.PUBLISHED)
        later = AgreementVersionFactory(
            agreement=agreement, number=3, status=Status.PUBLISHED, required_from=timezone.now() + timedelta(days=1)
        )

        tasks.require_due_versions()

        assert [AgreementVersion.objects.get(pk=row.pk).status for row in (first, second, later)] == [
            Status.SUPERSEDED,
            Status.REQUIRED,
            Status.PUBLISHED,
        ]
        assert require_due_versions() == 0

    def test_after_an_outage_only_the_newest_is_required(self, agreement: Agreement) -> None:
        numbers = [AgreementVersionFactory(agreement=agreement, number=n, status=Status.PUBLISHED) for n in (1, 2, 3)]

        require_due_versions()

        assert [AgreementVersion.objects.get(pk=row.pk).status for row in numbers] == [
            Status.SUPERSEDED,
            Status.SUPERSEDED,
            Status.REQUIRED,
        ]

    def test_other_agreements_are_left_alone(self, agreement: Agreement) -> None:
        other = AgreementVersionFactory()
        AgreementVersionFactory(agreement=agreement, number=30_001, status=Status.PUBLISHED)

        require_due_versions()

        other.refresh_from_db()
        assert other.status == Status.REQUIRED


class TestWhatIsToSign:
    def test_nobody_signed_a_draft(self, agreement: Agreement) -> None:
        draft(agreement, 1)

        assert current_version(agreement) is None
        assert needs_signature(UserFactory(), agreement) is None

    def test_a_version_that_is_not_required_yet_is_offered_but_not_due(self, agreement: Agreement) -> None:
        signature = SignatureFactory(version=AgreementVersionFactory(agreement=agreement, number=1))
        coming = AgreementVersionFactory(
            agreement=agreement, number=2, status=Status.PUBLISHED, required_from=timezone.now() + timedelta(days=3)
        )

        signing = signing_of(signature.user, agreement)

        assert (signing.to_sign, signing.is_due) == (coming, False)

    def test_a_required_version_is_due(self, agreement: Agreement) -> None:
        signature = SignatureFactory(version=AgreementVersionFactory(agreement=agreement, number=1))
        AgreementVersionFactory(agreement=agreement, number=2)
        editorial = AgreementVersionFactory(agreement=agreement, number=3, editorial=True, required_from=None)

        signing = signing_of(signature.user, agreement)

        assert (signing.to_sign, signing.is_due, signing.signature) == (editorial, True, signature)

    def test_a_later_signature_covers_earlier_versions(self, agreement: Agreement) -> None:
        AgreementVersionFactory(agreement=agreement, number=1)
        signature = SignatureFactory(version=AgreementVersionFactory(agreement=agreement, number=2))

        assert needs_signature(signature.user, agreement) is None


class TestRendering:
    def rendered(self, text: str) -> str:
        return rendered(AgreementVersionFactory.build(text=text)).html

    def test_headings_are_numbered_clauses(self) -> None:
        found = rendered(AgreementVersionFactory.build(text="# Title\n\nIntro\n\n## The *data*\n\nText\n\n## Use\n"))

        assert [(clause.anchor, clause.number, clause.title) for clause in found.clauses] == [
            ("c1", "1", "The data"),
            ("c2", "2", "Use"),
        ]
        assert '<h2 id="c1"><span>1</span>The <em>data</em></h2>' in found.html
        assert "<h1" not in found.html

    def test_clauses_with_their_own_numbers_get_no_second_one(self) -> None:
        assert '<h2 id="c1">1. Data</h2>' in self.rendered("## 1. Data\n")

    @pytest.mark.parametrize(
        "hostile",
        [
            "<script>alert(1)</script>",
            "[x](javascript:alert(1))",
            "[x](data:text/html,<script>)",
            "![x](https://example.org/track.png)",
            '<a href="x" onclick="y">z</a>',
            "<style>body{display:none}</style>",
            "|a|\n|--:|\n|b|",
        ],
    )
    def test_nothing_that_runs_loads_or_restyles_comes_through(self, hostile: str) -> None:
        tags = re.findall(r"<[^>]*>", self.rendered(hostile))

        assert not [tag for tag in tags if re.search(r"script|img|<style|style=|onclick|data:", tag)]

    def test_links_tell_the_other_site_nothing(self) -> None:
        assert '<a href="https://example.org" rel="noopener noreferrer">' in self.rendered("<https://example.org>")

    def test_the_same_text_gives_the_same_hash(self) -> None:
        one, two = AgreementVersionFactory.build(text="## A\n"), AgreementVersionFactory.build(text="## A\n")

        assert rendered(one).sha256 == rendered(two).sha256 != rendered(AgreementVersionFactory.build()).sha256
