"""The proxy of the bundle, running: its own nginx.conf, with other places for what it listens on and writes to."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from portal.embedded.state import choose_ports

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIGURATION = ROOT / "ebextensions" / "platform" / "nginx" / "nginx.conf"


def nginx_program() -> str:
    """Debian keeps it where only root looks."""
    program = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    assert program, "nginx is not installed: .ci/run installs it"
    return program


class Site(ThreadingHTTPServer):
    """What stands behind the proxy: it keeps the headers of what it is asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[dict[str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append({name.lower(): value for name, value in self.headers.items()})
        if "/breaks" in self.path:
            # Says that more will come, and goes.
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return
        if "/garbles" in self.path:
            self.close_connection = True
            self.wfile.write(b"no HTTP at all\r\n\r\n")
            return
        body = b"the site\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 (both names are http.server's)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is http.server's)
        return


class Proxy:
    process: subprocess.Popen[str]

    def __init__(self, folder: Path, site_port: int) -> None:
        self.folder = folder
        self.port = choose_ports(("proxy",), {})["proxy"]
        self.site_port = site_port
        self.logs = folder / "log"
        (self.logs / "healthd").mkdir(parents=True)

    def configuration(self) -> Path:
        text = CONFIGURATION.read_text()
        changes = (
            ("user nginx;", f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else ""),
            ("/var/run/nginx.pid", f"{self.folder}/nginx.pid"),
            ("/var/log/nginx", str(self.logs)),
            ("listen 80 ", f"listen 127.0.0.1:{self.port} "),
            ("127.0.0.1:8000", f"127.0.0.1:{self.site_port}"),
            ("/usr/share/nginx/html", str(self.folder)),
        )
        for own, here in changes:
            assert own in text, own
            text = text.replace(own, here)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"    {kind}_temp_path {self.folder}/{kind};\n" for kind in kinds)
        path = self.folder / "nginx.conf"
        path.write_text(re.sub(r"^http \{\n", "http {\n" + places, text, flags=re.MULTILINE))
        return path

    def send(self, raw: bytes) -> bytes:
        """All that it answers to these bytes before it closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(raw)
            return _all_of(connection)

    def send_and_leave(self, raw: bytes) -> None:
        """These bytes, and no more will come, whatever it says."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                _all_of(connection)

    def get(self, target: str, *headers: str, method: str = "GET") -> bytes:
        lines = (f"{method} {target} HTTP/1.1", "Host: 10.0.0.1", "Connection: close", *headers, "", "")
        return self.send("\r\n".join(lines).encode())

    def finish(self) -> None:
        """Let it end what it does, and write all its lines."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=20)

    def written(self) -> str:
        """All its logs together, when it is finished."""
        self.finish()
        return "".join(path.read_text() for path in sorted(self.logs.rglob("*")) if path.is_file())

    def access_log(self) -> str:
        self.finish()
        return (self.logs / "access.log").read_text()


def _all_of(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(65_536):
        answer += piece
    return answer


@contextmanager
def running_proxy(folder: Path, site_port: int) -> Iterator[Proxy]:
    proxy = Proxy(folder, site_port)
    command = [
        nginx_program(),
        "-e",
        str(proxy.logs / "start.log"),
        "-p",
        str(folder),
        "-c",
        str(proxy.configuration()),
    ]
    process = proxy.process = subprocess.Popen([*command, "-g", "daemon off;"], stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(200):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", proxy.port)) == 0:
                    break
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.05)
        yield proxy
    finally:
        process.terminate()
        process.communicate(timeout=20)
