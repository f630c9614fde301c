"""Whoever asks the site by its name, which the balancer's stand-in answers to on a port of its own."""

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.request import HTTPCookieProcessor, HTTPSHandler, OpenerDirector, build_opener

from portal.embedded import mailbox
from portal.embedded.mailbox import Mail
from portal.embedded.state import LOOPBACK
from tests.visitor import Visitor
from tests.waiting import wait_until


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Address:
    """The site's name, and where its balancer really listens."""

    host: str
    secure_port: int
    plain_port: int
    certificate: Path

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def connection(self, context: ssl.SSLContext | None = None, timeout: float = 30) -> http.client.HTTPSConnection:
        return _Elsewhere(self, timeout=timeout, context=context or self.context())

    def ask(self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """One request over a connection of its own."""
        connection = self.connection()
        try:
            connection.request(method, path, headers=dict(headers or {}))
            return answer_of(connection.getresponse())
        finally:
            connection.close()

    def curl(self) -> list[str]:
        """curl that finds the site."""
        there = f"{self.host}:443:{LOOPBACK}:{self.secure_port}"
        return ["curl", "--silent", "--show-error", "--fail", "--connect-to", there, "--cacert", str(self.certificate)]


def answer_of(response: http.client.HTTPResponse) -> Answer:
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def ask_instance(port: int, path: str, headers: Mapping[str, str]) -> Answer:
    """A request straight to an instance, as the balancer makes it."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers))
        return answer_of(connection.getresponse())
    finally:
        connection.close()


class _Elsewhere(http.client.HTTPSConnection):
    """Speaks to the site by its name, at the balancer's port."""

    def __init__(self, address: Address, *, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(address.host, timeout=timeout, context=context)
        self.there, self.trust = (LOOPBACK, address.secure_port), context

    def connect(self) -> None:
        plain = socket.create_connection(self.there, self.timeout)
        self.sock = self.trust.wrap_socket(plain, server_hostname=self.host)


class _Handler(HTTPSHandler):
    def __init__(self, address: Address) -> None:
        super().__init__()
        self.address, self.context = address, address.context()

    def https_open(self, request: Any) -> http.client.HTTPResponse:
        make: Callable[..., http.client.HTTPSConnection] = lambda _host, timeout=30, **_: self.address.connection(  # noqa: E731
            self.context, timeout
        )
        return self.do_open(make, request)


@dataclass(frozen=True)
class Site:
    """The site as its visitors see it: by its address and by its mails."""

    address: Address
    mail_folder: Path

    @property
    def url(self) -> str:
        return self.address.url

    def mails(self, to: str = "", subject: str = "") -> list[Mail]:
        found = mailbox.read_all(self.mail_folder)
        return [mail for mail in found if (not to or to in mail.recipients) and subject in mail.subject]

    def wait_for_mail(self, to: str, subject: str = "", seconds: float = 60) -> Mail:
        return wait_until(lambda: self.mails(to, subject), f"A mail {subject!r} to {to}", seconds)[0]


def visitor(site: Site, email: str) -> Visitor:
    """Somebody with a browser, which sends the Referer that Django's forms ask for over TLS."""
    found = Visitor(site, email)  # type: ignore[arg-type]
    found.opener = _opener(site.address, found.cookies)
    return found


def _opener(address: Address, cookies: CookieJar) -> OpenerDirector:
    opener = build_opener(_Handler(address), HTTPCookieProcessor(cookies))
    opener.addheaders = [("User-Agent", "Mozilla/5.0 (rehearsal)"), ("Referer", f"{address.url}/")]
    return opener
