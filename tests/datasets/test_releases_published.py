"""Publishing: only what is whole, once, at its time; and never changed afterwards."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import InternalError, transaction
from django.utils import timezone

from accounts.models import OutgoingMail, User
from datasets.exceptions import BucketDown, MoveNotAllowed
from datasets.models import Archive, Dataset, Notice, Preview, Release, Volume
from datasets.services.notices import send_due_notices
from datasets.services.releases import (
    dry_run,
    ingesting,
    obstacles_to,
    publish_due_releases,
    publish_release,
    reopen,
    schedule_release,
    undo_withdrawal,
    unschedule_release,
    withdraw_release,
)
from datasets.storage import Bucket, bucket
from tests import imports
from tests.access import granted, offered
from tests.factories import (
    AgreementFactory,
    ArchiveFactory,
    BounceFactory,
    ReleaseFactory,
    StaffFactory,
    UserFactory,
    VolumeFactory,
)
from tests.killing import Killed, killed_at
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ingesting, "Sandbox", imports.Reader)
    imports.empty()
    yield
    imports.empty()


@pytest.fixture
def by() -> User:
    return StaffFactory()


@pytest.fixture
def ready(transactional_db: None) -> Release:
    """Two archives, which were read, with pictures."""
    return imports.read("knee_train.tar", "knee_val.tar")


def history(release: Release) -> int:
    return apps.get_model("datasets", "ReleaseEvent")._default_manager.filter(pgh_obj_id=release.pk).count()


def told(release: Release) -> str:
    return "; ".join(obstacle.what for obstacle in obstacles_to(release))


def test_those_who_hold_access_are_told_once(ready: Release, by: User) -> None:
    holder = granted(UserFactory(), ready.dataset).user
    publish_release(publish_release(ready, by=by), by=by)
    send_due_notices(seconds=60)
    assert list(OutgoingMail.objects.filter(template="release/published").values_list("to", flat=True)) == [
        holder.email
    ]


class TestChecks:
    def test_what_is_whole_is_published(self, ready: Release, by: User) -> None:
        published = publish_release(ready, by=by)
        assert published.status == "published"
        assert published.published_at is not None

    def test_a_second_click_changes_nothing(self, ready: Release, by: User) -> None:
        first = publish_release(ready, by=by).published_at
        assert publish_release(ready, by=by).published_at == first

    def test_everything_that_is_missing_is_listed_with_the_way_to_mend_it(self, by: User) -> None:
        release = ReleaseFactory(status="ready", published_at=None)
        obstacles = obstacles_to(release)
        assert [obstacle.what for obstacle in obstacles] == [
            "it has no archive",
            f"the agreement “{release.dataset.agreement}” has no published version",
            "its notes are not written",
            "none of its volumes has a preview",
        ]
        assert all(obstacle.mend.endswith(".") for obstacle in obstacles)
        with pytest.raises(MoveNotAllowed, match="cannot be published yet: it has no archive; the agreement"):
            publish_release(release, by=by)

    @pytest.mark.parametrize(
        ("spoil", "what", "mend"),
        [
            (
                lambda release: ArchiveFactory(release=release, status="failed", sha256="", reason="Broken."),
                "1 of its 3 archives is not verified",
                "Check the release. An archive that fails is uploaded again and read again, or left out.",
            ),
            (
                lambda release: bucket().delete(release.archives.first().key),
                f"the bucket has no object {imports.FOLDER}knee_train.tar any more",
                "Upload it again and have it read again, or leave it out.",
            ),
            (
                lambda release: bucket().put(release.archives.first().key, b"other"),
                f"the object {imports.FOLDER}knee_train.tar is another one than was read",
                "Have the archive read again, or put the former object back.",
            ),
            (
                lambda release: Dataset.objects.filter(releases=release).update(agreement=AgreementFactory()),
                "the agreement “Data-use agreement” has no published version",
                "Publish a version of it.",
            ),
            (
                lambda release: Preview.objects.all().delete(),
                "none of its volumes has a preview",
                "Look at Previews for the reasons, and render them again; or wait until one is made.",
            ),
            (
                lambda release: Release.objects.filter(pk=release.pk).update(notes=" \n"),
                "its notes are not written",
                "Take it back to a draft, and write what changed since the release before.",
            ),
            (
                lambda release: ReleaseFactory(dataset=release.dataset, version=f"{release.version}.0"),
                "has the same version, written otherwise",
                "Take it back to a draft, and give it a version of its own.",
            ),
        ],
        ids=["unverified", "missing", "changed", "agreement", "preview", "notes", "twin"],
    )
    def test_each_thing_that_is_missing_is_told_alone_with_the_way_to_mend_it(
        self, spoil: Callable[[Release], object], what: str, mend: str, ready: Release, by: User
    ) -> None:
        spoil(ready)
        [obstacle] = obstacles_to(Release.objects.get(pk=ready.pk))
        assert what in obstacle.what
        assert obstacle.mend == mend
        with pytest.raises(MoveNotAllowed, match="cannot be published yet"):
            publish_release(ready, by=by)

    def test_every_archive_must_be_verified(self, ready: Release) -> None:
        ArchiveFactory(release=ready, status=Archive.Status.REGISTERED, size=None, sha256="")
        assert told(ready) == "1 of its 3 archives is not verified"

    def test_a_key_that_vanished_or_changed_since_it_was_read_keeps_it_back(self, ready: Release, by: User) -> None:
        bucket().delete(f"{imports.FOLDER}knee_train.tar")
        imports.upload("knee_val.tar", {"a.h5": b"other"})
        with pytest.raises(MoveNotAllowed) as refusal:
            publish_release(ready, by=by)
        assert f"no object {imports.FOLDER}knee_train.tar any more" in str(refusal.value)
        assert f"{imports.FOLDER}knee_val.tar is another one than was read" in str(refusal.value)

    def test_a_bucket_that_is_away_publishes_nothing(
        self, ready: Release, by: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: Any, **__: Any) -> None:
            raise BucketDown("It does not answer.")

        monkeypatch.setattr(Bucket, "head", away)
        with pytest.raises(BucketDown):
            publish_release(ready, by=by)
        ready.refresh_from_db()
        assert ready.status == "ready"

    @pytest.mark.parametrize(("mine", "other"), [("2.0", "2"), ("2.0", "02.0"), ("2", "2.0.0")])
    def test_one_version_is_one_release_however_it_is_written(self, mine: str, other: str) -> None:
        release = ReleaseFactory(version=mine, status="ready", published_at=None)
        twin = ReleaseFactory(version=other, dataset=release.dataset)
        assert f"{twin} has the same version" in told(release)

    @pytest.mark.parametrize("status", ["draft", "checking", "failed"])
    def test_only_what_is_ready_is_published(self, status: str, by: User) -> None:
        with pytest.raises(MoveNotAllowed, match=f"is {status} and cannot become published"):
            publish_release(ReleaseFactory(status=status, published_at=None), by=by)

    def test_a_ready_release_goes_back_to_a_draft_with_what_was_verified(self, ready: Release, by: User) -> None:
        assert reopen(ready, by=by).status == "draft"
        assert ready.archives.verified().count() == 2


class TestAtItsTime:
    def later(self) -> Any:
        return timezone.now() + timedelta(hours=1)

    def come(self, release: Release) -> None:
        Release.objects.filter(pk=release.pk).update(publish_at=timezone.now() - timedelta(seconds=1))

    def test_it_is_published_when_its_time_has_come_and_not_before(self, ready: Release, by: User) -> None:
        schedule_release(ready, by=by, publish_at=self.later())
        assert publish_due_releases() == 0
        self.come(ready)
        assert publish_due_releases() == 1
        ready.refresh_from_db()
        assert (ready.status, ready.publish_at) == ("published", None)
        assert publish_due_releases() == 0

    def test_what_meets_an_obstacle_then_is_ready_again_and_says_why(self, ready: Release, by: User) -> None:
        schedule_release(ready, by=by, publish_at=self.later())
        bucket().delete(f"{imports.FOLDER}knee_train.tar")
        self.come(ready)
        assert publish_due_releases() == 0
        ready.refresh_from_db()
        assert (ready.status, ready.publish_at) == ("ready", None)
        assert "no object" in ready.reason

    def test_a_time_that_is_gone_is_refused(self, ready: Release, by: User) -> None:
        with pytest.raises(MoveNotAllowed, match="still to come"):
            schedule_release(ready, by=by, publish_at=timezone.now())

    def test_it_can_be_taken_back(self, ready: Release, by: User) -> None:
        schedule_release(ready, by=by, publish_at=self.later())
        back = unschedule_release(ready, by=by)
        assert (back.status, back.publish_at) == ("ready", None)


class TestSeal:
    """The database itself refuses to change what was published."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda: Release.objects.update(notes="Other notes."),
            lambda: Release.objects.update(published_at=timezone.now()),
            lambda: Release.objects.update(status="draft"),
            lambda: Release.objects.all()._raw_delete("default"),
            lambda: Archive.objects.update(sha256="1" * 64),
            lambda: Archive.objects.update(key="other"),
            lambda: Archive.objects.all()._raw_delete("default"),
            lambda: ArchiveFactory(release=Release.objects.get()),
            lambda: Volume.objects.update(offset=1),
            lambda: Volume.objects.all().delete(),
            lambda: VolumeFactory(archive=Archive.objects.get()),
        ],
    )
    @pytest.mark.parametrize("status", ["published", "withdrawn"])
    def test_nothing_of_a_published_release_is_changed(
        self, status: str, change: Callable[[], object], request: pytest.FixtureRequest
    ) -> None:
        gone = {"reason": "Dates.", "withdrawn_at": timezone.now()} if status == "withdrawn" else {}
        VolumeFactory(archive__release=ReleaseFactory(status=status, **gone))
        request.getfixturevalue("sealed")
        with pytest.raises(InternalError, match="published"), transaction.atomic():
            change()

    def test_an_archive_is_not_moved_into_a_published_release(self, request: pytest.FixtureRequest) -> None:
        archive = ArchiveFactory(release__status="draft")
        release = ReleaseFactory()
        request.getfixturevalue("sealed")
        with pytest.raises(InternalError, match="published"), transaction.atomic():
            Archive.objects.filter(pk=archive.pk).update(release=release)

    def test_withdrawing_undoing_and_rendering_again_go_on(self, request: pytest.FixtureRequest, by: User) -> None:
        volume = VolumeFactory()
        imports.stored(volume.archive.release)
        request.getfixturevalue("sealed")
        release = withdraw_release(volume.archive.release, by=by, reason="Dates.")
        Preview.objects.create(volume=volume)
        assert undo_withdrawal(release, by=by).status == "published"

    def test_the_whole_way_of_a_release_is_possible_under_the_seal(
        self, transactional_db: None, request: pytest.FixtureRequest, by: User
    ) -> None:
        release = imports.draft()
        request.getfixturevalue("sealed")
        publish_release(imports.read_into(release, "knee_train.tar"), by=by)
        assert withdraw_release(release, by=by, reason="Dates.").status == "withdrawn"


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_of_two_maintainers_who_publish_one_does_and_both_see_it_published(self, ready: Release, by: User) -> None:
        other = StaffFactory()
        before = history(ready)
        outcomes = at_once([lambda: publish_release(ready, by=by), lambda: publish_release(ready, by=other)])
        assert [outcome.status for outcome in outcomes] == ["published"] * 2
        assert outcomes[0].published_at == outcomes[1].published_at
        assert history(ready) == before + 1

    def test_an_archive_that_is_added_while_the_release_is_published_is_refused_or_there_before(
        self, ready: Release, by: User, sealed: None
    ) -> None:
        def add() -> Archive:
            return ArchiveFactory(release=ready, status="registered", sha256="")

        publish, added = at_once([lambda: publish_release(ready, by=by), add])
        ready.refresh_from_db()
        if isinstance(added, Exception):
            assert ready.status == "published"
            assert ready.archives.count() == 2
        else:
            assert "not verified" in str(publish)
            assert ready.status == "ready"


@pytest.mark.django_db(transaction=True)
class TestKilled:
    def test_a_publish_that_is_killed_at_any_statement_has_published_all_or_nothing(
        self, ready: Release, by: User
    ) -> None:
        holder = granted(UserFactory(), ready.dataset).user
        before, kills = history(ready), 0
        for statement in range(1, 60):
            try:
                with killed_at(statement):
                    publish_release(ready, by=by)
            except Killed:
                kills += 1
                ready.refresh_from_db()
                notices = Notice.objects.filter(release=ready).count()
                # Either nothing, or the whole of it.
                assert (ready.status, notices, history(ready)) in (
                    ("ready", 0, before),
                    ("published", 1, before + 1),
                )
            else:
                break
        assert kills > 5
        ready.refresh_from_db()
        assert (ready.status, history(ready)) == ("published", before + 1)
        send_due_notices(seconds=60)
        told_to = OutgoingMail.objects.filter(template="release/published")
        assert list(told_to.values_list("to", flat=True)) == [holder.email]

    def test_a_withdrawal_and_its_undoing_too(self, ready: Release, by: User) -> None:
        release = publish_release(ready, by=by)
        acts: list[Callable[[], object]] = [
            lambda: withdraw_release(release, by=by, reason="Dates."),
            lambda: undo_withdrawal(release, by=by),
        ]
        for act, (former, status) in zip(acts, [("published", "withdrawn"), ("withdrawn", "published")], strict=True):
            notices = Notice.objects.filter(release=release).count()
            for statement in range(1, 60):
                try:
                    with killed_at(statement):
                        act()
                except Killed:
                    release.refresh_from_db()
                    told = Notice.objects.filter(release=release).count() - notices
                    assert (release.status, told) in ((former, 0), (status, 1))
                else:
                    break
            release.refresh_from_db()
            assert (release.status, Notice.objects.filter(release=release).count()) == (status, notices + 1)


class TestDryRun:
    def test_it_tells_what_changes_what_is_in_it_and_whom_it_reaches(self, transactional_db: None) -> None:
        dataset = offered(archives=0)
        former = dataset.releases.get()
        ArchiveFactory(release=former, name="knee_train.tar", size=7)
        ArchiveFactory(release=former, name="knee_old.tar")
        granted(UserFactory(), dataset)
        release = imports.read_into(imports.draft(dataset), "knee_train.tar", "knee_val.tar")

        told = dry_run(release)

        assert [[change.name for change in part] for part in (told.added, told.changed, told.removed)] == [
            ["knee_val.tar"],
            ["knee_train.tar"],
            ["knee_old.tar"],
        ]
        assert (told.changed[0].former_size, told.archives, told.holders, told.holders_of_changed) == (7, 2, 1, 0)
        assert [(kind.split, kind.volumes) for kind in told.kinds] == [("train", 3), ("validation", 3)]
        assert len(told.previews) == 6
        assert told.obstacles == []
        assert told.mailed == 1
        BounceFactory(user=User.objects.get(access_grants__dataset=dataset))
        told = dry_run(release)
        assert (told.holders, told.mailed) == (1, 0)
