"""Pictures as files: bytes that are the same each time, and sizes that fit."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from datasets.kspace.images import encode, shrink

FORMS = ["png", "webp"]


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("L"))


def scene() -> np.ndarray:
    """A disc with an edge and a little noise, (y, x)."""
    y, x = np.mgrid[-1:1:320j, -1:1:300j]
    noise = np.random.default_rng(1).normal(0, 5, y.shape)
    return np.clip(180 * (x**2 + y**2 < 0.6) + 30 + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("form", FORMS)
def test_same_picture_gives_the_same_bytes(form: str) -> None:
    assert encode(scene(), form, 160) == encode(scene()[::-1].copy()[::-1], form, 160)


@given(arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_png_keeps_every_grey(grey: np.ndarray) -> None:
    content, width, height = encode(grey, "png")
    assert (height, width) == grey.shape
    assert np.array_equal(pixels(content), grey)


def test_png_is_about_as_small_as_pillow_makes_it() -> None:
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "PNG")
    assert len(encode(scene(), "png").content) < 1.1 * buffer.tell()


def test_webp_looks_the_same() -> None:
    assert np.abs(pixels(encode(scene(), "webp").content).astype(int) - scene()).mean() < 3


def test_made_smaller_as_pillow_does() -> None:
    theirs = np.asarray(Image.fromarray(scene()).resize((150, 160), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(shrink(scene(), 160) - theirs).max() <= 2


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((640, 320), (80, 160)),
        ((100, 90), (90, 100)),
        ((1, 20_000), (160, 1)),
        ((20_000, 3), (1, 160)),
        ((320, 320), (160, 160)),
        ((161, 161), (160, 160)),
        ((1, 1), (1, 1)),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_pictures_are_made_smaller_to_fit_and_never_larger(
    shape: tuple[int, int], size: tuple[int, int], form: str
) -> None:
    content, width, height = encode(np.full(shape, 128, np.uint8), form, longest=160)
    assert (width, height) == size
    assert pixels(content).shape == (height, width)
    assert np.abs(pixels(content).astype(int) - 128).max() <= 1


def test_a_picture_longer_than_its_format_can_hold_is_made_smaller() -> None:
    assert encode(np.zeros((3, 20_000), np.uint8), "webp").width == 2048


def test_unknown_format_is_a_fault_of_the_caller() -> None:
    with pytest.raises(KeyError):
        encode(scene(), "gif")
