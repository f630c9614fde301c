"""The whole way of a preview: real volumes in an archive of the bucket, the real sandbox, and what is shown."""

import io
from pathlib import Path

import h5py
import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from datasets.kspace.report import Report
from datasets.models import Dataset, Preview, Volume
from datasets.services.previews import plan_previews, render_due_previews
from tests.archives import stored
from tests.kspace import volumes

pytestmark = pytest.mark.django_db(transaction=True)


def liar(folder: Path) -> bytes:
    """A file of a few kilobytes that says that it holds terabytes."""
    path = volumes.multicoil(folder / "liar.h5")
    with h5py.File(path, "r+") as file:
        del file["kspace"]
        file.create_dataset("kspace", (10**6, 64, 640, 368), "complex64", chunks=(1, 1, 640, 368))
    return path.read_bytes()


@pytest.mark.parametrize("name", ["volumes.tar", "volumes.tar.gz", "volumes.tar.xz"])
def test_volumes_of_every_kind_of_archive_get_their_pictures_and_a_liar_ends_only_itself(
    name: str, tmp_path: Path, client: Client
) -> None:
    first = volumes.multicoil(tmp_path / "first.h5").read_bytes()
    last = volumes.multicoil(tmp_path / "last.h5", volumes.kspace(seed=3)).read_bytes()
    stored(name, {"a.h5": first, "b.h5": liar(tmp_path), "c.h5": b"<html>no volume</html>" * 99, "d.h5": last})
    Dataset.objects.update(preview_audience=Dataset.Audience.EVERYONE)
    plan_previews(Volume.objects.all())

    render_due_previews(seconds=120)

    rows = list(Preview.objects.order_by("pk"))
    assert [row.state for row in rows] == ["done", "failed", "failed", "done"]
    assert all(row.reason.endswith(".") for row in rows[1:3])
    report = Report.from_json(rows[0].report or {})
    assert report.facts.slices == 3
    assert {picture.kind for picture in report.pictures} >= {"kspace", "reconstruction", "undersampled"}
    for picture in report.pictures:
        answer = client.get(reverse("preview_image", args=[rows[0].volume_id, rows[0].folder, picture.name]))
        assert Image.open(io.BytesIO(answer.content)).size == (picture.width, picture.height)
    assert rows[0].folder != rows[3].folder
