"""What the web process of a worker's environment serves: that it is alive, to the balancer, and nothing else.

The site itself is not served there, so that what a worker may do in the buckets is out of reach of every request.
"""

from collections.abc import Callable, Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    is_asked = environ.get("PATH_INFO") == "/healthz"
    body = b"ok\n" if is_asked else b"Nothing is served here.\n"
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response("200 OK" if is_asked else "404 Not Found", [*headers, ("Cache-Control", "no-store")])
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]
