"""The home page's pictures and the numbers in their captions."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from portal.sample.figures import encode, grey, nmse, psnr, ssim

PICTURES = Path(__file__).resolve().parents[2] / "static" / "img"


def a_picture(seed: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((24, 20), dtype=np.float32)


def test_same_picture_has_no_error_and_full_likeness() -> None:
    picture = a_picture()
    assert nmse(picture, picture) == 0
    assert ssim(picture, picture) == pytest.approx(1)


def test_metrics_of_a_constant_offset_are_those_of_their_definitions() -> None:
    picture = a_picture()
    darker = picture - np.float32(0.1)
    assert nmse(picture, darker) == pytest.approx(0.01 * picture.size / float((picture**2).sum()), rel=1e-4)
    assert psnr(picture, darker) == pytest.approx(20 * np.log10(float(picture.max()) / 0.1), rel=1e-4)


def test_likeness_falls_with_noise_and_ignores_the_scale() -> None:
    picture = a_picture()
    little, much = (picture + np.float32(amount) * a_picture(4) for amount in (0.1, 0.8))
    assert 0 < ssim(picture, much) < ssim(picture, little) < 1
    assert ssim(3 * picture, 3 * little) == pytest.approx(ssim(picture, little))


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
