"""A server's clock is ten minutes ahead or behind: nobody is refused, no mail is lost, none is doubled."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from django.utils import timezone

from accounts.mail import queue
from accounts.models import OutgoingMail, Signature
from accounts.tasks import hint, send_mails
from datasets.models import DownloadLink
from datasets.services.downloads import address_of
from datasets.storage import bucket
from tests.access import granted, offered
from tests.factories import UserFactory
from tests.flows.conftest import Portal, site_of_the_tests
from tests.flows.test_parts_away import EMAIL, Guest, status_of
from tests.postroom import post_room
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.parametrize("wrong", [600, -600])]


def test_worker_hears_hints_and_delivers_each_mail_once(wrong: float, tmp_path: Path) -> None:
    dataset = offered()
    people = UserFactory.create_batch(5)
    grants = [granted(person, dataset) for person in people]
    OutgoingMail.objects.all().delete()
    with post_room(tmp_path, workers=1, clock=wrong) as room:
        for person, grant in zip(people, grants, strict=True):
            link = DownloadLink.objects.get(grant=grant)
            queue("access/link", user=person, grant=grant.pk, link=link.pk)
            hint(send_mails)
        done = OutgoingMail.objects.filter(state=OutgoingMail.State.DONE, reason="", attempts=1)
        wait_until(lambda: done.count() == len(people), "The mails", 60)
        # A lease is of the database's time, so that a clock that is ahead takes no row from another worker.
        assert room.deliveries() == Counter(person.email for person in people)


def test_who_signs_there_is_signed_at_the_databases_time_and_downloads_everywhere(wrong: float, portal: Portal) -> None:
    dataset = offered()
    with site_of_the_tests(clock=wrong) as there:
        guest = Guest(there)
        assert "/downloads/" in guest.register().address
        assert "is open until" in guest.sign(dataset.slug).text
        link = DownloadLink.objects.get(grant__user__email=EMAIL)
        path = urlsplit(address_of(link, link.release.archives.get().name)).path
        assert [status_of(f"{site}{path}") for site in (portal.url, there)] == [302, 302]
    signature = Signature.objects.get()
    assert abs(signature.signed_at - timezone.now()) < timedelta(minutes=5)
    assert link.grant.starts_at - timezone.now() == pytest.approx(timedelta(seconds=wrong), abs=timedelta(minutes=5))


def test_who_was_granted_a_moment_ago_downloads_there_and_stays_signed_in(wrong: float, portal: Portal) -> None:
    dataset = offered()
    with site_of_the_tests(clock=wrong) as there:
        guest = Guest(portal.url)
        guest.register()
        guest.sign(dataset.slug)
        link = DownloadLink.objects.get(grant__user__email=EMAIL)
        path = urlsplit(address_of(link, link.release.archives.get().name)).path
        assert status_of(f"{there}{path}") == 302
        # Cookies know no port: the same session at another server.
        guest.url = there
        assert guest.get("/accounts/profile/").address == f"{there}/accounts/profile/"


def test_address_that_was_signed_there_opens_the_bucket(wrong: float, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"k-space")
    bucket().upload(tmp_path / "file", "clock/file")
    moment = datetime.now(UTC) + timedelta(seconds=wrong)
    with urlopen(bucket().presign("clock/file", filename="file", moment=moment)) as answer:
        assert answer.read() == b"k-space"
