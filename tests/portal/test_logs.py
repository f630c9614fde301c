"""What a line in the log says, and what it never says."""

import io
import json
import logging
import logging.config
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings
from structlog.contextvars import bound_contextvars

from accounts.tasks import send_mails
from portal import urls as site_urls
from portal.celery import log_as_the_site_does
from portal.logs import JsonFormatter

TOKEN = "kVt7Kq2xMZr4pVt7Kq2xMZr4pVt7Kq2xM"


def broken(request: HttpRequest, token: str) -> HttpResponse:
    in_a_variable = f"local {token}"
    raise RuntimeError(f"cannot open https://portal.example.org/get/{token}/knee.tar.xz for {len(in_a_variable)}")


def missing(request: HttpRequest, token: str) -> HttpResponse:
    raise Http404(token)


def suspicious(request: HttpRequest, token: str) -> HttpResponse:
    raise SuspiciousOperation(f"/get/{token}/ looks wrong")


urlpatterns = [
    path("get/<token>/broken", broken, name="broken"),
    path("get/<token>/missing", missing, name="missing"),
    path("get/<token>/suspicious", suspicious, name="suspicious"),
    *site_urls.urlpatterns,
]


@contextmanager
def site_logs() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines that a process of the site would write, under its own configuration."""
    stream = io.StringIO()
    logs: Any = settings.LOGGING
    config = logs | {"handlers": {"console": {**logs["handlers"]["console"], "stream": stream}}}
    before = {name: (log.handlers[:], log.level, log.propagate) for name, log in _loggers()}
    try:
        logging.config.dictConfig(config)
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    finally:
        for name, log in _loggers():
            handlers, level, propagate = before.get(name, ([], logging.NOTSET, True))
            log.handlers[:] = handlers
            log.setLevel(level)
            log.propagate = propagate


def _loggers() -> list[tuple[str, logging.Logger]]:
    names = list(logging.root.manager.loggerDict)
    return [("", logging.root), *((name, logging.getLogger(name)) for name in names)]


def line(record: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text)


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("accounts.mail").makeRecord(
        "accounts.mail", logging.INFO, "x.py", 1, message, args, None, extra=extra
    )


def test_line_has_time_level_logger_event_and_what_the_event_brings() -> None:
    said = line(record("mail %s", "done", mail=7, template="access/link"))
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "info",
        "logger": "accounts.mail",
        "event": "mail done",
        "mail": 7,
        "template": "access/link",
    }


def test_line_has_what_is_bound_to_the_request() -> None:
    with bound_contextvars(request_id="abc"):
        assert line(record("x"))["request_id"] == "abc"
    assert "request_id" not in line(record("x"))


def test_line_of_a_task_names_it() -> None:
    said = []

    @send_mails.app.task(name="tests.task")
    def task() -> None:
        said.append(line(record("x")))

    task.apply(task_id="some-id")
    assert (said[0]["task"], said[0]["task_id"]) == ("tests.task", "some-id")


def test_values_that_json_does_not_know_and_line_breaks_stay_on_one_line() -> None:
    said = line(record("two\nlines", value=object(), name_="Zoë"))
    assert said["event"] == "two\nlines"
    assert said["value"].startswith("<object")


def test_exception_is_told_without_the_values_of_variables() -> None:
    try:
        broken(HttpRequest(), TOKEN)
    except RuntimeError:
        made = record("crashed")
        made.exc_info = sys.exc_info()
    said = line(made)
    assert "RuntimeError: cannot open https://portal.example.org/get/[hidden] for 39" in said["exception"]
    assert TOKEN not in json.dumps(said)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"GET /get/{TOKEN}/a.tar?x=1 HTTP/1.1", "GET /get/[hidden] HTTP/1.1"),
        (f"'https://h/get/{TOKEN}/'", "'https://h/get/[hidden]'"),
        ("?X-Amz-Signature=abc&X-Amz-Date=1", "?X-Amz-Signature=[hidden]&X-Amz-Date=1"),
        ("?X-Amz-Credential=AKIA%2F1 x", "?X-Amz-Credential=[hidden] x"),
        ("widget /gets/ stays", "widget /gets/ stays"),
    ],
)
def test_secret_addresses_are_hidden_wherever_they_stand(text: str, shown: str) -> None:
    assert line(record(text))["event"] == shown
    assert line(record("x", more=text))["more"] == shown


@pytest.fixture
def own_views(settings: Settings) -> None:
    """Our failing views below /get/ in place of the site's, which answer before any address is resolved."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != "datasets.middleware.LinkMiddleware"]


@pytest.mark.django_db
@pytest.mark.usefixtures("own_views")
def test_error_of_a_view_is_logged_by_its_name_and_not_by_its_path() -> None:
    with site_logs() as lines:
        answer = Client(raise_request_exception=False).get(f"/get/{TOKEN}/broken?email=quiet@example.org")
    assert answer.status_code == 500
    [error] = [said for said in lines() if said["logger"] == "django.request"]
    [request] = [said for said in lines() if said["logger"] == "portal.requests"]
    assert error["event"] == "Internal Server Error: broken"
    assert "RuntimeError: cannot open" in error["exception"]
    assert (request["view"], request["status"], request["method"]) == ("broken", 500, "GET")
    assert error["request_id"] == request["request_id"] == answer["X-Request-ID"]
    assert TOKEN not in json.dumps(lines())
    assert "quiet" not in json.dumps(lines())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status"), [("missing", 404), ("suspicious", 400), ("unknown", 404), ("../" * 3, 404)]
)
@pytest.mark.usefixtures("own_views")
def test_refusals_leave_no_path_in_the_log(address: str, status: int) -> None:
    with site_logs() as lines:
        answer = Client(raise_request_exception=False).get(f"/get/{TOKEN}/{address}")
    assert answer.status_code == status
    assert [said["status"] for said in lines() if said["logger"] == "portal.requests"] == [status]
    assert TOKEN not in json.dumps(lines())


@pytest.mark.django_db
@pytest.mark.usefixtures("own_views")
def test_forged_form_and_foreign_host_leave_no_path_in_the_log() -> None:
    with site_logs() as lines:
        forged = Client(enforce_csrf_checks=True).post(f"/get/{TOKEN}/missing")
        foreign = Client().get(f"/get/{TOKEN}/missing", headers={"host": "evil.example"})
    assert (forged.status_code, foreign.status_code) == (403, 400)
    assert "Forbidden (CSRF cookie not set.): missing" in [said["event"] for said in lines()]
    assert TOKEN not in json.dumps(lines())


def test_no_handler_of_djangos_own_prints_or_mails_a_path() -> None:
    with site_logs():
        own = [(name, handler) for name, log in _loggers() for handler in log.handlers if name.startswith("django")]
    assert own == []


def test_celery_logs_as_the_site_does() -> None:
    with site_logs():
        log_as_the_site_does()
        logging.captureWarnings(False)
        [console] = [handler for handler in logging.root.handlers if isinstance(handler.formatter, JsonFormatter)]
    assert isinstance(console, logging.StreamHandler)
