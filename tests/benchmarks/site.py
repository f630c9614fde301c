"""The site under load: the stack, gunicorn with production settings behind two proxies that end TLS, and its rows."""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2

from portal.embedded import application
from portal.embedded.stack import Stack
from portal.embedded.state import choose_ports

HOST = "portal.example.org"
# What the load balancer and nginx say of the client.
PROXIED = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7, 10.0.0.2"}
NUMBERS_DATABASE = "portal_numbers"


@dataclass(frozen=True)
class Target:
    """One kind of request: what is asked in turn, and with what it must be answered."""

    paths: list[str]
    status: int = 200
    cookie: str = ""
    most: float = 0
    """How many times the nearly empty database's time it may take at size; 0 where nothing is said."""

    def requests(self) -> list[bytes]:
        return [request(path, self.cookie) for path in self.paths]


@dataclass
class World:
    """The site on one database: its port, and the queries that each request takes there."""

    name: str
    port: int
    queries: dict[str, int]


@dataclass
class Site:
    """The empty view's port, and the same requests of the site on each database."""

    empty_port: int
    targets: dict[str, Target]
    worlds: list[World]


def request(path: str, cookie: str = "") -> bytes:
    headers = PROXIED | {"User-Agent": "curl/8.5.0", "Accept": "*/*"} | ({"Cookie": cookie} if cookie else {})
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


def run(environment: dict[str, str], *arguments: str, **options: Any) -> str:
    whole = application.application_environment(environment)
    command = [sys.executable, *arguments]
    options = {"stdout": subprocess.PIPE} | options
    return subprocess.run(command, cwd=application.ROOT, env=whole, check=True, text=True, **options).stdout


def analyze(address: str) -> None:
    """As the owner: the application's role may not, and PostgreSQL would only do so in its own time."""
    connection = psycopg2.connect(address)
    connection.autocommit = True
    connection.cursor().execute("ANALYZE")
    connection.close()


@contextmanager
def running(*, share: float) -> Iterator[Site]:
    """The site on a nearly empty database and, with a share of the numbers, on one of that size; and the empty view.
    Each under the demo's own gunicorn command; the database writes durably."""
    folder = Path(tempfile.mkdtemp(prefix="portal-bench-"))
    stack = Stack(folder / "stack", say=print)
    try:
        stack.start()
        environment = production(stack)
        owner = stack.owners_environment()["DATABASE_OWNER_URL"]
        run(environment | {"DATABASE_OWNER_URL": owner}, "manage.py", "migrate", "-v0")
        run(environment, "manage.py", "collectstatic", "--no-input", "-v0")
        rows = json.loads(run(environment, "-m", "tests.benchmarks.rows").splitlines()[-1])
        analyze(owner)
        targets = targets_of(**rows)
        worlds = {"nearly empty": environment}
        if share:
            worlds["at size"] = with_numbers(environment, owner, share)
        ports = choose_ports(("empty", *worlds), {})
        empty = application.web(environment, ports["empty"])
        command = ["tests.benchmarks.empty" if word == "portal.wsgi" else word for word in empty.command]
        stack.run(replace(empty, name="empty", command=command))
        found = []
        for name, its in worlds.items():
            found.append(World(name, ports[name], queries_of(its, targets)))
            stack.run(replace(application.web(its, ports[name]), name=name.replace(" ", "-")))
        yield Site(ports["empty"], targets, found)
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


def targets_of(
    links: list[str], pages: dict[str, str], admin: dict[str, str], cookies: dict[str, str]
) -> dict[str, Target]:
    public = {name: Target([path], most=1.15) for name, path in pages.items()}
    maintained = {name: Target([path], cookie=cookies["maintainer"], most=3) for name, path in admin.items()}
    own = {"my downloads": Target(["/downloads/"], cookie=cookies["reader"])}
    return {"link: 302, recorded": Target(links, 302, most=1.15)} | public | own | maintained


def with_numbers(environment: dict[str, str], owner: str, share: float) -> dict[str, str]:
    """A copy of the database, filled by the role that owns its tables, and the environment of a site on it."""
    address, _slash, database = environment["DATABASE_URL"].rpartition("/")
    owners_address = owner.rpartition("/")[0]
    connection = psycopg2.connect(f"{owners_address}/postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {NUMBERS_DATABASE} TEMPLATE {database}")
    connection.close()
    print("Loading the numbers: some minutes (--share 0 does without)", flush=True)
    # A cache of its own: what one database says must not reach the other's pages.
    cache = environment["REDIS_URL"].rpartition("/")[0]
    filled = environment | {"DATABASE_URL": f"{address}/{NUMBERS_DATABASE}", "REDIS_URL": f"{cache}/1"}
    as_owner = filled | {"DATABASE_URL": f"{owners_address}/{NUMBERS_DATABASE}"}
    run(as_owner, "-m", "tests.benchmarks.numbers", f"--share={share}", stdout=None)
    return filled


def queries_of(environment: dict[str, str], targets: dict[str, Target]) -> dict[str, int]:
    asked = {name: (target.paths[0], target.cookie, target.status) for name, target in targets.items()}
    counted: dict[str, int] = json.loads(
        run(environment, "-m", "tests.benchmarks.queries", input=json.dumps(asked)).splitlines()[-1]
    )
    return counted
