"""How many queries each address takes in the database of DATABASE_URL; addresses on the standard input, as JSON."""

import json
import sys

import django
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

django.setup()

from tests.benchmarks.site import HOST, PROXIED  # noqa: E402


def count_queries(path: str, cookie: str, status: int) -> int:
    headers = {name: value for name, value in PROXIED.items() if name != "Host"} | {"Cookie": cookie}
    client = Client(SERVER_NAME=HOST)
    # What is read once a process, such as content types, is read before.
    client.get(path, headers=headers)
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path, headers=headers)
    if response.status_code != status:
        raise SystemExit(f"{path} answers {response.status_code}: {response.content[:2000]!r}")
    return len(queries)


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps({name: count_queries(*facts) for name, facts in asked.items()}))
