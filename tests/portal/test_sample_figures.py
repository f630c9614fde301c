"""The home page's pictures and the numbers in their captions."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from portal.sample.figures import encode, grey

PICTURES = Path(__file__).resolve().parents[2] / "static" / "img"


def test_picture_too_rich_for_its_size_is_made_small_enough() -> None:
    noise = grey(np.random.default_rng(5).random((688, 540), dtype=np.float32))
    assert len(encode(noise)) < len(encode(noise, largest=10**9))


def test_committed_pictures_are_those_that_the_caption_describes() -> None:
    facts = json.loads((PICTURES / "figures.json").read_text())
    assert facts["mask"].count("1") == facts["columns_kept"]
    assert len(facts["mask"]) == facts["columns"]
    assert set(facts["pictures"]) == {path.stem for path in PICTURES.glob("*.webp")}
    assert {f"coil-{number}" for number in range(1, facts["coils"] + 1)} < set(facts["pictures"])
    total = 0
    for name, size in facts["pictures"].items():
        path = PICTURES / f"{name}.webp"
        total += path.stat().st_size
        with Image.open(path) as picture:
            assert picture.size == (size["width"], size["height"])
    assert total < 400_000
