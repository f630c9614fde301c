"""How near a picture comes to the true one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.kspace.metrics import nmse, psnr, ssim
from tests.kspace.arrays import pictures

shapes = st.tuples(st.integers(1, 3), st.integers(7, 80), st.integers(7, 40))


@settings(deadline=None)
@given(shapes)
def test_same_picture_has_no_error_and_full_likeness(shape: tuple[int, int, int]) -> None:
    truth = pictures(*shape)
    assert nmse(truth, truth) == 0
    assert psnr(truth, truth) == math.inf
    assert ssim(truth, truth) == pytest.approx(1)


def test_errors_of_a_constant_offset_are_those_of_their_definitions() -> None:
    truth = pictures(2, 24, 20)
    darker = truth - np.float32(0.1)
    assert nmse(truth, darker) == pytest.approx(0.01 * truth.size / float((truth.astype(float) ** 2).sum()), rel=1e-5)
    assert psnr(truth, darker) == pytest.approx(20 * np.log10(float(truth.max()) / 0.1), rel=1e-5)
    assert psnr(truth, darker, data_range=2.0) == pytest.approx(20 * np.log10(2 / 0.1), rel=1e-5)


# Rows are counted in bands, so there are shapes of less than one, of one, and of some and a rest.
@pytest.mark.parametrize("shape", [(1, 7, 7), (2, 9, 12), (1, 38, 8), (1, 39, 8), (1, 77, 10)])
def test_likeness_is_that_of_windows_counted_one_by_one(shape: tuple[int, int, int]) -> None:
    truth = pictures(*shape, seed=1)
    picture = truth + np.float32(0.5) * pictures(*shape, seed=2)
    c1, c2 = ((share * float(truth.max())) ** 2 for share in (0.01, 0.03))
    found = []
    for a, b in zip(truth.astype(float), picture.astype(float), strict=True):
        windows = (np.lib.stride_tricks.sliding_window_view(field, (7, 7)).reshape(-1, 49) for field in (a, b))
        for x, y in zip(*windows, strict=True):
            (xx, xy), (_xy, yy) = np.cov(x, y)
            means = 2 * x.mean() * y.mean() + c1, x.mean() ** 2 + y.mean() ** 2 + c1
            found.append(means[0] * (2 * xy + c2) / (means[1] * (xx + yy + c2)))
    assert ssim(truth, picture) == pytest.approx(np.mean(found), rel=1e-9)


@settings(deadline=None)
@given(shapes)
def test_likeness_is_the_same_both_ways_and_falls_with_noise(shape: tuple[int, int, int]) -> None:
    truth, other = pictures(*shape, seed=3), pictures(*shape, seed=4)
    little, much = (truth + np.float32(amount) * other for amount in (0.1, 0.8))
    # With one range for both: by default it is the first one's.
    there, back = ssim(truth, little, data_range=1.0), ssim(little, truth, data_range=1.0)
    less = ssim(truth, much, data_range=1.0)
    assert there == pytest.approx(back)
    assert there is not None
    assert less is not None
    assert less < there < 1


def test_scores_do_not_depend_on_the_scale() -> None:
    truth, other = pictures(2, 30, 40, seed=5), pictures(2, 30, 40, seed=6)
    for score in (nmse, psnr, ssim):
        assert score(truth / np.float32(1024), other / np.float32(1024)) == pytest.approx(score(truth, other))


def test_volume_has_the_mean_likeness_of_its_slices_in_the_volumes_range() -> None:
    truth, other = pictures(3, 20, 20, seed=7), pictures(3, 20, 20, seed=8)
    truth[1] *= 3
    largest = float(truth.max())
    each = [ssim(truth[n : n + 1], other[n : n + 1], data_range=largest) for n in range(3)]
    assert ssim(truth, other) == pytest.approx(np.mean([likeness for likeness in each if likeness is not None]))


def test_score_without_signal_or_windows_is_not_defined() -> None:
    black, picture = np.zeros((1, 8, 8), np.float32), pictures(1, 8, 8)
    assert (nmse(black, picture), psnr(black, picture), ssim(black, picture)) == (None, None, None)
    assert ssim(picture[:, :6], picture[:, :6]) is None


@pytest.mark.parametrize("shape", [(1, 8, 9), (8, 8), (0, 8, 8)])
def test_pictures_that_are_no_pair_are_refused(shape: tuple[int, ...]) -> None:
    for score in (nmse, psnr, ssim):
        with pytest.raises(ValueError, match="not the same"):
            score(np.zeros((1, 8, 8), np.float32), np.zeros(shape, np.float32))
