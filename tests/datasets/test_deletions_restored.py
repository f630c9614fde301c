"""Deletions are replayed after a backup is restored."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Deletion, OutgoingMail, User, Work
from accounts.services.evidence import examine_chain
from datasets.exceptions import BucketDown
from datasets.models import DownloadRecord
from datasets.services import deletions
from datasets.services.deletions import FOLDER, Replay, replay_deletions
from datasets.storage import evidence_bucket
from tests.backups import back_up, restored
from tests.factories import UserFactory
from tests.person import EMAIL, deleted, rows_that_mention, whole_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_bucket() -> None:
    """Numbers begin anew with each database of a test, and other tests have deleted people, too."""
    bucket = evidence_bucket()
    for key in list(bucket.keys(FOLDER)):
        bucket.client.delete_object(Bucket=bucket.name, Key=key)


def replay() -> str:
    said = StringIO()
    call_command("replay_deletions", stdout=said)
    return said.getvalue().strip()


@pytest.mark.django_db(transaction=True)
def test_a_restored_backup_forgets_again_whom_it_brought_back(tmp_path: Path) -> None:
    person = whole_person()
    records = DownloadRecord.objects.count()
    back_up(tmp_path / "backup")
    deleted(person)
    assert rows_that_mention(person.marks) == []

    with restored(tmp_path / "backup"):
        assert connection.settings_dict["NAME"].endswith("_restored")
        assert len(rows_that_mention(person.marks)) > 20
        assert not Deletion.objects.exists()

        assert replay() == "1 deleted again, 0 deleted already, 0 of people whom this database does not know."

        assert rows_that_mention(person.marks) == []
        assert User.objects.get(pk=person.user.pk).is_forgotten
        assert examine_chain().bad is None
        assert DownloadRecord.objects.count() == records
        assert not OutgoingMail.objects.filter(template="account/deleted").exists()
        assert replay() == "0 deleted again, 1 deleted already, 0 of people whom this database does not know."


def test_who_has_the_number_of_somebody_deleted_is_left_alone() -> None:
    """After a restore the sequence gives out numbers again."""
    number = UserFactory(email=EMAIL).pk
    deletion = deleted_by_hand(User.objects.get(pk=number))
    assert deletion.state == Work.State.DONE
    another = {"email": "another@example.org", "name": "Another", "date_joined": timezone.now()}
    User.objects.filter(pk=number).update(**another)
    assert replay_deletions() == Replay(repeated=0, done_before=0, of_nobody=1, not_done=0)
    assert User.objects.get(pk=number).name == "Another"


def test_a_deletion_that_the_backup_knew_as_asked_for_is_done() -> None:
    """The row is there, waiting for its farewell; none is sent again."""
    user = UserFactory(email=EMAIL)
    deletion = deleted_by_hand(user)
    User.objects.filter(pk=user.pk).update(email=EMAIL, name="Back Again", is_active=True)
    Deletion.objects.filter(pk=deletion.pk).update(state="waiting", finished_at=None)
    assert replay_deletions() == Replay(repeated=1, done_before=0, of_nobody=0, not_done=0)
    assert rows_that_mention([EMAIL, "Back Again"]) == []


def test_nobody_is_said_to_be_deleted_who_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(_deletion: Deletion) -> None:
        raise BucketDown("gone")

    user = UserFactory(email=EMAIL)
    deletion = deleted_by_hand(user)
    User.objects.filter(pk=user.pk).update(email=EMAIL, is_active=True)
    Deletion.objects.filter(pk=deletion.pk).update(written_at=None)
    monkeypatch.setattr(deletions, "write_down", away)
    with pytest.raises(SystemExit):
        call_command("replay_deletions")
    assert "1 not done" in capsys.readouterr().err


def deleted_by_hand(user: User) -> Deletion:
    """Written down and forgotten, as the worker does it."""
    deletion = Deletion.objects.create(user=user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    claimed = Deletion.objects.claim(lease=deletions.LATER)
    assert claimed
    deletions.carry_out(claimed)
    deletion.refresh_from_db()
    return deletion
