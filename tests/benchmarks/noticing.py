"""What the benchmark of notices does inside the site: fills the database, and sends."""

import json
import smtplib
import sys
from datetime import timedelta
from time import perf_counter, process_time

import django
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

django.setup()

from accounts.mail import deliver_due  # noqa: E402
from accounts.mail.letters import letter  # noqa: E402
from accounts.models import OutgoingMail, User  # noqa: E402
from datasets.models import AccessGrant, DownloadLink, DownloadRecord, Notice, Release  # noqa: E402
from datasets.services.notices import plan_release_notice, send_due_notices  # noqa: E402
from tests.factories import ArchiveFactory, DatasetFactory, ReleaseFactory, published  # noqa: E402


def fill(people: int) -> None:
    """People who hold access to a release and were issued its archive."""
    release = ReleaseFactory(dataset=DatasetFactory(name="Knee"), status="draft", published_at=None)
    archive = ArchiveFactory(release=release)
    published(release)
    ends = timezone.now() + timedelta(days=90)
    users = User.objects.bulk_create(
        [User(email=f"reader{number}@example.org", name=f"Reader {number}") for number in range(people)], 5_000
    )
    grants = AccessGrant.objects.bulk_create(
        [AccessGrant(user=user, dataset=release.dataset, ends_at=ends) for user in users], 5_000
    )
    links = DownloadLink.objects.bulk_create([DownloadLink(grant=grant, release=release) for grant in grants], 5_000)
    DownloadRecord.objects.bulk_create([DownloadRecord(link=link, archive=archive) for link in links], 5_000)


def queue() -> float:
    """Seconds a mail."""
    began = perf_counter()
    for kind in (Notice.Kind.RELEASE, Notice.Kind.WITHDRAWAL):
        plan_release_notice(Release.objects.get(), kind, text="Two volumes carried dates.")
    while send_due_notices(seconds=3_600):
        pass
    return (perf_counter() - began) / OutgoingMail.objects.count()


def send(rounds: int) -> dict[str, list[float]]:
    """Seconds a mail, and of the processor seconds of this process, round by round."""
    waiting = list(OutgoingMail.objects.waiting().order_by("due_at", "pk").values_list("pk", flat=True))
    share = len(waiting) // rounds
    # Each round's mails are due in that round.
    OutgoingMail.objects.waiting().update(due_at=Now() + timedelta(days=1))
    found: dict[str, list[float]] = {name: [] for name in ("delivering", "delivering_cpu", "loop", "loop_cpu")}
    for number in range(rounds):
        mails = OutgoingMail.objects.filter(pk__in=waiting[number * share : (number + 1) * share])
        ready = [letter(mail).message().as_bytes(linesep="\r\n") for mail in mails.select_related("user")]
        mails.update(due_at=Now())
        # The one goes first in every other round, so that what else the machine does meets both alike.
        for name, work in [("delivering", deliver), ("loop", bare)][:: 1 if number % 2 else -1]:
            began, worked = perf_counter(), process_time()
            work(ready)
            found[name].append((perf_counter() - began) / share)
            found[f"{name}_cpu"].append((process_time() - worked) / share)
    return found


def deliver(ready: list[bytes]) -> None:
    """What is due, as a worker does it."""
    before = OutgoingMail.objects.filter(state="done", reason="").count()
    deliver_due(seconds=3_600)
    if OutgoingMail.objects.filter(state="done", reason="").count() - before != len(ready):
        raise SystemExit("A mail was not delivered.")


def bare(ready: list[bytes]) -> None:
    with smtplib.SMTP(settings.EMAIL_HOST, settings.EMAIL_PORT) as server:
        for content in ready:
            server.sendmail(settings.DEFAULT_FROM_EMAIL, ["reader@example.org"], content)


if __name__ == "__main__":
    work, number = sys.argv[1], int(sys.argv[2])
    if work == "fill":
        fill(number)
    else:
        print(json.dumps(queue() if work == "queue" else send(number)))
    connection.close()
