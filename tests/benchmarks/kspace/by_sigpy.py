"""sigpy."""

from functools import partial

import numpy as np
import sigpy
from numpy.typing import NDArray

from tests.benchmarks.kspace import slicewise


def reconstruct(kspace: NDArray[np.complex64]) -> NDArray[np.float32]:
    images = sigpy.ifft(kspace, axes=(-2, -1))
    return sigpy.rss(sigpy.resize(images, (len(images), *slicewise.SIZE)), axes=(0,))


picture = partial(slicewise.picture, reconstruct)
pictures = partial(slicewise.pictures, reconstruct)
