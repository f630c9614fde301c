"""Cache, queue and beat reach a server over TLS only if its certificate is good."""

import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from portal.embedded.state import LOOPBACK
from tests.deploy.templates import ROOT
from tests.portal.test_production_guard import SAFE

# Each of the three ways on which the site goes there, with an answer at the end.
ASK = """
import ssl
import django
django.setup()
from django.core.cache import caches
from redbeat.schedulers import ensure_conf, get_redis
from portal.celery import app

def cache():
    caches["server"].set("tls", "yes", timeout=60)
    return caches["server"].get("tls")

def queue():
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0.1)
        connection.default_channel.client.ping()
        return "yes"

def beat():
    ensure_conf(app)
    return "yes" if get_redis(app).ping() else "no"

for ask in (cache, queue, beat):
    try:
        print(ask.__name__, ask())
    except Exception as error:
        while error and not isinstance(error, ssl.SSLCertVerificationError):
            error = error.__cause__ or error.__context__
        print(ask.__name__, type(error).__name__)
"""


def openssl(*arguments: str) -> None:
    subprocess.run([shutil.which("openssl") or "openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that nobody knows, with its key beside it."""
    made = tmp_path_factory.mktemp("tls") / "server.pem"
    key = str(made.with_suffix(".key"))
    name = ("-subj", "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,IP:{LOOPBACK}")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *kind, *name, "-keyout", key, "-out", str(made))
    return made


class Relay(socketserver.ThreadingTCPServer):
    """Ends TLS before the tests' own Valkey, which has none."""

    daemon_threads = True

    def __init__(self, certificate: Path, port: int) -> None:
        super().__init__((LOOPBACK, 0), Pump)
        self.port = port
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate, certificate.with_suffix(".key"))

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        plain, address = super().get_request()
        return self.context.wrap_socket(plain, server_side=True), address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that did not like the certificate hangs up."""


class Pump(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with socket.create_connection((LOOPBACK, self.server.port)) as behind:
            back = Thread(target=self.pump, args=(behind, self.request), daemon=True)
            back.start()
            self.pump(self.request, behind)
            behind.shutdown(socket.SHUT_RDWR)
            back.join()

    @staticmethod
    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                sink.sendall(piece)


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[str]:
    """The address of a server that speaks TLS alone and wants a password, as ElastiCache's does."""
    own = urlsplit(os.environ["REDIS_URL"])
    with Relay(certificate, own.port or 0) as relay:
        Thread(target=relay.serve_forever, daemon=True).start()
        yield f"rediss://:{own.password}@localhost:{relay.server_address[1]}{own.path}"
        relay.shutdown()


def ask(server: str, **environment: str) -> str:
    given = {**SAFE, "PATH": os.environ["PATH"], "REDIS_URL": server, **environment}
    given["DJANGO_SETTINGS_MODULE"] = "portal.settings.production"
    command = [sys.executable, "-c", ASK]
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=True).stdout


def test_a_certificate_of_somebody_known_is_taken(server: str, certificate: Path) -> None:
    assert ask(server, SSL_CERT_FILE=str(certificate)).split("\n")[:3] == ["cache yes", "queue yes", "beat yes"]


def test_a_certificate_of_nobody_known_is_refused_by_each(server: str) -> None:
    refused = "SSLCertVerificationError"
    assert ask(server).split("\n")[:3] == [f"cache {refused}", f"queue {refused}", f"beat {refused}"]


def test_without_tls_nothing_is_asked_of_it() -> None:
    code = "import portal.settings.production as s; print(s.CELERY_BROKER_USE_SSL)"
    given = {**SAFE, "PATH": os.environ["PATH"], "REDIS_URL": "redis://127.0.0.1:6379/0"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
