"""The Fourier transform between k-space and images, and the middle of an array. Axes: the last two are (y, x)."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex64]
AXES = (-2, -1)
T = TypeVar("T", bound=np.generic)


def fft2c(images: NDArray[Any]) -> Complex:
    """Images (…, y, x) → k-space (…, readout, phase): centred and orthonormal, so energy is kept.

    complex64 gives complex64. Zero frequency lies at N // 2 of each axis, for odd sizes too.
    """
    return np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(images, AXES), axes=AXES, norm="ortho"), AXES)


def ifft2c(kspace: NDArray[Any]) -> Complex:
    """k-space (…, readout, phase) → images (…, y, x): the inverse of `fft2c`."""
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(kspace, AXES), axes=AXES, norm="ortho"), AXES)


def centre_crop(array: NDArray[T], size: tuple[int, int]) -> NDArray[T]:
    """The middle (height, width) of the last two axes, as a view. ValueError where the array is smaller than that."""
    (top, height), (left, width) = (crop_range(n, wanted) for n, wanted in zip(array.shape[-2:], size, strict=True))
    return array[..., top : top + height, left : left + width]


def crop_range(length: int, wanted: int) -> tuple[int, int]:
    """Where the middle `wanted` of `length` begin, and how many they are. ValueError where there are not so many."""
    if not 0 < wanted <= length:
        raise ValueError(f"The middle {wanted} of {length} samples cannot be cut out.")
    return (length - wanted) // 2, wanted
