"""The fastMRI package with torch, as its own transforms do it."""

from functools import partial

import fastmri
import numpy as np
from fastmri.data import transforms
from numpy.typing import NDArray

from tests.benchmarks.kspace import slicewise


def reconstruct(kspace: NDArray[np.complex64]) -> NDArray[np.float32]:
    images = transforms.complex_center_crop(fastmri.ifft2c(transforms.to_tensor(kspace)), slicewise.SIZE)
    return fastmri.rss(fastmri.complex_abs(images)).numpy()


picture = partial(slicewise.picture, reconstruct)
pictures = partial(slicewise.pictures, reconstruct)
