"""Publishing and withdrawing releases."""

import pytest

from accounts.models import User
from datasets.exceptions import MoveNotAllowed
from datasets.models import Archive, Release
from datasets.permissions import may_download
from datasets.services.releases import publish_release, withdraw_release
from tests.access import granted, offered
from tests.factories import ArchiveFactory, DatasetFactory, ReleaseFactory, StaffFactory, UserFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def maintainer() -> User:
    return StaffFactory()


def ready(**facts: object) -> Release:
    return ReleaseFactory(dataset=offered(), **{"status": "ready", "published_at": None} | facts)


class TestPublishing:
    def test_a_ready_release_is_published(self, maintainer: User) -> None:
        release = ready()
        ArchiveFactory(release=release)

        published = publish_release(release, by=maintainer)

        assert published.status == "published"
        assert published.published_at is not None

    def test_a_second_click_changes_nothing(self, maintainer: User) -> None:
        release = ready()
        ArchiveFactory(release=release)

        first = publish_release(release, by=maintainer).published_at

        assert publish_release(release, by=maintainer).published_at == first

    def test_what_is_missing_is_named(self, maintainer: User) -> None:
        release = ReleaseFactory(dataset=DatasetFactory(), status="ready", published_at=None)

        with pytest.raises(MoveNotAllowed, match=r"it has no archive; the agreement .* has no published version"):
            publish_release(release, by=maintainer)

        release.refresh_from_db()
        assert release.status == "ready"

    def test_every_archive_must_be_verified(self, maintainer: User) -> None:
        release = ready()
        ArchiveFactory.create_batch(2, release=release)
        ArchiveFactory(release=release, status=Archive.Status.REGISTERED, size=None, sha256="")

        with pytest.raises(MoveNotAllowed, match="1 of its 3 archives is not verified"):
            publish_release(release, by=maintainer)

    @pytest.mark.parametrize("status", ["draft", "checking", "failed"])
    def test_only_what_is_ready_is_published(self, maintainer: User, status: str) -> None:
        with pytest.raises(MoveNotAllowed, match=f"is {status} and cannot become published"):
            publish_release(ready(status=status), by=maintainer)


class TestWithdrawing:
    def test_downloads_stop_and_the_reason_is_kept(self, maintainer: User) -> None:
        dataset, user = offered(), UserFactory()
        granted(user, dataset)
        release = dataset.releases.get()
        assert may_download(user, release)

        withdrawn = withdraw_release(release, by=maintainer, reason="Two volumes carried dates.")

        assert (withdrawn.status, withdrawn.reason) == ("withdrawn", "Two volumes carried dates.")
        assert not may_download(user, release)

    def test_withdrawing_needs_a_reason(self, maintainer: User) -> None:
        with pytest.raises(MoveNotAllowed, match="Give the reason"):
            withdraw_release(offered().releases.get(), by=maintainer, reason="  ")

    def test_there_is_no_way_back(self, maintainer: User) -> None:
        release = withdraw_release(offered().releases.get(), by=maintainer, reason="Two volumes carried dates.")

        with pytest.raises(MoveNotAllowed, match=r"was withdrawn on .*: Two volumes carried dates. It stays withdrawn"):
            publish_release(release, by=maintainer)
        with pytest.raises(MoveNotAllowed, match="It stays withdrawn"):
            withdraw_release(release, by=maintainer, reason="Another reason.")
        assert withdraw_release(release, by=maintainer, reason="Two volumes carried dates.") == release

    def test_what_was_never_published_is_not_withdrawn(self, maintainer: User) -> None:
        with pytest.raises(MoveNotAllowed, match="is ready and cannot become withdrawn"):
            withdraw_release(ready(), by=maintainer, reason="Wrong.")


@pytest.mark.django_db(transaction=True)
def test_of_two_maintainers_who_withdraw_one_gives_the_reason(maintainer: User) -> None:
    release, other = offered().releases.get(), StaffFactory()

    outcomes = at_once(
        [
            lambda: withdraw_release(release, by=maintainer, reason="Dates."),
            lambda: withdraw_release(release, by=other, reason="Faces."),
        ]
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["MoveNotAllowed", "Release"]
