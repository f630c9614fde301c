"""Arrays to test the numerics with, the same for the same seed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex64]


def noise(*shape: int, seed: int = 0) -> Complex:
    """Complex noise of unit variance, complex64."""
    parts = np.random.default_rng(seed).standard_normal((*shape, 2), dtype=np.float32)
    return parts.view(np.complex64)[..., 0]


def pictures(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Values from 0 to 1, float32."""
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def distance(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest difference, relative to the largest magnitude that was expected."""
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())
