"""The centred, orthonormal transform, and the middle of an array."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.kspace.fourier import centre_crop, fft2c, ifft2c
from tests.kspace.arrays import distance, noise

lengths = st.integers(1, 33)
shapes = st.tuples(st.integers(1, 3), lengths, lengths)


@settings(deadline=None)
@given(shapes)
def test_there_and_back_is_where_one_was(shape: tuple[int, int, int]) -> None:
    images = noise(*shape)
    assert distance(ifft2c(fft2c(images)), images) < 1e-5
    assert distance(fft2c(ifft2c(images)), images) < 1e-5


@settings(deadline=None)
@given(shapes)
def test_energy_is_kept(shape: tuple[int, int, int]) -> None:
    images = noise(*shape)
    assert np.linalg.norm(fft2c(images)) == pytest.approx(np.linalg.norm(images), rel=1e-5)


@settings(deadline=None)
@given(shapes)
def test_transform_of_a_sum_is_the_sum_of_the_transforms(shape: tuple[int, int, int]) -> None:
    one, other = noise(*shape, seed=1), noise(*shape, seed=2)
    both = fft2c(one + np.complex64(2 - 1j) * other)
    assert distance(both, fft2c(one) + (2 - 1j) * fft2c(other)) < 1e-5


@settings(deadline=None)
@given(lengths, lengths)
def test_zero_frequency_lies_in_the_middle_of_odd_and_even_sizes(height: int, width: int) -> None:
    kspace = fft2c(np.ones((height, width), np.complex64))
    expected = np.zeros((height, width))
    expected[height // 2, width // 2] = np.sqrt(height * width)
    assert distance(kspace, expected) < 1e-5


@settings(deadline=None)
@given(lengths, lengths)
def test_centred_transform_is_the_sum_that_defines_it(height: int, width: int) -> None:
    image = noise(height, width)
    y, x = np.arange(height) - height // 2, np.arange(width) - width // 2
    rows = np.exp(-2j * np.pi * np.outer(y, y) / height) / np.sqrt(height)
    columns = np.exp(-2j * np.pi * np.outer(x, x) / width) / np.sqrt(width)
    assert distance(fft2c(image), rows @ image @ columns) < 1e-5


@given(st.integers(-9, 9), st.sampled_from([8, 9]))
def test_moved_image_has_the_same_magnitudes(shift: int, width: int) -> None:
    image = noise(8, width)
    assert distance(np.abs(fft2c(np.roll(image, shift, axis=1))), np.abs(fft2c(image))) < 1e-5


def test_single_precision_stays_single() -> None:
    kspace = fft2c(noise(2, 5, 4))
    assert kspace.dtype == np.complex64
    assert ifft2c(kspace).dtype == np.complex64


@pytest.mark.parametrize(("length", "wanted", "first"), [(8, 4, 2), (8, 3, 2), (7, 4, 1), (7, 3, 2), (5, 5, 0)])
def test_crop_keeps_the_middle_of_odd_and_even_sizes(length: int, wanted: int, first: int) -> None:
    row = np.arange(length)
    kept = list(range(first, first + wanted))
    assert centre_crop(np.tile(row, (length, 1)), (1, wanted)).tolist() == [kept]
    assert centre_crop(np.tile(row[:, None], (2, 1, length)), (wanted, 1))[1].ravel().tolist() == kept


@pytest.mark.parametrize("size", [(5, 4), (4, 5), (0, 4), (4, -1)])
def test_crop_to_more_than_there_is_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot be cut out"):
        centre_crop(np.zeros((4, 4)), size)
