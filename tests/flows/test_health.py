"""/readyz of the running site, with its parts taken away one after the other."""

import json
from http.client import HTTPConnection
from typing import NamedTuple

import pytest

from tests.demo import Demo
from tests.waiting import wait_until

FINE = {"database": "ok", "cache": "ok", "bucket": "ok", "worker": "ok", "mail": "ok", "work": "ok"}


class Health(NamedTuple):
    status: int
    words: dict[str, str]
    retry_after: str | None


def ask(demo: Demo, path: str = "/readyz") -> Health:
    """As a load balancer asks: with the instance's address as the host."""
    connection = HTTPConnection("127.0.0.1", demo.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": "10.0.12.7"})
        answer = connection.getresponse()
        words = json.loads(answer.read()) if path == "/readyz" else {}
        return Health(answer.status, words, answer.getheader("Retry-After"))
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("bucket", {"bucket": "down"}),
        ("valkey", {"cache": "down", "worker": "unknown"}),
        ("postgres", {"database": "down", "mail": "unknown", "work": "unknown"}),
    ],
)
def test_part_that_is_away_is_named_until_it_is_back(demo: Demo, part: str, words: dict[str, str]) -> None:
    wait_until(lambda: ask(demo).words == FINE, "Every part's answer", 60)
    with demo.without(part):
        wait_until(lambda: ask(demo) == Health(503, FINE | words, "10"), "The refusal with its reason")
        assert ask(demo, "/healthz").status == 200
    wait_until(lambda: ask(demo) == Health(200, FINE, None), "Every part's return", 60)
