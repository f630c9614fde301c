"""One pass over an object in the bucket, in a process of its own: prints its seconds, and the MB that it took."""

import sys
import time
from typing import cast

from datasets.kspace.archive import Member, ingest
from datasets.kspace.report import Wish
from datasets.kspace.sandbox import Sandbox
from datasets.kspace.unpacking import Readable
from datasets.storage import Bucket
from portal.embedded.bucket import REGION
from tests.benchmarks.kspace.memory import most_memory


def main(endpoint: str, name: str, secret: str, key: str, slices: str) -> None:
    bucket = Bucket(name, region=REGION, endpoint_url=endpoint, key_id=name, secret=secret)
    with Sandbox() as sandbox:
        sandbox.start()
        held, began = most_memory(), time.perf_counter()
        with bucket.stream(key) as stream:
            ingest(cast(Readable, stream), key, sandbox=sandbox, wish=Wish(slices=slices), on_volume=check)
    print(time.perf_counter() - began, most_memory() - held)


def check(member: Member) -> None:
    if member.rendering is None:
        raise SystemExit(f"{member.path}: {member.reason}")


if __name__ == "__main__":
    main(*sys.argv[1:])
