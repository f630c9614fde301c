"""Files of every layout, really rendered: what their pages show, and what the lines of Python there make of them."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from django.test import Client

from datasets.kspace.pictures import render
from datasets.kspace.report import Wish
from datasets.models import Dataset, Preview, Volume
from datasets.services.previews import plan_previews
from datasets.services.previews.pictures import keep_pictures, storage
from tests.factories import VolumeFactory
from tests.kspace import volumes

pytestmark = pytest.mark.django_db
# How each layout is written, and what its page names its pictures.
LAYOUTS: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "multi-coil": (volumes.multicoil, ["k-space", "full", "4×"]),
    "single-coil": (volumes.singlecoil, ["k-space", "full", "4×"]),
    "test": (volumes.test_split, ["k-space", "as measured"]),
    "averages": (volumes.prostate, ["k-space", "stored"]),
    "radial": (volumes.breast, ["stored"]),
    "ismrmrd": (volumes.ismrmrd, ["k-space", "full", "4×"]),
}
# Counted from 1.
SLICE = 3


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def file(layout: str, tmp_path: Path) -> Path:
    return LAYOUTS[layout][0](tmp_path / "volume.h5")


@pytest.fixture
def volume(file: Path) -> Iterator[Volume]:
    volume = VolumeFactory(path=f"some/{file.name}")
    Dataset.objects.update(preview_audience=Dataset.Audience.EVERYONE)
    rendering = render(file, Wish(slices="all"))
    plan_previews(Volume.objects.all())
    row = Preview.objects.claim(lease=timedelta(minutes=1))
    assert row is not None
    keep_pictures(rendering, row)
    yield volume
    storage().delete_many(list(storage().written(row.folder)))


@pytest.fixture
def html(client: Client, volume: Volume) -> str:
    return client.get(f"{volume.get_absolute_url()}?slice={SLICE}").content.decode()


def code_on(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html.partition('aria-label="Python"><code>')[2].partition("</code>")[0]))


def test_its_page_shows_the_pictures_that_there_are(client: Client, layout: str, html: str) -> None:
    names = re.findall(r'<span class="letter">[abc]<span class="nowrap">([^<]+)</span>', html)
    addresses = set(re.findall(r'<img[^>]*src="([^"]+)"', html))

    assert names == LAYOUTS[layout][1]
    assert len(addresses) == len(names) + ("4×" in names)
    for address in addresses:
        answer = client.get(address)
        assert answer["Content-Type"] == "image/webp"
        assert answer.content[8:12] == b"WEBP"
    assert ("All 3 slices" in html) == ("4×" in names)


def test_its_lines_of_python_make_its_picture(
    layout: str, html: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    made: dict[str, Any] = {}

    exec(code_on(html), made)  # noqa: S102 - what readers of the page would run

    if layout == "ismrmrd":
        # The first line is the noise scan: (coil, sample).
        assert made["first"].shape == (4, 16)
        assert b"ismrmrdHeader" in made["header"]
        return
    picture = made["picture"]
    top, left = (picture.shape[0] - 32) // 2, (picture.shape[1] - 32) // 2
    middle = picture[top : top + 32, left : left + 32]
    assert np.allclose(middle, expected(file, layout)[::-1], rtol=1e-4, atol=1e-5)


def expected(file: Path, layout: str) -> np.ndarray:
    """The slice's picture by definition, (y, x)."""
    with h5py.File(file) as opened:
        if layout == "test":
            return volumes.root_sum_of_squares(opened["kspace"][SLICE - 1], (32, 32))
        if layout == "radial":
            frames = opened["temptv"][SLICE - 1]
            picture: np.ndarray = frames[len(frames) // 2]
            return picture
        name = "reconstruction_esc" if layout == "single-coil" else "reconstruction_rss"
        stored: np.ndarray = opened[name][SLICE - 1]
        return stored
