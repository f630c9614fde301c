"""After a run with everything in it, mistakes and outages too, all logs are searched for what is secret."""

import json
import re
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest

from tests.demo import Demo
from tests.registrations import CONFIRM, LOGIN, PASSWORD, SIGNUP, answers, wrong
from tests.visitor import Visitor
from tests.waiting import wait_until

EMAIL = "logged@example.org"
OURS = ("web", "worker", "renderer", "beat")


class NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_args: object) -> None:
        return None


def location(address: str) -> str:
    """Where the site leads, which is a presigned URL."""
    with pytest.raises(HTTPError) as answer:
        build_opener(NoRedirect).open(Request(address))
    with answer.value as refusal:
        assert refusal.code == 302
        return str(refusal.headers["Location"])


def lines(demo: Demo) -> Iterator[tuple[str, str]]:
    for log in sorted((demo.folder / "log").glob("*.log")):
        for line in log.read_text(errors="replace").splitlines():
            yield log.stem, line


def requests(demo: Demo) -> list[dict[str, object]]:
    found = [json.loads(line) for part, line in lines(demo) if part == "web" and '"portal.requests"' in line]
    return [said for said in found if said["logger"] == "portal.requests"]


def test_no_token_code_password_or_key_is_in_any_log(demo: Demo) -> None:
    visitor = Visitor(demo, EMAIL)
    visitor.get(SIGNUP)
    visitor.post(SIGNUP, answers(EMAIL))
    code = re.search(r"^    (\d{6})\s*$", demo.wait_for_mail(EMAIL).text, re.MULTILINE)
    assert code
    assert visitor.post(CONFIRM, {"code": wrong(code[1])}).status == 200
    visitor.post(CONFIRM, {"code": code[1]})
    visitor.sign("knee")
    mailed = re.search(r"\S+/get/([A-Za-z0-9_-]{33})/", demo.wait_for_mail(EMAIL, "download link").text)
    assert mailed
    link, token = mailed[0], mailed[1]
    stranger = Visitor(demo, EMAIL)
    stranger.get(LOGIN)
    assert stranger.post(LOGIN, {"login": EMAIL, "password": f"not {PASSWORD}"}).status == 200
    name = re.search(r"\S+\.tar\.xz", visitor.get(f"{link}SHA256SUMS").html)
    assert name
    presigned = location(f"{link}{name[0]}?mail={EMAIL}")
    tampered = link.replace(token, f"{token[:-2]}{'AA' if token[-2:] != 'AA' else 'BB'}")
    for address, status in ((f"{link}unknown", 404), (tampered, 404)):
        assert visitor.get(address).status == status
    with demo.without("valkey"):
        visitor.get(f"{link}manifest.json")
    with demo.without("postgres"):
        assert visitor.get(f"{link}manifest.json").status >= 500
    wait_until(lambda: visitor.get(f"{link}manifest.json").status == 200, "The database's return")

    signed = parse_qs(urlsplit(presigned).query)
    cookies = {cookie.value or "" for cookie in visitor.cookies}
    secrets = {
        token, token[:-2], code[1], PASSWORD, EMAIL, signed["X-Amz-Signature"][0], *cookies, *demo.secrets.values(),
        *(key.partition(":")[2] for key in demo.environment["LINK_KEYS"].split(",")),
    }  # fmt: skip
    found = [
        (part, line[:300]) for part, line in lines(demo) for secret in secrets if len(secret) > 5 and secret in line
    ]
    assert found == []
    assert {"get_file", "get_listing", "account_signup"} <= {str(said["view"]) for said in requests(demo)}


def test_every_line_of_the_site_and_its_workers_is_json(demo: Demo) -> None:
    Visitor(demo, EMAIL).get("/")
    said = [(part, line) for part, line in lines(demo) if part in OURS]
    odd = [(part, line) for part, line in said if not line.startswith("{") and not is_banner(line)]
    assert odd == []
    assert {part for part, line in said if line.startswith("{") and json.loads(line)["level"]} >= {"web", "worker"}


def is_banner(line: str) -> bool:
    """What Celery greets with before it logs, what it tells root, and what its signal handler says past all logging."""
    greeting = r"\s*$| *[-*_. ]{2}|celery beat|LocalTime|Configuration|\s+\. |\[tasks\]|\s*\.> "
    to_root = r".*SecurityWarning|absolutely not recommended|Please specify|User information|\s+warnings\.warn"
    at_its_end = r"worker: (Warm|Cold|Hitting|Soft) "
    return bool(re.match(f"{greeting}|{to_root}|{at_its_end}", line))


def test_a_person_can_quote_what_the_log_says(demo: Demo) -> None:
    with build_opener().open(f"{demo.url}/datasets/") as answer:
        quoted = answer.headers["X-Request-ID"]
    [said] = wait_until(lambda: [said for said in requests(demo) if said["request_id"] == quoted], "The line")
    assert (said["view"], said["status"], said["user"]) == ("datasets", 200, None)
