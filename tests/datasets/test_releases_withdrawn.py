"""Releases that are withdrawn, and withdrawals that are undone."""

from collections.abc import Callable, Iterator

import pytest
from django.apps import apps

from accounts.models import User
from datasets.exceptions import BucketDown, MoveNotAllowed
from datasets.permissions import may_download
from datasets.services.releases import publish_release, undo_withdrawal, withdraw_release
from datasets.storage import Bucket, bucket
from tests import imports
from tests.access import granted, offered
from tests.factories import ReleaseFactory, StaffFactory, UserFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    yield
    imports.empty()


@pytest.fixture
def maintainer() -> User:
    return StaffFactory()


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

    def test_it_is_withdrawn_once_and_not_published_again_by_publishing(self, maintainer: User) -> None:
        release = withdraw_release(offered().releases.get(), by=maintainer, reason="Two volumes carried dates.")

        with pytest.raises(MoveNotAllowed, match=r"was withdrawn on .*: Two volumes carried dates. Undo that"):
            publish_release(release, by=maintainer)
        with pytest.raises(MoveNotAllowed, match="Nothing was changed"):
            withdraw_release(release, by=maintainer, reason="Another reason.")
        assert withdraw_release(release, by=maintainer, reason="Two volumes carried dates.") == release

    def test_it_can_be_undone_and_the_links_work_again(self, maintainer: User) -> None:
        dataset, user = offered(), UserFactory()
        granted(user, dataset)
        release = imports.stored(dataset.releases.get())
        withdraw_release(release, by=maintainer, reason="Two volumes carried dates.")
        assert not may_download(user, release)

        back = undo_withdrawal(release, by=maintainer)

        assert (back.status, back.reason, back.withdrawn_at) == ("published", "", None)
        assert may_download(user, back)
        assert undo_withdrawal(back, by=maintainer) == back
        history = apps.get_model("datasets", "ReleaseEvent")._default_manager.filter(pgh_obj_id=back.pk)
        states = history.values_list("status", "reason")
        assert ("withdrawn", "Two volumes carried dates.") in states

    @pytest.mark.parametrize(
        ("happens", "said"),
        [
            (lambda key: bucket().delete(key), "the bucket has no object .* any more"),
            (lambda key: bucket().put(key, b"other bytes"), "is another one than was read"),
        ],
    )
    def test_what_is_gone_or_changed_meanwhile_stays_withdrawn(
        self, happens: Callable[[str], None], said: str, maintainer: User
    ) -> None:
        release = imports.stored(offered(archives=2).releases.get())
        withdraw_release(release, by=maintainer, reason="Two volumes carried dates.")
        happens(release.archives.latest("pk").key)
        with pytest.raises(MoveNotAllowed, match=f"stays withdrawn: .*{said}.*put the former objects back"):
            undo_withdrawal(release, by=maintainer)
        release.refresh_from_db()
        assert release.status == "withdrawn"

    def test_a_bucket_that_is_away_undoes_nothing(self, maintainer: User, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: object, **__: object) -> None:
            raise BucketDown("It does not answer.")

        release = imports.stored(offered().releases.get())
        withdraw_release(release, by=maintainer, reason="Two volumes carried dates.")
        monkeypatch.setattr(Bucket, "head", away)
        with pytest.raises(BucketDown):
            undo_withdrawal(release, by=maintainer)
        release.refresh_from_db()
        assert release.status == "withdrawn"

    def test_what_was_not_withdrawn_is_not_undone(self, maintainer: User) -> None:
        with pytest.raises(MoveNotAllowed, match="it was not withdrawn"):
            undo_withdrawal(ReleaseFactory(status="draft", published_at=None), by=maintainer)

    def test_what_was_never_published_is_not_withdrawn(self, maintainer: User) -> None:
        with pytest.raises(MoveNotAllowed, match="is ready and cannot become withdrawn"):
            withdraw_release(ReleaseFactory(status="ready", published_at=None), by=maintainer, reason="Wrong.")


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
