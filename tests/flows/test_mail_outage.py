"""Nothing is lost and nothing is doubled: the mail server stops in mid-way, or hangs, or a worker is killed.

FLOW_OUTAGE_SECONDS=60 makes the outages as long as the ones that the site is built for.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db.models import F

from accounts.mail import queue
from accounts.models import OutgoingMail
from accounts.tasks import hint, send_mails
from datasets.models import DownloadLink
from datasets.services.downloads.tokens import token_of
from tests.factories import granted
from tests.postroom import PostRoom, post_room
from tests.waiting import wait_until

# One post room serves all of them, for its start takes as long as a test.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("post room")]
OUTAGE_SECONDS = float(os.environ.get("FLOW_OUTAGE_SECONDS", "8"))
# Workers with two processes each.
WORKERS, PROCESSES = 2, 2


@pytest.fixture(scope="module")
def shared(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostRoom]:
    with post_room(tmp_path_factory.mktemp("post"), workers=WORKERS) as room:
        yield room


@pytest.fixture
def room(shared: PostRoom) -> PostRoom:
    shared.make_ready()
    return shared


@pytest.fixture
def link() -> DownloadLink:
    return granted(archives=3)


def queue_links(link: DownloadLink, numbers: range) -> None:
    """Mails with a link and an attachment, to somebody else each, hinted at as the site does."""
    for number in numbers:
        queue("access/link", to=f"r{number}@example.org", user=link.grant.user, grant=link.grant_id, link=link.pk)
        hint(send_mails)


def all_done() -> bool:
    return not OutgoingMail.objects.exclude(state=OutgoingMail.State.DONE).exists()


def stop(room: PostRoom) -> Callable[[], None]:
    """As a server stops for maintenance: open sessions finish their mail, new ones are refused."""
    room.sink.stop()
    return room.sink.start_again


def freeze(room: PostRoom) -> Callable[[], None]:
    """As a server under a dying disk: it takes connections and answers nothing, then goes on where it was."""
    room.sink.send(signal.SIGSTOP)
    return lambda: room.sink.send(signal.SIGCONT)


@pytest.mark.parametrize("take_away", [stop, freeze])
def test_outage_in_mid_way_loses_no_mail_and_doubles_none(
    room: PostRoom, link: DownloadLink, take_away: Callable[[PostRoom], Callable[[], None]]
) -> None:
    queue_links(link, range(120))
    wait_until(lambda: len(room.deliveries()) >= 15, "The first mails", 60)
    bring_back = take_away(room)
    assert not all_done()
    queue_links(link, range(120, 160))
    time.sleep(OUTAGE_SECONDS)
    before = len(room.deliveries())
    assert before < 160
    bring_back()
    queue_links(link, range(160, 200))
    # A mail that was tried in the outage waits for a second of its back-off at least, and then for the sweeper.
    wait_until(all_done, "The last mail", 120 + OUTAGE_SECONDS)
    assert room.deliveries() == Counter({f"r{number}@example.org": 1 for number in range(200)})
    rows = OutgoingMail.objects.filter(state="done", reason="", deaths=0, leased_until=None)
    assert rows.count() == 200
    # Every attempt but the last of a mail met the outage, and few mails were tried in it.
    assert OutgoingMail.objects.filter(attempts__gt=1).count() < 200 - before
    no_secret_is_logged(room, link)


def no_secret_is_logged(room: PostRoom, link: DownloadLink) -> None:
    said = "\n".join(program.said() for program in (*room.workers, room.beat))
    assert '"event": "mail done"' in said
    for secret in (token_of(link), "@example.org", os.environ["SECRET_KEY"], os.environ["LINK_KEYS"]):
        assert secret not in said


def test_worker_killed_in_mid_mail_loses_none_and_doubles_only_what_it_held(room: PostRoom, link: DownloadLink) -> None:
    victim = room.workers[0]
    room.sink.send(signal.SIGSTOP)
    queue_links(link, range(60))
    held = WORKERS * PROCESSES
    running = OutgoingMail.objects.filter(state=OutgoingMail.State.RUNNING)
    wait_until(lambda: running.count() == held, "A mail in every process", 30)
    # Long enough for the whole mail to be on its way, of which the server has said nothing yet.
    time.sleep(1)
    victim.send(signal.SIGKILL)
    victim.process.wait()
    room.sink.send(signal.SIGCONT)
    wait_until(lambda: OutgoingMail.objects.filter(state="done").count() == 60 - PROCESSES, "The others' mails", 60)
    assert running.count() == PROCESSES
    # The dead worker's leases run out, and the sweeper finds its rows.
    running.update(leased_until=F("leased_until") - timedelta(minutes=2))
    wait_until(all_done, "The mails of the dead worker", 60)
    delivered = room.deliveries()
    assert set(delivered) == {f"r{number}@example.org" for number in range(60)}
    doubled = [address for address, times in delivered.items() if times > 1]
    assert len(doubled) <= PROCESSES
    assert max(delivered.values()) <= 2
    assert OutgoingMail.objects.filter(deaths=1).count() == PROCESSES
