"""What the benchmark of notices does inside the site: fills the database, and sends."""

import json
import smtplib
import sys
from datetime import timedelta
from time import perf_counter

import django
from django.conf import settings
from django.db import connection
from django.utils import timezone

django.setup()

from accounts.mail import Courier, deliver_next  # noqa: E402
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
    """Seconds a mail, round by round."""
    share = OutgoingMail.objects.waiting().count() // rounds
    delivering: list[float] = []
    loop: list[float] = []
    for _round in range(rounds):
        ready = [letter(mail).message().as_bytes(linesep="\r\n") for mail in OutgoingMail.objects.waiting()[:share]]
        for measured, work in ((delivering, deliver), (loop, bare)):
            began = perf_counter()
            sent = work(ready)
            measured.append((perf_counter() - began) / sent)
    return {"delivering": delivering, "loop": loop}


def deliver(ready: list[bytes]) -> int:
    with Courier() as courier:
        for _each in ready:
            if not deliver_next(courier):
                raise SystemExit("A mail was not delivered.")
    return len(ready)


def bare(ready: list[bytes]) -> int:
    with smtplib.SMTP(settings.EMAIL_HOST, settings.EMAIL_PORT) as server:
        for content in ready:
            server.sendmail(settings.DEFAULT_FROM_EMAIL, ["reader@example.org"], content)
    return len(ready)


if __name__ == "__main__":
    work, number = sys.argv[1], int(sys.argv[2])
    if work == "fill":
        fill(number)
    else:
        print(json.dumps(queue() if work == "queue" else send(number)))
    connection.close()
