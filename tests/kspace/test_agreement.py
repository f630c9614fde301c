"""The numerics, held to the packages that people know them from; where these are not installed, nothing is tested.

`make bench` installs them, in an environment of their own, and runs this first.
"""

from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from datasets.kspace.coils import Reconstructor, root_sum_of_squares
from datasets.kspace.fourier import centre_crop, fft2c, ifft2c
from datasets.kspace.masks import CENTRE_SHARE, Kind, equispaced_mask, undersampling_mask
from datasets.kspace.metrics import nmse, psnr, ssim
from tests.kspace.arrays import distance, noise, pictures

Shape = tuple[int, int, int]
SHAPES: list[Shape] = [(3, 640, 368), (2, 37, 41), (4, 64, 33), (1, 15, 16)]
SIZES: dict[Shape, tuple[int, int]] = {
    (3, 640, 368): (320, 320),
    (2, 37, 41): (18, 41),
    (4, 64, 33): (32, 20),
    (1, 15, 16): (15, 15),
}
KINDS: list[tuple[Kind, str]] = [
    ("random", "RandomMaskFunc"),
    ("equispaced", "EquiSpacedMaskFunc"),
    ("equispaced-fraction", "EquispacedMaskFractionFunc"),
]
CLOSE = 1e-5

if not (find_spec("fastmri") or find_spec("sigpy")):
    pytest.skip("neither fastmri nor sigpy is installed", allow_module_level=True)


@pytest.fixture
def fastmri() -> ModuleType:
    pytest.importorskip("torch")
    return pytest.importorskip("fastmri")


@pytest.fixture
def transforms(fastmri: ModuleType) -> ModuleType:
    return pytest.importorskip("fastmri.data.transforms")


@pytest.fixture
def subsample(fastmri: ModuleType) -> ModuleType:
    return pytest.importorskip("fastmri.data.subsample")


@pytest.fixture
def evaluate(fastmri: ModuleType) -> ModuleType:
    return pytest.importorskip("fastmri.evaluate")


@pytest.fixture
def sigpy() -> ModuleType:
    return pytest.importorskip("sigpy")


@pytest.mark.parametrize("shape", SHAPES)
def test_transforms_are_those_of_the_fastmri_package(fastmri: ModuleType, transforms: ModuleType, shape: Shape) -> None:
    array = noise(*shape)
    tensor = transforms.to_tensor(array)
    assert distance(ifft2c(array), transforms.tensor_to_complex_np(fastmri.ifft2c(tensor))) < CLOSE
    assert distance(fft2c(array), transforms.tensor_to_complex_np(fastmri.fft2c(tensor))) < CLOSE


@pytest.mark.parametrize("shape", SHAPES)
def test_transforms_are_those_of_sigpy(sigpy: ModuleType, shape: Shape) -> None:
    array = noise(*shape)
    assert distance(ifft2c(array), sigpy.ifft(array, axes=(-2, -1))) < CLOSE
    assert distance(fft2c(array), sigpy.fft(array, axes=(-2, -1))) < CLOSE


@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_are_those_of_the_fastmri_package(
    fastmri: ModuleType, transforms: ModuleType, subsample: ModuleType, shape: Shape
) -> None:
    kspace, size = noise(*shape), SIZES[shape]
    choose = subsample.EquiSpacedMaskFunc([0.08], [4])
    tensor = transforms.to_tensor(kspace)
    masked, mask, _centre = transforms.apply_mask(tensor, choose, seed=5)

    def expected(samples: Any) -> np.ndarray:
        images = transforms.complex_center_crop(fastmri.ifft2c(samples), size)
        return fastmri.rss(fastmri.complex_abs(images)).numpy()

    full, undersampled = Reconstructor(*shape[1:], size, mask.numpy().ravel() > 0).pair(kspace)
    assert distance(full, expected(tensor)) < CLOSE
    assert distance(undersampled, expected(masked)) < CLOSE
    assert distance(root_sum_of_squares(centre_crop(ifft2c(kspace), size)), expected(tensor)) < CLOSE


@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_are_those_of_sigpy(sigpy: ModuleType, shape: Shape) -> None:
    # Uncropped: of an odd number of samples sigpy may take another middle.
    kspace = noise(*shape)
    expected = sigpy.rss(sigpy.ifft(kspace, axes=(-2, -1)), axes=(0,))
    assert distance(Reconstructor(*shape[1:], shape[1:]).full(kspace), expected) < CLOSE


@pytest.mark.parametrize("size", [(12, 9), (11, 10), (13, 1), (1, 10)])
def test_middle_is_that_of_the_fastmri_package(transforms: ModuleType, size: tuple[int, int]) -> None:
    array = pictures(2, 13, 10)
    np.testing.assert_array_equal(centre_crop(array, size), transforms.center_crop(array, size))


@pytest.mark.parametrize(("kind", "named"), KINDS)
@pytest.mark.parametrize("acceleration", [4, 8])
@pytest.mark.parametrize("phase", [368, 322, 371, 396])
def test_seed_gives_the_columns_of_the_fastmri_package(
    subsample: ModuleType, kind: Kind, named: str, acceleration: int, phase: int
) -> None:
    share = CENTRE_SHARE[acceleration]
    choose = getattr(subsample, named)([share], [acceleration])
    for seed in (0, 42, tuple(map(ord, "file1000001.h5"))):
        theirs, centre = choose((1, phase, 2), seed=seed)
        ours = undersampling_mask(kind, phase, acceleration=acceleration, centre_share=share, seed=seed)
        np.testing.assert_array_equal(ours, theirs.numpy().ravel() > 0)
        assert centre == round(phase * share)


@pytest.mark.parametrize(("kind", "named"), KINDS[1:])
@pytest.mark.parametrize("acceleration", [4, 8])
def test_offset_gives_the_columns_of_the_fastmri_package(
    subsample: ModuleType, kind: Kind, named: str, acceleration: int
) -> None:
    share = CENTRE_SHARE[acceleration]
    choose = getattr(subsample, named)([share], [acceleration])
    for offset in range(acceleration):
        theirs, _centre = choose((1, 368, 2), offset=offset)
        ours = equispaced_mask(kind, 368, acceleration=acceleration, centre_share=share, offset=offset)
        np.testing.assert_array_equal(ours, theirs.numpy().ravel() > 0)


@pytest.mark.parametrize("largest", [None, 2.5])
@pytest.mark.parametrize("size", [(320, 320), (41, 37), (7, 8)])
def test_scores_are_those_of_the_fastmri_package(
    evaluate: ModuleType, size: tuple[int, int], largest: float | None
) -> None:
    truth = pictures(3, *size, seed=1)
    for amount in (0.01, 0.3):
        picture = truth + np.float32(amount) * pictures(3, *size, seed=2)
        assert nmse(truth, picture) == pytest.approx(float(evaluate.nmse(truth, picture)), rel=CLOSE)
        assert psnr(truth, picture, largest) == pytest.approx(float(evaluate.psnr(truth, picture, largest)), rel=CLOSE)
        theirs = float(evaluate.ssim(truth, picture, largest)[0])
        assert ssim(truth, picture, largest) == pytest.approx(theirs, rel=CLOSE)
