"""One line a request."""

import logging
import re

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from portal import urls as site_urls
from portal.middleware import RequestLogMiddleware
from tests.factories import UserFactory


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.pk))


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nobody asked who it is")


urlpatterns = [path("page/", page, name="page"), path("bare/", bare, name="bare"), *site_urls.urlpatterns]


@pytest.fixture(autouse=True)
def _own_pages(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.ROOT_URLCONF = __name__
    caplog.set_level(logging.INFO, "portal.requests")


def said(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    [record] = [record for record in caplog.records if record.name == "portal.requests"]
    return {name: getattr(record, name) for name in ("method", "view", "status", "user", "ms")}


@pytest.mark.django_db
def test_line_says_what_was_asked_by_whom_and_how_it_went(caplog: pytest.LogCaptureFixture) -> None:
    user, client = UserFactory.create(), Client()
    client.force_login(user)
    assert client.get("/page/").content == str(user.pk).encode()
    line = said(caplog)
    assert 0 <= float(str(line.pop("ms"))) < 60_000
    assert line == {"method": "GET", "view": "page", "status": 200, "user": user.pk}


def test_line_does_not_ask_who_it_is_when_the_view_did_not(caplog: pytest.LogCaptureFixture) -> None:
    request = RequestFactory().get("/bare/")
    request.user = SimpleLazyObject(lambda: pytest.fail("the session was read"))  # type: ignore[assignment]
    RequestLogMiddleware(bare)(request)
    assert said(caplog)["user"] is None


def asked(given: str = "") -> HttpResponse:
    return RequestLogMiddleware(bare)(RequestFactory().get("/bare/", headers={"x-request-id": given}))


def test_every_answer_has_an_id_of_its_own() -> None:
    ids = {asked()["X-Request-ID"] for _ in range(5)}
    assert len(ids) == 5
    assert all(re.fullmatch(r"[0-9a-f]{16}", given) for given in ids)


def test_id_of_a_trusted_proxy_is_kept(settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 2
    assert asked("1-67891233-abcdef")["X-Request-ID"] == "1-67891233-abcdef"


@pytest.mark.parametrize(
    ("proxies", "given"), [(0, "1-67891233-abcdef"), (2, "short"), (2, 'x" , "status": 1'), (2, "a" * 65), (2, "é" * 9)]
)
def test_id_that_anybody_could_have_sent_is_not_kept(settings: Settings, proxies: int, given: str) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    answer = asked(given)
    assert answer["X-Request-ID"] != given


def test_page_can_quote_the_id_of_its_request() -> None:
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request.request_id)  # type: ignore[attr-defined]
        return HttpResponse()

    answer = RequestLogMiddleware(view)(RequestFactory().get("/"))
    assert seen == [answer["X-Request-ID"]]
