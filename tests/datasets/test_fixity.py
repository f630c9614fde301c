"""Fixity: every key of what was published is asked for, batch by batch, and what drifted is told once."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.mail import Obsolete
from accounts.mail.letters import letter
from accounts.models import OutgoingMail, User
from datasets.exceptions import BucketDown, MoveNotAllowed, ObjectRefused
from datasets.models import Archive, Drift, FixityCheck, Release
from datasets.services import fixity
from datasets.services.fixity import check_next_batch, look_again, next_release, plan_check, plan_next_check, standing
from datasets.services.maintainers import create_maintainer_groups
from datasets.storage import Bucket, ObjectFacts, bucket
from datasets.tasks import check_fixity
from tests.factories import ArchiveFactory, FixityCheckFactory, ReleaseFactory, StaffFactory, UserFactory
from tests.killing import Killed, killed_at
from tests.maintainers import maintainer
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
FOLDER = "fixity/"
DAYS = timedelta(days=1)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fixity, "BATCH", 2)
    yield
    keys = list(bucket().keys(FOLDER))
    if keys:
        bucket().delete(*keys)


def release_of(number: int = 3, **facts: Any) -> Release:
    """A release whose objects are in the bucket as they were read."""
    release = ReleaseFactory(**facts)
    for each in range(number):
        key = f"{FOLDER}{release.pk}/{each}.tar"
        bucket().put(key, f"archive {each}".encode())
        seen = bucket().head(key)
        ArchiveFactory(release=release, key=key, size=seen.size, etag=seen.etag, version_id=seen.version_id)
    return release


def key_of(release: Release, number: int) -> str:
    return f"{FOLDER}{release.pk}/{number}.tar"


def look(release: Release) -> FixityCheck:
    """From the first batch to the last."""
    check = plan_check(release)
    for _batch in range(9):
        if not check_next_batch(FixityCheck.objects.filter(pk=check.pk, state="waiting")):
            break
    check.refresh_from_db()
    return check


def lasting() -> list[tuple[str, str]]:
    return [(drift.archive.key.rpartition("/")[2], drift.finding) for drift in Drift.objects.lasting().order_by("pk")]


def mails() -> list[str]:
    return list(OutgoingMail.objects.filter(template="release/drifted").order_by("pk").values_list("to", flat=True))


def replaced(name: str, answer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket answers so for the key that ends with this name."""
    head = Bucket.head

    def asked(self: Bucket, key: str, *, version_id: str = "") -> ObjectFacts:
        return answer(version_id) if key.endswith(name) else head(self, key, version_id=version_id)

    monkeypatch.setattr(Bucket, "head", asked)


class TestWhatIsFound:
    def test_what_is_as_it_was_published_is_no_drift(self) -> None:
        check = look(release_of())
        assert (check.state, check.checked, check.drifted) == ("done", 3, 0)
        assert (lasting(), mails()) == ([], [])

    def test_a_missing_key_and_another_object_are_drifts_and_the_others_are_not(self) -> None:
        release = release_of()
        bucket().delete(key_of(release, 0))
        bucket().put(key_of(release, 2), b"other bytes of another size")
        check = look(release)
        assert (check.checked, check.drifted) == (3, 2)
        assert lasting() == [("0.tar", "missing"), ("2.tar", "changed")]
        missing, changed = Drift.objects.lasting().order_by("pk")
        assert (missing.size, missing.etag, missing.is_delivered) == (None, "", False)
        assert (changed.size, changed.etag) == bucket().head(key_of(release, 2))[:2]

    def test_another_etag_of_the_same_size_is_a_drift(self) -> None:
        release = release_of(1)
        bucket().put(key_of(release, 0), b"archivE 0")
        look(release)
        assert lasting() == [("0.tar", "changed")]

    def test_another_version_is_a_drift_and_links_still_deliver_the_one_that_was_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        release = release_of(1)
        Archive.objects.update(version_id="v1")
        seen = bucket().head(key_of(release, 0))
        replaced("0.tar", lambda version: ObjectFacts(seen.size, seen.etag, version or "v2"), monkeypatch)
        look(release)
        drift = Drift.objects.lasting().get()
        assert (drift.finding, drift.version_id, drift.is_delivered) == ("changed", "v2", True)

    def test_one_key_that_is_denied_is_a_drift(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def deny(_version: str) -> None:
            raise ObjectRefused("403")

        release = release_of(2)
        replaced("1.tar", deny, monkeypatch)
        look(release)
        assert lasting() == [("1.tar", "denied")]

    def test_a_bucket_that_denies_everything_has_drifted_in_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def deny(_version: str) -> None:
            raise ObjectRefused("403")

        release = release_of(2)
        replaced(".tar", deny, monkeypatch)
        check = look(release)
        assert (check.state, lasting()) == ("waiting", [])
        assert check.reason == fixity.REFUSES_ALL

    def test_a_bucket_that_is_away_postpones_and_is_no_drift(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(_version: str) -> None:
            raise BucketDown("It does not answer.")

        release = release_of(3)
        with monkeypatch.context() as patched:
            replaced("2.tar", away, patched)
            check = look(release)
        # The first batch is done; the second waits.
        assert (check.state, check.checked, check.reason) == ("waiting", 2, "It does not answer.")
        assert lasting() == []
        check = look(release)
        assert (check.state, check.checked) == ("done", 3)

    def test_a_stranger_with_wrong_credentials_finds_the_bucket_away(self, settings: Settings) -> None:
        """Of the real server: it refuses every key, and the bucket itself."""
        release = release_of(1)
        settings.BUCKET_SECRET_ACCESS_KEY = "wrong"
        check = look(release)
        assert (check.state, lasting()) == ("waiting", [])

    def test_a_withdrawn_release_is_looked_at_too(self) -> None:
        release = release_of(1, status="withdrawn", reason="Dates.", withdrawn_at=timezone.now())
        bucket().delete(key_of(release, 0))
        look(release)
        assert lasting() == [("0.tar", "missing")]


class TestInTime:
    def drifted(self) -> Release:
        release = release_of(1)
        bucket().delete(key_of(release, 0))
        look(release)
        return release

    def test_what_lasts_is_one_row_and_is_mailed_once(self) -> None:
        StaffFactory()
        release = self.drifted()
        first = Drift.objects.get()
        look(release)
        again = Drift.objects.get()
        assert (again.pk, again.first_seen_at) == (first.pk, first.first_seen_at)
        assert again.last_seen_at > first.last_seen_at
        assert len(mails()) == 1

    def test_what_has_healed_is_noted(self) -> None:
        release = self.drifted()
        bucket().put(key_of(release, 0), b"archive 0")
        look(release)
        assert lasting() == []
        assert Drift.objects.get().ended_at is not None

    def test_what_drifts_again_or_otherwise_is_told_again(self) -> None:
        StaffFactory()
        release = self.drifted()
        bucket().put(key_of(release, 0), b"something else")
        look(release)
        assert lasting() == [("0.tar", "changed")]
        assert Drift.objects.filter(finding="missing", ended_at__isnull=False).count() == 1
        assert len(mails()) == 2


class TestWhoIsTold:
    def test_those_who_may_change_releases_are_and_nobody_else(self) -> None:
        create_maintainer_groups()
        curator, reviewer, alone = StaffFactory.create_batch(3, is_superuser=False)
        curator.groups.add(Group.objects.get(name="Curators"))
        reviewer.groups.add(Group.objects.get(name="Reviewers"))
        alone.user_permissions.add(Permission.objects.get(codename="change_release"))
        boss = StaffFactory()
        StaffFactory(is_active=False)
        User.objects.filter(pk=UserFactory().pk).update(is_superuser=True)
        TestInTime().drifted()
        assert sorted(mails()) == sorted([curator.email, alone.email, boss.email])

    def test_the_address_for_questions_when_there_is_nobody(self, settings: Settings) -> None:
        TestInTime().drifted()
        assert mails() == [settings.SITE_CONTACT]

    def test_the_mail_names_what_drifted_and_is_not_sent_when_it_healed(self) -> None:
        release = TestInTime().drifted()
        mail = OutgoingMail.objects.get(template="release/drifted")
        assert f"{release.archives.get().name}:\n  no object has its key" in letter(mail).text
        bucket().put(key_of(release, 0), b"archive 0")
        look(release)
        with pytest.raises(Obsolete, match="as it was published again"):
            letter(mail)

    def test_what_a_check_found_that_never_ended_is_told_by_the_next_one(self) -> None:
        StaffFactory()
        release = release_of(3)
        bucket().delete(key_of(release, 0))
        check = plan_check(release)
        check_next_batch()
        FixityCheck.objects.filter(pk=check.pk).update(
            state="failed", reason="3 workers died on it.", finished_at=timezone.now()
        )
        assert mails() == []
        look(release)
        assert len(mails()) == 1


class TestKilled:
    def test_it_goes_on_after_any_statement_and_finds_the_same(self) -> None:
        StaffFactory()
        release = release_of(5)
        for number in (0, 3):
            bucket().delete(key_of(release, number))
        check = plan_check(release)
        for statement in range(1, 400):
            FixityCheck.objects.filter(state="running").update(leased_until=timezone.now() - DAYS)
            # What kills is not the row: it would fail at the third death.
            FixityCheck.objects.update(deaths=0)
            try:
                with killed_at(statement):
                    while check_next_batch():
                        pass
            except Killed:
                continue
            break
        check.refresh_from_db()
        assert (check.state, check.checked, check.drifted) == ("done", 5, 2)
        assert lasting() == [("0.tar", "missing"), ("3.tar", "missing")]
        assert len(mails()) == 1

    def test_of_two_workers_on_one_batch_one_writes(self) -> None:
        release = release_of(2)
        bucket().delete(key_of(release, 1))
        plan_check(release)
        at_once([check_next_batch] * 4)
        look(release)
        assert lasting() == [("1.tar", "missing")]
        assert FixityCheck.objects.get(state="done").checked == 2

    def test_a_worker_that_lost_the_row_writes_nothing(self) -> None:
        release = release_of(1)
        bucket().delete(key_of(release, 0))
        plan_check(release)
        mine = FixityCheck.objects.all().claim(lease=timedelta(seconds=60))
        assert mine is not None
        FixityCheck.objects.update(attempts=9)
        fixity.check_some(mine)
        assert not Drift.objects.exists()


class TestWhen:
    def test_a_release_is_due_a_period_after_it_was_published_or_looked_at(self, settings: Settings) -> None:
        release = release_of(1)
        assert next_release() is None
        Release.objects.update(published_at=timezone.now() - settings.FIXITY_DAYS * DAYS)
        assert next_release() == release
        look(release)
        assert next_release() is None
        FixityCheck.objects.update(created_at=timezone.now() - settings.FIXITY_DAYS * DAYS)
        assert next_release() == release

    def test_one_at_a_time_and_whoever_waits_longest_first(self) -> None:
        young, old = (ReleaseFactory(published_at=timezone.now() - days * DAYS) for days in (20, 30))
        ReleaseFactory(status="draft", published_at=None)
        plan_next_check()
        plan_next_check()
        assert [check.release for check in FixityCheck.objects.all()] == [old]
        check_next_batch()
        plan_next_check()
        assert {check.release for check in FixityCheck.objects.all()} == {old, young}

    def test_a_release_that_is_refused_keeps_no_other_one_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def deny(_version: str) -> None:
            raise ObjectRefused("403")

        refused, other = (release_of(2, published_at=timezone.now() - days * DAYS) for days in (30, 20))
        replaced(key_of(refused, 0), deny, monkeypatch)
        replaced(key_of(refused, 1), deny, monkeypatch)
        check_fixity()
        FixityCheck.objects.update(created_at=timezone.now() - 20 * DAYS)
        due_at = FixityCheck.objects.get().due_at
        check_fixity()
        assert FixityCheck.objects.get(release=other).checked == 2
        # It waits as long as it was told to.
        assert FixityCheck.objects.get(release=refused).due_at == due_at

    def test_two_who_plan_at_once_write_one_check(self) -> None:
        ReleaseFactory(published_at=timezone.now() - 30 * DAYS)
        at_once([plan_next_check] * 4)
        assert FixityCheck.objects.count() == 1

    def test_the_task_does_one_batch(self) -> None:
        release = release_of(5, published_at=timezone.now() - 30 * DAYS)
        check_fixity()
        assert FixityCheck.objects.get(release=release).checked == 2

    def test_nothing_of_a_draft_is_looked_at(self) -> None:
        with pytest.raises(MoveNotAllowed, match="is draft: nothing of it was published"):
            look_again(ReleaseFactory(status="draft", published_at=None), by=StaffFactory())

    def test_since_when_all_of_it_was_looked_at(self) -> None:
        first, second = release_of(1), release_of(1)
        check = look(first)
        assert standing() == (2, 0, None)
        look(second)
        assert standing() == (2, 0, check.created_at)


class TestCommand:
    def run(self, *words: str) -> str:
        out = StringIO()
        call_command("check_fixity", "--pause=0", *words, stdout=out)
        return out.getvalue()

    def test_it_says_that_all_is_well(self) -> None:
        release = release_of(3)
        assert self.run() == (
            f"{release}: 3 archives looked at, 0 not as published\nEvery object is as it was published.\n"
        )

    def test_of_one_release_it_names_what_drifted_and_fails(self) -> None:
        release, other = release_of(1), release_of(1)
        bucket().delete(key_of(release, 0), key_of(other, 0))
        with pytest.raises(CommandError, match="1 object is not as published") as refusal:
            self.run(f"--release={release.dataset.slug}/{release.version}")
        assert refusal.value.returncode == 1
        assert not FixityCheck.objects.filter(release=other).exists()

    def test_a_bucket_that_is_away_is_another_exit_code(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(_version: str) -> None:
            raise BucketDown("It does not answer.")

        release_of(1)
        replaced(".tar", away, monkeypatch)
        with pytest.raises(CommandError, match="It does not answer") as refusal:
            self.run()
        assert refusal.value.returncode == 2

    def test_a_release_that_is_refused_keeps_no_other_one_from_being_looked_at(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def deny(_version: str) -> None:
            raise ObjectRefused("403")

        refused, other = release_of(2), release_of(2)
        replaced(key_of(refused, 0), deny, monkeypatch)
        replaced(key_of(refused, 1), deny, monkeypatch)
        with pytest.raises(CommandError, match=f"{refused}: {fixity.REFUSES_ALL}") as refusal:
            self.run()
        assert refusal.value.returncode == 2
        assert FixityCheck.objects.get(release=other).state == "done"

    @pytest.mark.parametrize("name", ["", "knee", "knee/", "/", "knee/2.1/x", "knee/\x00"])
    def test_a_release_that_is_not_there_is_said_to_be(self, name: str) -> None:
        with pytest.raises(CommandError, match="DATASET/VERSION"):
            self.run(f"--release={name}")


class TestPages:
    def test_the_page_tells_how_all_of_it_stands(self, client: Client) -> None:
        maintainer(client)
        release = release_of(2)
        bucket().delete(key_of(release, 0))
        look(release)
        page = client.get("/admin/datasets/drift/").content.decode()
        assert "no object has its key" in page
        assert "every one was asked for since" in page
        for path in (
            f"/admin/datasets/drift/{Drift.objects.get().pk}/change/",
            f"/admin/datasets/archive/{Drift.objects.get().archive_id}/change/",
            f"/admin/datasets/release/{release.pk}/change/",
        ):
            assert "no object has its key" in client.get(path).content.decode()
        assert "archive is not as it was published" in client.get("/admin/").content.decode()

    def test_a_maintainer_has_the_bucket_asked_now(self, client: Client) -> None:
        maintainer(client)
        release = release_of(1)
        client.post(f"/admin/datasets/release/{release.pk}/decide/look-again/", {"decided": "yes"})
        assert FixityCheck.objects.get().release == release

    @pytest.mark.parametrize("state", ["waiting", "failed"])
    def test_of_a_release_one_check_is_tried_again_at_most(self, state: str, client: Client) -> None:
        maintainer(client)
        release = ReleaseFactory()
        ended = {"state": "failed", "finished_at": timezone.now(), "reason": "3 workers died on it."}
        first = FixityCheckFactory(release=release, **ended)
        FixityCheckFactory(release=release, **(ended if state == "failed" else {}))
        page = client.post(f"/admin/datasets/fixitycheck/{first.pk}/decide/retry/", {"decided": "yes"}, follow=True)
        assert page.status_code == 200
        assert client.post("/admin/work/", {"kind": "datasets.fixitycheck"}, follow=True).status_code == 200
        assert FixityCheck.objects.filter(state="waiting").count() == 1

    def test_who_may_not_see_drifts_does_not(self, client: Client) -> None:
        maintainer(client, is_superuser=False)
        assert client.get("/admin/datasets/drift/").status_code == 403
