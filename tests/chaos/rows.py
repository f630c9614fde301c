"""One dataset that opens at once, with a release of one archive that lies in the bucket."""

import hashlib
import random
import tempfile
from pathlib import Path

import django

django.setup()

from datasets.storage import bucket  # noqa: E402
from tests.chaos.names import ARCHIVE, SLUG  # noqa: E402
from tests.factories import (  # noqa: E402
    AgreementVersionFactory,
    ArchiveFactory,
    DatasetFactory,
    ReleaseFactory,
    published,
)

# Some blocks of the network's, so that a transfer can be cut in its midst.
BYTES = 3_000_007


def main() -> None:
    content = random.Random(1).randbytes(BYTES)  # noqa: S311 - any bytes will do
    dataset = DatasetFactory(slug=SLUG, name="Chaos")
    AgreementVersionFactory(agreement=dataset.agreement, number=1)
    key = f"{SLUG}/{ARCHIVE}"
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        bucket().upload(file.name, key)
    sha256 = hashlib.sha256(content).hexdigest()
    release = ReleaseFactory(dataset=dataset, version="1.0", status="draft", published_at=None)
    ArchiveFactory(release=release, name=ARCHIVE, key=key, size=BYTES, sha256=sha256)
    published(release)
    print(f"A dataset and an archive of {BYTES:,} bytes are there")


if __name__ == "__main__":
    main()
