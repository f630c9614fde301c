"""How near a picture comes to the true one: NMSE, PSNR and SSIM, as the fastMRI package and scikit-image define them.

All take float32 (slice, y, x), the truth first, and compute in float64. A score that is not defined is None: without
any signal, or, for SSIM, in a picture smaller than its window. ValueError where the two are not of one such shape.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.float32]
WINDOW = 7
K1, K2 = 0.01, 0.03
BAND = 32


def nmse(truth: Pictures, picture: Pictures) -> float | None:
    """‖truth − picture‖² / ‖truth‖²: 0 is the best."""
    error, power = _squared_error(truth, picture), _squared_error(truth, np.broadcast_to(np.float32(0), truth.shape))
    return error / power if power else None


def psnr(truth: Pictures, picture: Pictures, data_range: float | None = None) -> float | None:
    """10 · log10(data_range² / mean squared error), in dB; the range is the truth's largest value unless given.

    Infinite where the pictures are the same.
    """
    error = _squared_error(truth, picture) / truth.size
    largest = _largest(truth, data_range)
    if not largest:
        return None
    return 10 * math.log10(largest**2 / error) if error else math.inf


def ssim(truth: Pictures, picture: Pictures, data_range: float | None = None) -> float | None:
    """Structural similarity, the mean over slices: 1 is the best.

    Uniform windows of 7 × 7 that lie wholly inside, sample covariance, K1 = 0.01, K2 = 0.03; the range is the largest
    value of all slices unless given.
    """
    _compare_shapes(truth, picture)
    largest = _largest(truth, data_range)
    if not largest or min(truth.shape[-2:]) < WINDOW:
        return None
    slices, height, width = truth.shape
    windows = slices * (height - WINDOW + 1) * (width - WINDOW + 1)
    return math.fsum(_similarities(*bands, largest) for bands in _bands(truth, picture)) / windows


def _bands(truth: Pictures, picture: Pictures) -> Iterator[tuple[Pictures, Pictures]]:
    """Rows (y, x) of each slice in which BAND rows of windows lie: few enough for the processor's cache."""
    for a, b in zip(truth, picture, strict=True):
        for top in range(0, len(a) - WINDOW + 1, BAND):
            rows = slice(top, top + BAND + WINDOW - 1)
            yield a[rows], b[rows]


def _similarities(truth: Pictures, picture: Pictures, data_range: float) -> float:
    """The sum over all windows of some rows (y, x)."""
    a, b = truth.astype(np.float64), picture.astype(np.float64)
    mean_a, mean_b, squares, product = (_window_means(field) for field in (a, b, a * a + b * b, a * b))
    means, mean_squares = mean_a * mean_b, mean_a * mean_a + mean_b * mean_b
    # Of n values in a window, covariance is counted with n − 1.
    sample = WINDOW**2 / (WINDOW**2 - 1)
    covariance, variances = sample * (product - means), sample * (squares - mean_squares)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    return float(np.sum((2 * means + c1) * (2 * covariance + c2) / ((mean_squares + c1) * (variances + c2))))


def _window_means(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of every 7 × 7 window that lies inside, first along one axis and then along the other."""
    for _axis in range(2):
        pairs = field[:-1] + field[1:]
        fours = pairs[:-2] + pairs[2:]
        field = (fours[:-3] + pairs[4:-1] + field[6:]).T
    return field / WINDOW**2


def _squared_error(truth: Pictures, picture: Pictures) -> float:
    """Slice by slice, so that what is made in float64 stays small."""
    _compare_shapes(truth, picture)
    return math.fsum(float(np.square(a.astype(np.float64) - b).sum()) for a, b in zip(truth, picture, strict=True))


def _compare_shapes(truth: Pictures, picture: Pictures) -> None:
    if truth.shape != picture.shape or truth.ndim != 3 or not truth.size:
        raise ValueError(f"{truth.shape} and {picture.shape} are not the same (slice, y, x).")


def _largest(truth: Pictures, data_range: float | None) -> float:
    return float(truth.max()) if data_range is None else data_range
