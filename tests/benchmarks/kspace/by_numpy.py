"""Plain numpy: the definition, written down."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.kspace import slicewise

AXES = (-2, -1)


def reconstruct(kspace: NDArray[np.complex64]) -> NDArray[np.float32]:
    images = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(kspace, AXES), axes=AXES, norm="ortho"), AXES)
    height, width = slicewise.SIZE
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return np.sqrt((np.abs(images[:, top : top + height, left : left + width]) ** 2).sum(axis=0))


picture = partial(slicewise.picture, reconstruct)
pictures = partial(slicewise.pictures, reconstruct)
