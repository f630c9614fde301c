"""A part is away: what does not need it goes on, and the rest says 503 and when to come back."""

import os
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from accounts.models import OutgoingMail
from datasets.models import DownloadLink
from datasets.services.downloads import address_of
from tests.access import offered
from tests.answers import CONFIRM, SIGNUP, answers
from tests.factories import granted
from tests.flows.conftest import site_of_the_tests
from tests.flows.silence import Silence, nobody
from tests.receipts import make_all_receipts
from tests.registrations import newest_code
from tests.visitor import Page, Visitor

pytestmark = pytest.mark.django_db(transaction=True)
PUBLIC = ("/", "/datasets/", "/help/", "/privacy/", "/cite/")
EMAIL = "quiet@example.org"


class Guest(Visitor):
    """Somebody who goes the whole way at the site of the tests, whose mails stay in the outbox."""

    def __init__(self, url: str) -> None:
        super().__init__(None, EMAIL)  # type: ignore[arg-type]
        self.url = url

    def _whole(self, path: str) -> str:
        return path if path.startswith("http") else self.url + path

    def register(self) -> Page:
        self.get(SIGNUP)
        assert "Enter" in self.post(SIGNUP, answers(EMAIL)).text
        return self.post(CONFIRM, {"code": newest_code(EMAIL)})


def status_of(url: str) -> int:
    """Of one request, redirects not followed."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status
    finally:
        connection.close()


def refusal_of(url: str) -> tuple[int, str, str]:
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(url), timeout=30)
    with caught.value as refusal:
        return refusal.code, refusal.headers["Retry-After"] or "", refusal.read().decode()


@pytest.fixture
def silence() -> Iterator[Silence]:
    with Silence() as silence:
        yield silence


def whole_way(url: str) -> None:
    """Public pages, registering, signing, and the redirect of a download: all of it answers."""
    dataset = offered()
    for path in (*PUBLIC, dataset.get_absolute_url()):
        assert status_of(f"{url}{path}") == 200, path
    guest = Guest(url)
    assert "/downloads/" in guest.register().address
    signed = guest.sign(dataset.slug)
    assert signed.status == 200
    assert "is open until" in signed.text
    link = DownloadLink.objects.get(grant__user__email=EMAIL)
    name = link.release.archives.get().name
    assert status_of(f"{url}{urlsplit(address_of(link, name)).path}") == 302
    guest.post("/accounts/logout/", {})
    guest.get("/accounts/login/")
    guest.post("/accounts/login/", {"login": EMAIL, "password": answers()["password1"]})
    assert guest.get("/accounts/profile/").address.endswith("/accounts/profile/")
    make_all_receipts()
    assert set(OutgoingMail.objects.values_list("template", flat=True)) >= {"agreement/receipt", "access/link"}


def test_cache_that_refuses_takes_no_page_with_it(django_db_setup: None) -> None:
    with site_of_the_tests(REDIS_URL=f"redis://127.0.0.1:{nobody()}/0") as url:
        whole_way(url)


def test_cache_that_says_nothing_is_asked_now_and_then_rather_than_by_every_page(silence: Silence) -> None:
    with site_of_the_tests(REDIS_URL=f"redis://127.0.0.1:{silence.port}/0") as url:
        whole_way(url)
    # The cache, the counter of links and the queue: each is left alone for seconds after it said nothing. The way has
    # some 20 requests, of which one that registers asks the cache a dozen times.
    assert 0 < silence.calls < 12


def test_limit_of_sign_ins_stays_while_the_cache_is_away(django_db_setup: None) -> None:
    with site_of_the_tests(REDIS_URL=f"redis://127.0.0.1:{nobody()}/0") as url:
        guest = Guest(url)
        guest.get("/accounts/login/")
        tries = [guest.post("/accounts/login/", {"login": EMAIL, "password": "wrong"}) for _try in range(7)]
    assert "wrong too often" in tries[-1].text
    assert "wrong too often" not in tries[0].text


def test_bucket_that_is_away_stops_downloads_alone(django_db_setup: None) -> None:
    link = granted(archives=1)
    name = link.release.archives.get().name
    with site_of_the_tests(BUCKET_ENDPOINT_URL=f"http://127.0.0.1:{nobody()}") as url:
        for path in (*PUBLIC, link.release.get_absolute_url()):
            assert status_of(f"{url}{path}") == 200, path
        # The address is signed here, and the client meets the bucket by itself.
        assert status_of(f"{url}{urlsplit(address_of(link, name)).path}") == 302
        assert "/downloads/" in Guest(url).register().address


def test_database_that_is_away_is_a_503_with_a_time_to_come_back(django_db_setup: None) -> None:
    token = urlsplit(address_of(granted())).path
    away = re.sub(r":\d+/", f":{nobody()}/", os.environ["DATABASE_URL"])
    with site_of_the_tests(DATABASE_URL=away) as url:
        assert status_of(f"{url}/healthz") == 200
        for path in ("/", "/datasets/", "/accounts/login/", "/accounts/signup/", "/downloads/", "/admin/"):
            status, retry_after, page = refusal_of(f"{url}{path}")
            assert (status, retry_after) == (503, "60"), path
            assert "A part of the site does not answer" in page
        status, retry_after, sentence = refusal_of(f"{url}{token}")
        assert (status, retry_after) == (503, "60")
        assert sentence.count("\n") == 1
