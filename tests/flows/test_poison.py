"""A row on which every worker dies: it is given up with its reason, and the others are done all the while."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from accounts.mail import queue
from accounts.models import OutgoingMail
from accounts.models.work import MAX_DEATHS
from accounts.services.work import retry_work
from accounts.tasks import hint, send_mails
from tests.factories import StaffFactory
from tests.postroom import PostRoom, post_room
from tests.waiting import wait_until

# The one that tests/flows/poison.py makes deadly.
NAME = "account/unknown_account"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[PostRoom]:
    with post_room(tmp_path, workers=1, app="tests.flows.poison") as room:
        yield room


def killed(room: PostRoom) -> int:
    """Processes of the worker that died so far."""
    return room.workers[0].said().count("exited with 'signal 9 (SIGKILL)'")


def queue_for(name: str, **keys: Any) -> OutgoingMail:
    mail = queue(NAME, to=f"{name}@example.org", **keys)
    hint(send_mails)
    assert mail is not None
    return mail


def test_deadly_row_fails_with_its_reason_the_others_are_done_and_it_can_be_tried_again(room: PostRoom) -> None:
    poison = queue_for("poison", deadly=True)
    for death in range(1, MAX_DEATHS + 1):
        queue_for(f"other{death}")
        wait_until(lambda death=death: killed(room) == death, f"Death {death}", 60)  # type: ignore[misc]
        # The dead worker's lease runs out, and the sweeper finds the row.
        OutgoingMail.objects.filter(pk=poison.pk).update(leased_until=F("leased_until") - timedelta(minutes=2))
    failed = OutgoingMail.objects.failed()
    wait_until(failed.exists, "The end of the row", 60)
    assert failed.get() == poison
    assert failed.get().reason == f"{MAX_DEATHS} workers died on it. The last said: a worker died"
    wait_until(lambda: sum(room.deliveries().values()) == MAX_DEATHS, "The others", 30)

    # What was wrong is put right, and a maintainer tries again.
    OutgoingMail.objects.filter(pk=poison.pk).update(keys={})
    poison.refresh_from_db()
    retry_work(poison, by=StaffFactory())
    hint(send_mails)
    wait_until(lambda: room.deliveries()["poison@example.org"] == 1, "The mail", 60)
    names = ["poison", *(f"other{death}" for death in range(1, MAX_DEATHS + 1))]
    assert room.deliveries() == Counter(f"{name}@example.org" for name in names)
