"""The site's own pages, and what is said when something goes wrong."""

import re
from collections.abc import Iterator

import pytest
from django.core.cache import caches
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from psycopg2.errors import ReadOnlySqlTransaction
from redis.exceptions import ConnectionError as CacheGone

from datasets.exceptions import BucketDown
from portal import urls, views
from portal.context import faces
from tests.factories import ArchiveFactory, UserFactory

PAGES = ["/", "/datasets/", "/help/", "/privacy/", "/cite/"]


def standby() -> InternalError:
    """What Django raises after a failover, on a connection that leads to a database which only reads."""
    error = InternalError("cannot execute UPDATE in a read-only transaction")
    error.__cause__ = ReadOnlySqlTransaction("cannot execute UPDATE in a read-only transaction")
    return error


FAILURES = {
    "denied": PermissionDenied(),
    "suspicious": SuspiciousOperation(),
    "mistake": ZeroDivisionError(),
    "database": OperationalError("gone"),
    "standby": standby(),
    "broken database": InternalError("a mistake"),
    "bucket": BucketDown("The bucket does not answer."),
    "cache": CacheGone("refused"),
}


def failing(request: HttpRequest, how: str) -> HttpResponse:
    error = FAILURES[how]
    raise error from error.__cause__


urlpatterns = [path("failing/<str:how>/", failing), *urls.urlpatterns]
handler400, handler500 = urls.handler400, urls.handler500


@pytest.fixture
def failing_client() -> Iterator[Client]:
    with override_settings(ROOT_URLCONF=__name__):
        yield Client(raise_request_exception=False)


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_pages_answer_everybody_and_carry_nothing_inline(client: Client, page: str) -> None:
    ArchiveFactory()
    for person in (None, UserFactory()):
        if person:
            client.force_login(person)
        response = client.get(page)
        html = response.content.decode()
        assert response.status_code == 200
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]* src=)|javascript:", html)
        assert "unsafe" not in response["Content-Security-Policy"]
        assert not re.search(r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1)', html)


@pytest.mark.django_db
def test_home_shows_the_figures_with_their_numbers(client: Client) -> None:
    html = client.get("/").content.decode()

    assert re.search(r"Fig\. 1 \|.*NMSE 0\.\d{3}, PSNR \d\d\.\d&nbsp;dB, SSIM 0\.\d{3}", html, re.DOTALL)
    assert html.count("alt=") == html.count("<img")
    assert "Coil 8: bright near this coil" in html


@pytest.mark.django_db
def test_public_pages_need_no_shared_cache(client: Client) -> None:
    release = ArchiveFactory().release
    down = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    kept = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}

    with override_settings(CACHES={"default": down, "pages": kept}):
        for page in [*PAGES, release.get_absolute_url()]:
            assert client.get(page).status_code == 200


@pytest.mark.django_db
def test_a_page_that_is_nowhere_says_so_and_leads_on(client: Client) -> None:
    response = client.get("/nowhere/")

    assert response.status_code == 404
    assert b"There is no such page" in response.content
    assert b'href="/datasets/"' in response.content


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("how", "status", "sentence"),
    [
        ("denied", 403, "This page is not open to you"),
        ("suspicious", 400, "This request cannot be read"),
        ("mistake", 500, "We made a mistake"),
        ("database", 503, "A part of the site does not answer"),
        ("standby", 503, "A part of the site does not answer"),
        ("broken database", 500, "We made a mistake"),
        ("bucket", 503, "A part of the site does not answer"),
        ("cache", 503, "A part of the site does not answer"),
    ],
)
def test_failures_say_what_happened(failing_client: Client, how: str, status: int, sentence: str) -> None:
    response = failing_client.get(f"/failing/{how}/")

    assert response.status_code == status
    assert sentence in response.content.decode()
    assert (response.get("Retry-After") is not None) == (status == 503)


def test_mistakes_are_told_without_the_database(failing_client: Client) -> None:
    """No django_db mark: a query would fail this test."""
    request = HttpRequest()

    for response in (views.server_error(request), views.bad_request(request)):
        assert b"data@example.org" in response.content


@pytest.mark.django_db
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1:80@evil.example", "127.0.0.1 evil", "<script>", "", "a" * 300]
)
def test_a_foreign_host_is_a_bad_request_and_is_not_repeated(client: Client, host: str) -> None:
    response = client.get("/", headers={"host": host})

    assert response.status_code == 400
    assert b"This request cannot be read" in response.content
    assert b"evil" not in response.content
    assert b"<script>" not in response.content


@pytest.mark.django_db
def test_a_forwarded_host_is_not_believed(client: Client) -> None:
    response = client.get("/", headers={"x-forwarded-host": "evil.example"})

    assert response.status_code == 200
    assert b"evil" not in response.content
    caches["pages"].clear()


@pytest.mark.django_db
def test_a_form_without_its_token_is_refused_with_what_to_do() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory())

    response = client.post("/accounts/logout/")

    assert response.status_code == 403
    assert b"This form is too old" in response.content


def test_faces_that_were_not_fetched_are_not_linked() -> None:
    assert faces("fonts/no-such-face.woff2") == ""
