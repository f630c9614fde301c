"""The site under load: the stack, gunicorn with production settings behind two proxies that end TLS, and its rows."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2

from portal.embedded import application
from portal.embedded.stack import Stack
from portal.embedded.state import choose_ports

HOST = "portal.example.org"
# What the load balancer and nginx say of the client.
PROXIED = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7, 10.0.0.2"}


@dataclass
class Site:
    """Ports of the site and of the empty view, addresses to ask, and the queries that each takes."""

    port: int
    empty_port: int
    links: list[str]
    pages: dict[str, str]
    queries: dict[str, int]


def request(path: str) -> bytes:
    headers = PROXIED | {"User-Agent": "curl/8.5.0", "Accept": "*/*"}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def production(stack: Stack) -> dict[str, str]:
    return stack.environment() | {
        "DJANGO_SETTINGS_MODULE": "portal.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "LINK_KEYS": f"a:{secrets.token_hex(32)}",
        "ALLOWED_HOSTS": HOST,
        "SITE_URL": f"https://{HOST}",
        "TRUSTED_PROXY_COUNT": "2",
        "DEFAULT_FROM_EMAIL": f"data@{HOST}",
    }


def run(environment: dict[str, str], *arguments: str) -> str:
    whole = application.application_environment(environment)
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=application.ROOT, env=whole, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def analyze(address: str) -> None:
    """As the owner: the application's role may not, and PostgreSQL would only do so in its own time."""
    connection = psycopg2.connect(address)
    connection.autocommit = True
    connection.cursor().execute("ANALYZE")
    connection.close()


@contextmanager
def running() -> Iterator[Site]:
    """The site and the empty view, each under the demo's own gunicorn command; the database writes durably."""
    folder = Path(tempfile.mkdtemp(prefix="portal-bench-"))
    stack = Stack(folder / "stack", say=print)
    try:
        stack.start()
        environment = production(stack)
        owner = stack.owners_environment()["DATABASE_OWNER_URL"]
        run(environment | {"DATABASE_OWNER_URL": owner}, "manage.py", "migrate", "-v0")
        run(environment, "manage.py", "collectstatic", "--no-input", "-v0")
        rows = json.loads(run(environment, "-m", "tests.benchmarks.rows"))
        analyze(owner)
        ports = choose_ports(("site", "empty"), {})
        stack.run(application.web(environment, ports["site"]))
        empty = application.web(environment, ports["empty"])
        command = ["tests.benchmarks.empty" if word == "portal.wsgi" else word for word in empty.command]
        stack.run(replace(empty, name="empty", command=command))
        yield Site(ports["site"], ports["empty"], **rows)
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    with running() as site:
        print(site.port, site.empty_port, os.getpid())
        input()
