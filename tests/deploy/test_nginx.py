"""The proxy of the bundle, in a real nginx: what it hands on and answers itself, and that no log of it has a secret."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.proxy import Proxy, Site, running_proxy

TOKEN = "a3kfJx0q9Zb1kLm2nOp3qRs4tUv5wXy6z"
# How somebody's link may come, also by mistake, by a program that escapes too much, or by somebody who tries.
LINKS = (
    f"/get/{TOKEN}/",
    f"/get/{TOKEN}/knee.tar.gz?part=1",
    f"/get/{TOKEN}",
    f"/get//{TOKEN}/status",
    f"//get/{TOKEN}/",
    f"/%67et/{TOKEN}/",
    f"/get%2F{TOKEN}%2F",
    f"/datasets/../get/{TOKEN}/",
    f"/assets/%2e%2e/get/{TOKEN}/",
    f"/datasets/{TOKEN}/",
    f"/downloads/?next=/get/{TOKEN}/",
    f"/{TOKEN}",
    f"/unsubscribe/{TOKEN}/",
    f"/accounts/login/?next=/get/{TOKEN}/",
    f"/previews/1/{TOKEN}/kspace.webp",
    f"/admin/datasets/downloadlink/?q={TOKEN}",
    f"http://portal.example.org/get/{TOKEN}/",
)
# What nginx refuses by itself, some of it before there is a request.
BROKEN = (
    f"GET /get/{TOKEN}/ HTTP/9.9\r\n\r\n",
    f"GET /get/{TOKEN}/\r\n",
    f"G\x01T /get/{TOKEN}/ HTTP/1.1\r\nHost: a\r\n\r\n",
    f"/get/{TOKEN}/ HTTP/1.1\r\n\r\n",
    f"GET /get/{TOKEN}/ HTTP/1.1\r\n\r\n",
    f"GET /get/{TOKEN}/\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    f"GET /get/{TOKEN}/{'a' * 40_000} HTTP/1.1\r\nHost: a\r\n\r\n",
    f"GET /get/{TOKEN}/ HTTP/1.1\r\nHost: a\r\nCookie: {'a' * 40_000}\r\n\r\n",
    f"GET /get/{TOKEN}/ HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
    f"POST /get/{TOKEN}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n",
    f"POST /get/{TOKEN}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\nand then nothing",
    f"POST /get/{TOKEN}/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    f"GET /get/{TOKEN}/../../../ HTTP/1.1\r\nHost: a\r\n\r\n",
    f"GET /get/{TOKEN}/breaks HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    f"GET /get/{TOKEN}/garbles HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    f"TRACE /get/{TOKEN}/ HTTP/1.1\r\nHost: a\r\n\r\n",
    f"CONNECT /get/{TOKEN}/ HTTP/1.1\r\nHost: a\r\n\r\n",
)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running
        running.shutdown()


@pytest.fixture
def proxy(site: Site, tmp_path: Path) -> Iterator[Proxy]:
    with running_proxy(tmp_path, site.port) as running:
        yield running


def lines(proxy: Proxy) -> list[dict[str, object]]:
    return [json.loads(line) for line in proxy.access_log().splitlines()]


def test_no_log_has_the_token_of_a_link(proxy: Proxy) -> None:
    answers = [proxy.get(link, f"Referer: https://portal.example.org/get/{TOKEN}/") for link in LINKS]
    assert {answer.split(b" ", 2)[1] for answer in answers} == {b"200"}
    assert len(lines(proxy)) == len(LINKS)
    assert TOKEN not in proxy.written()


def test_no_log_has_the_token_of_a_request_that_goes_wrong(proxy: Proxy) -> None:
    for request in BROKEN:
        proxy.send_and_leave(request.encode())
    statuses = [line["status"] for line in lines(proxy)]
    assert len(statuses) >= len(BROKEN) - 1
    assert {400, 413, 414} <= set(statuses)
    assert TOKEN not in proxy.written()


def test_no_log_has_the_token_when_the_site_is_away(site: Site, proxy: Proxy) -> None:
    site.shutdown()
    site.server_close()
    answer = proxy.get(f"/get/{TOKEN}/knee.tar.gz")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 10\r\n" in answer
    assert b"Please try again in a minute." in answer
    assert b"<html" not in answer
    (line,) = lines(proxy)
    assert (line["path"], line["status"], line["site_status"]) == ("/get/[hidden]", 503, "502")
    assert TOKEN not in proxy.written()


def test_paths_that_are_no_secret_are_logged_without_their_question(proxy: Proxy) -> None:
    shown = {
        "/": "/",
        "/healthz": "/healthz",
        "/datasets/knee/2.0/?page=3": "/datasets/knee/2.0/",
        "/assets/portal.3f2a1b4c5d6e.css": "/assets/portal.3f2a1b4c5d6e.css",
        "/accounts/profile/": "/accounts/[hidden]",
        "/admin/accounts/user/17/change/": "/admin/[hidden]",
        "/wp-login.php": "[hidden]",
        "/datasets-of-others": "[hidden]",
    }
    for path in shown:
        proxy.get(path)
    assert [line["path"] for line in lines(proxy)] == list(shown.values())


def test_logs_have_no_network_address(proxy: Proxy) -> None:
    proxy.get("/datasets/", "X-Forwarded-For: 203.0.113.7", "User-Agent: somebody@198.51.100.9")
    written = proxy.written()
    assert '"path":"/datasets/"' in written
    assert not re.search(r"203\.0\.113|198\.51\.100|127\.0\.0\.1", written)


def test_the_health_agent_gets_its_form(proxy: Proxy) -> None:
    proxy.get(f"/get/{TOKEN}/")
    proxy.finish()
    (log,) = (proxy.logs / "healthd").iterdir()
    assert re.fullmatch(r"application\.log\.\d{4}-\d{2}-\d{2}-\d{2}", log.name)
    assert re.fullmatch(r'\d+\.\d{3}"/get/\[hidden\]"200"[\d.]+"[\d.]+"-\n', log.read_text())


def test_the_site_learns_of_whoever_asked_and_by_which_way(site: Site, proxy: Proxy) -> None:
    proxy.get("/", "X-Forwarded-For: 192.0.2.1, 203.0.113.7", "X-Forwarded-Proto: https", "X-Request-ID: my-own-id")
    (headers,) = site.asked
    assert headers["x-forwarded-for"] == "192.0.2.1, 203.0.113.7, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["host"] == "10.0.0.1"
    # The proxy's own, which its log has as well.
    assert headers["x-request-id"] == lines(proxy)[0]["request_id"] != "my-own-id"


def test_too_much_at_once_is_refused_with_a_sentence(site: Site, proxy: Proxy) -> None:
    head = b"POST /accounts/profile/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n"
    answer = proxy.send(head + b"a" * 3_000_000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Shorten its texts" in answer
    assert site.asked == []


def test_connections_to_the_site_are_kept(site: Site, proxy: Proxy) -> None:
    proxy.get("/")
    assert "connection" not in site.asked[0]


def test_nothing_is_compressed(proxy: Proxy) -> None:
    assert b"Content-Encoding" not in proxy.get("/", "Accept-Encoding: gzip, br")
