"""What a person sees: windows, orientation, k-space as a picture, and files whose bytes are the same each time."""

import numpy as np
import pytest

from datasets.kspace.display import (
    BRIGHTENED,
    CoilSum,
    Window,
    find_window,
    show_difference,
    show_kspace,
    show_picture,
    to_grey,
)


def anatomy(air: int = 40) -> np.ndarray:
    """Tissue of 1 in noise of 0.02, with a little fat of 8 that is near a coil: float32 (y, x)."""
    picture = np.abs(np.random.default_rng(1).normal(0, 0.02, (80 + 2 * air, 80 + 2 * air))).astype(np.float32)
    picture[air:-air, air:-air] += 1
    picture[air, air : air + 40] = 8
    return picture


def test_tissue_is_bright_though_a_coil_lights_up_the_fat_and_air_is_black() -> None:
    grey = to_grey(anatomy(), find_window(anatomy()))
    assert np.median(grey[45:115, 45:115]) > 200
    assert np.median(grey[:30]) < 10
    assert (grey[40, 40:80] == 255).all()


def test_window_does_not_depend_on_how_much_air_is_around() -> None:
    near, far = (find_window(anatomy(air)) for air in (10, 80))
    assert near.high == pytest.approx(far.high, rel=0.05)


def test_one_window_serves_all_slices_of_a_volume() -> None:
    bright, dark = anatomy(), anatomy() / 4
    window = find_window(np.stack([bright, dark]))
    assert to_grey(bright, window).mean() > 3 * to_grey(dark, window).mean()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 3)])
@pytest.mark.parametrize("value", [0.0, 1e-38, 3.0, 3e38])
def test_constant_and_tiny_pictures_are_shown_without_a_division_by_zero(size: tuple[int, int], value: float) -> None:
    picture = np.full(size, value, np.float32)
    window = find_window(picture)
    assert show_picture(picture, window).shape == size
    assert show_picture(picture, window).max() == (255 if value else 0)
    assert show_difference(picture, picture, window).max() == 0
    assert show_kspace(picture).shape == size


def test_a_picture_of_one_bright_pixel_keeps_it() -> None:
    picture = np.zeros((64, 64), np.float32)
    picture[10, 10] = 5
    assert show_picture(picture, find_window(picture))[53, 10] == 255


def test_pictures_are_turned_upright() -> None:
    picture = np.zeros((4, 4), np.float32)
    picture[0] = 1
    window = Window(0, 1)
    assert show_picture(picture, window)[:, 0].tolist() == [0, 0, 0, 255]
    assert show_difference(picture, 0 * picture, window)[:, 0].tolist() == [0, 0, 0, 255]


def test_difference_is_in_the_window_of_the_pictures_and_brightened() -> None:
    full, undersampled = np.full((2, 2), 0.5, np.float32), np.full((2, 2), 0.7, np.float32)
    assert show_difference(full, undersampled, Window(0.1, 1.1))[0, 0] == pytest.approx(0.2 * BRIGHTENED * 255, abs=1)


def test_kspace_is_logarithmic_in_its_own_unit_and_what_was_not_measured_is_black() -> None:
    magnitude = np.abs(np.random.default_rng(2).normal(0, 1, (64, 48))).astype(np.float32)
    magnitude[32, 24] = 1e4
    magnitude[:, ::2] = np.where(np.arange(0, 48, 2) == 24, magnitude[:, ::2], 0)
    grey = show_kspace(magnitude)
    assert (grey[:, 0] == 0).all()
    assert grey[32, 24] == 255
    assert np.array_equal(grey, show_kspace(magnitude * np.float32(2**-40)))


def test_zeros_that_were_rounded_are_as_black_as_zeros() -> None:
    magnitude = np.zeros((64, 48), np.float32)
    magnitude[30:34, 20:28] = 10
    rounded = magnitude + np.abs(np.random.default_rng(4).normal(0, 1e-6, magnitude.shape)).astype(np.float32)
    assert show_kspace(rounded)[:20].max() <= 2
    assert (show_kspace(rounded)[30:34, 20:28] == 255).all()


def combine(kspace: np.ndarray, height: int) -> np.ndarray:
    coils, readout, phase = kspace.shape
    total = CoilSum(readout, phase, 2)
    total.clear()
    for coil in range(coils):
        total.add(coil % 2, kspace[coil])
    return total.magnitude(height)


def test_coils_are_combined_and_an_oversampled_readout_by_pairs() -> None:
    kspace = np.zeros((2, 8, 3), np.complex64)
    kspace[0, 2, 1], kspace[1, 3, 1] = 3, 4j
    assert combine(kspace, 8)[2, 1] == 3
    halved = combine(kspace, 4)
    assert halved.shape == (4, 3)
    assert halved[1, 1] == 5
    assert combine(kspace, 5).shape == (8, 3)


def test_order_of_coils_is_irrelevant_to_the_picture_of_kspace() -> None:
    kspace = np.random.default_rng(3).normal(size=(4, 6, 5, 2)).astype(np.float32).view(np.complex64)[..., 0]
    assert np.allclose(combine(kspace, 6), combine(np.ascontiguousarray(kspace[::-1]), 6))


def test_energy_of_a_coil_is_told_and_infinite_rather_than_a_warning() -> None:
    total = CoilSum(2, 2, 1)
    total.clear()
    assert total.add(0, np.full((2, 2), 3 + 4j, np.complex64)) == 100
    assert total.add(0, np.full((2, 2), 1e30, np.complex64)) == np.inf
