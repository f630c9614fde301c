"""Deleting a person, in and outside of the database, and again after a backup was restored.

A backup knows the people who were deleted after it was made. So each deletion is also an object in the evidence
bucket, written before anything is forgotten: `deletions/<number>-<fingerprint>.json`. It holds the number of the
person's row, a time, and a fingerprint: SHA-256 of that number and of the moment of registration. A restored database
gives numbers away again; who has such a number now registered at another moment, and is left alone.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta

from accounts.models import Deletion, User
from accounts.services.deletions import forget_person, must_wait, record_written, repeat_deletion
from accounts.services.work import work_through
from datasets.exceptions import BucketDown
from datasets.storage import evidence_bucket

logger = logging.getLogger(__name__)

FOLDER = "deletions/"
KEY = re.compile(rf"{FOLDER}(?P<number>\d{{1,18}})-(?P<mark>[0-9a-f]{{16}})\.json")
# While the farewell is on its way, and while a part is down.
SOON, LATER = timedelta(seconds=15), timedelta(minutes=10)


def carry_out(deletion: Deletion) -> None:
    """What the worker does with a row: write it down outside, wait for the farewell, forget."""
    try:
        if deletion.written_at is None:
            write_down(deletion)
        if must_wait(deletion):
            deletion.postpone(reason="The farewell is on its way.", base=SOON, ceiling=SOON)
        else:
            forget_person(deletion)
            logger.info("account deleted", extra={"user": deletion.user_id, "deletion": deletion.pk})
    except BucketDown:
        deletion.postpone(reason="The evidence bucket does not answer.", base=SOON, ceiling=LATER)


def write_down(deletion: Deletion) -> None:
    """The same object, however often."""
    user = deletion.user
    mark = fingerprint(user)
    content = {"user": user.pk, "fingerprint": mark, "asked_at": deletion.created_at.astimezone(UTC).isoformat()}
    evidence_bucket().put(f"{FOLDER}{user.pk}-{mark[:16]}.json", json.dumps(content).encode())
    record_written(deletion)


def fingerprint(user: User) -> str:
    joined = user.date_joined.astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(f"{user.pk} {joined}".encode()).hexdigest()


# After a restore -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replay:
    """How many deletions were found outside, by what became of each."""

    repeated: int
    done_before: int
    of_nobody: int
    """The backup knows no such person: the number is nobody's, or somebody else's who registered later."""
    not_done: int


def replay_deletions() -> Replay:
    """Delete again whom the restored database still knows. May be run as often as one likes."""
    wanted, of_nobody, done_before = [], 0, 0
    for number, mark in written_down():
        user = User.objects.filter(pk=number).first()
        if user is None or not fingerprint(user).startswith(mark):
            of_nobody += 1
        elif user.is_forgotten:
            done_before += 1
        else:
            wanted.append(repeat_deletion(user).pk)
    while work_through(Deletion.objects.filter(pk__in=wanted), carry_out, seconds=60):
        pass
    repeated = Deletion.objects.filter(pk__in=wanted, state=Deletion.State.DONE).count()
    return Replay(repeated, done_before, of_nobody, len(wanted) - repeated)


def written_down() -> Iterator[tuple[int, str]]:
    """Numbers and the beginnings of fingerprints: the keys say all that is needed."""
    for key in evidence_bucket().keys(FOLDER):
        if found := KEY.fullmatch(key):
            yield int(found["number"]), found["mark"]
