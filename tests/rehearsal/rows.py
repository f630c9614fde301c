"""What an operator and maintainers put into the deployed site, and what its rows say, as JSON.

python -m tests.rehearsal.rows catalogue | release VERSION | standing | records EMAIL
"""

import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402

from accounts.models import User  # noqa: E402
from accounts.models.work import kinds_of_work  # noqa: E402
from datasets.models import Dataset, DownloadRecord, Release  # noqa: E402
from datasets.services import releases  # noqa: E402
from datasets.storage import bucket  # noqa: E402
from tests.chaos import rows as chaos  # noqa: E402
from tests.chaos.names import SLUG  # noqa: E402
from tests.factories import StaffFactory  # noqa: E402
from tests.kspace.volumes import kspace, multicoil  # noqa: E402

MAINTAINER = "maintainer@example.org"
# So many that a worker is in the midst of them for some seconds.
VOLUMES, SLICES = 40, 12


def catalogue() -> None:
    """A dataset to sign for, with a release; and who may look at it in the admin."""
    chaos.main()
    StaffFactory(email=MAINTAINER)


def release(version: str) -> None:
    """A new release whose archive the workers shall read, and render."""
    key = f"{SLUG}/{version}/{SLUG}_train.tar"
    bucket().put(key, _archive(int(version.partition(".")[0])))
    by = User.objects.get(email=MAINTAINER)
    draft = Release.objects.create(dataset=Dataset.objects.get(slug=SLUG), version=version, notes="Rehearsed.")
    proposal = releases.propose(draft.dataset, f"s3://{settings.BUCKET_NAME}/{SLUG}/{version}/")
    releases.register(draft, proposal, [row.key for row in proposal.usable], by=by)
    releases.check(draft, by=by)


def _archive(seed: int) -> bytes:
    whole = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=whole, mode="w") as tar:
        path = multicoil(Path(folder) / "volume.h5", kspace(slices=SLICES, coils=8, readout=256, phase=192, seed=seed))
        for number in range(VOLUMES):
            tar.add(path, f"multicoil_train/file{number:03}.h5")
    return whole.getvalue()


def standing() -> None:
    """Of every kind of work: how many rows are open, and running of these, done and failed."""
    kinds = {
        kind._meta.label_lower: {
            "open": kind.objects.filter(state__in=kind.OPEN).count(),
            "running": kind.objects.running().count(),
            "done": kind.objects.filter(state=kind.State.DONE).count(),
            "failed": kind.objects.failed().count(),
        }
        for kind in kinds_of_work()
    }
    print(json.dumps(kinds))


def records(email: str) -> None:
    """From which addresses somebody downloaded."""
    found = DownloadRecord.objects.filter(link__grant__user__email=email)
    print(json.dumps([str(address) for address in found.values_list("address", flat=True)]))


def main() -> None:
    commands: dict[str, Callable[..., None]] = {
        "catalogue": catalogue,
        "release": release,
        "standing": standing,
        "records": records,
    }
    commands[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
