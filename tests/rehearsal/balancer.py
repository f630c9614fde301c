"""The load balancer's stand-in: ends TLS, adds what the balancer adds, and sends requests on to the instances."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from portal.embedded.process import launched
from portal.embedded.state import LOOPBACK, choose_ports
from tests.rehearsal import proxy

# X-Forwarded-Proto and -Port are set, X-Forwarded-For is appended to, the Host is passed on; port 80 only redirects, as
# the options of the bundle make the balancer do.
TEMPLATE = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 2;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream instances {{ {servers} }}
    server {{
        listen {address}:{secure} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location / {{
            proxy_pass http://instances;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Port 443;
            proxy_next_upstream off;
        }}
    }}
    server {{
        listen {address}:{plain};
        return 301 https://$host$request_uri;
    }}
}}
"""


class Balancer:
    def __init__(self, folder: Path, host: str) -> None:
        self.folder, self.host = folder, host
        self.ports = choose_ports(("secure", "plain"), {})
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"),
                *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
            ],
            check=True,
            capture_output=True,
        )

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    def point_to(self, ports: Sequence[int]) -> None:
        """Send new requests to these instances; those under way end where they are."""
        servers = " ".join(f"server {LOOPBACK}:{port} max_fails=0;" for port in ports)
        text = TEMPLATE.format(folder=self.folder, servers=servers, address=LOOPBACK, **self.ports)
        (self.folder / "nginx.conf").write_text(text)
        if self.process is None:
            command = [proxy.program(), "-e", str(self.folder / "error.log"), "-c", str(self.folder / "nginx.conf")]
            self.process = subprocess.Popen(launched(command), start_new_session=True)
        else:
            self.process.send_signal(signal.SIGHUP)
        # What was accepted before goes on in the old processes; the new ones begin within this.
        time.sleep(1)

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)
