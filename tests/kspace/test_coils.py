"""The fast way to a picture, held to the plain definition."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.kspace.coils import Read, Real, Reconstructor, root_sum_of_squares
from datasets.kspace.fourier import centre_crop, fft2c, ifft2c
from tests.kspace.arrays import Complex, distance, noise


def plain(kspace: Complex, size: tuple[int, int]) -> Real:
    return root_sum_of_squares(centre_crop(ifft2c(kspace), size))


def reading(kspace: Complex) -> Read:
    def read(coil: int, out: Complex) -> None:
        np.copyto(out, kspace[coil])

    return read


@dataclass(frozen=True)
class Slice:
    kspace: Complex
    size: tuple[int, int]
    columns: np.ndarray
    threads: int

    def reconstructor(self) -> Reconstructor:
        _coils, readout, phase = self.kspace.shape
        return Reconstructor(readout, phase, self.size, self.columns, self.threads)


@st.composite
def slices(draw: st.DrawFn) -> Slice:
    """k-space of any small shape, and any size that can be cut out of it."""
    readout, phase = draw(st.integers(1, 40)), draw(st.integers(1, 33))
    size = draw(st.integers(1, readout)), draw(st.integers(1, phase))
    columns = np.array(draw(st.lists(st.booleans(), min_size=phase, max_size=phase)))
    return Slice(noise(draw(st.integers(1, 5)), readout, phase), size, columns, draw(st.integers(1, 3)))


@settings(deadline=None)
@given(slices())
def test_every_way_gives_the_picture_of_the_definition(scan: Slice) -> None:
    reconstructor, full = scan.reconstructor(), plain(scan.kspace, scan.size)
    ways = reconstructor.full(scan.kspace), reconstructor.stream(reading(scan.kspace), len(scan.kspace))
    for found in ways:
        assert found.dtype == np.float32
        assert distance(found, full) < 1e-5
    # Where no column is chosen, the undersampled picture is black.
    undersampled = plain(scan.kspace * scan.columns, scan.size)
    for found, part in (
        reconstructor.pair(scan.kspace),
        reconstructor.stream_pair(reading(scan.kspace), len(scan.kspace)),
    ):
        assert distance(found, full) < 1e-5
        assert np.abs(part - undersampled).max() < 1e-5 * full.max()


@pytest.mark.parametrize("shape", [(640, 368), (640, 322), (768, 396), (320, 271)])
def test_shapes_of_the_scanners_give_the_picture_of_the_definition(shape: tuple[int, int]) -> None:
    kspace = noise(3, *shape)
    size = min(320, shape[0]), min(320, shape[1])
    assert distance(Reconstructor(*shape, size).full(kspace), plain(kspace, size)) < 1e-5


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_volume_is_its_slices_one_by_one(threads: int) -> None:
    kspace = noise(5, 3, 18, 13)

    def read(number: int, coil: int, out: Complex) -> None:
        np.copyto(out, kspace[number, coil])

    pictures = Reconstructor(18, 13, (9, 13), threads=threads).volume(read, 5, 3)
    assert pictures.dtype == np.float32
    assert distance(pictures, np.stack([plain(part, (9, 13)) for part in kspace])) < 1e-5


def test_next_slice_is_not_touched_by_the_one_before() -> None:
    first, second = noise(4, 16, 12, seed=1), noise(4, 16, 12, seed=2)
    reconstructor = Reconstructor(16, 12, (8, 8), np.arange(12) % 3 == 0)
    before = reconstructor.pair(first)
    kept = [picture.copy() for picture in before]
    after = reconstructor.pair(second)
    np.testing.assert_array_equal(before, kept)
    np.testing.assert_array_equal(after, Reconstructor(16, 12, (8, 8), np.arange(12) % 3 == 0).pair(second))


def test_kspace_in_memory_is_left_as_it_was() -> None:
    kspace = noise(3, 10, 9)
    Reconstructor(10, 9, (5, 9), np.arange(9) % 2 == 0).pair(kspace)
    np.testing.assert_array_equal(kspace, noise(3, 10, 9))


def test_order_of_the_coils_does_not_matter() -> None:
    kspace = noise(5, 20, 18)
    reconstructor = Reconstructor(20, 18, (10, 18))
    assert distance(reconstructor.full(kspace[::-1].copy()), reconstructor.full(kspace)) < 1e-6


def test_same_slice_gives_the_same_bits_every_time() -> None:
    kspace = noise(7, 64, 48)
    found = [Reconstructor(64, 48, (32, 32)).full(kspace) for _ in range(20)]
    assert len({picture.tobytes() for picture in found}) == 1


def test_twice_the_signal_is_twice_the_picture_and_a_coils_phase_is_not_seen() -> None:
    kspace = noise(3, 16, 15)
    reconstructor = Reconstructor(16, 15, (8, 15))
    turned = kspace * np.array([2, 2j, -2], np.complex64)[:, None, None]
    assert distance(reconstructor.full(turned), 2 * reconstructor.full(kspace)) < 1e-6


def test_moved_anatomy_moves_in_the_picture() -> None:
    images = noise(2, 24, 20)
    reconstructor = Reconstructor(24, 20, (24, 20))
    moved = reconstructor.full(fft2c(np.roll(images, (3, -2), axis=(1, 2))))
    assert distance(moved, np.roll(root_sum_of_squares(images), (3, -2), axis=(0, 1))) < 1e-5


def test_energy_of_the_uncropped_picture_is_that_of_kspace() -> None:
    kspace = noise(4, 21, 16)
    picture = Reconstructor(21, 16, (21, 16)).full(kspace)
    assert np.linalg.norm(picture) == pytest.approx(np.linalg.norm(kspace), rel=1e-5)


def test_single_coil_is_its_magnitude() -> None:
    kspace = noise(1, 12, 11)
    assert distance(Reconstructor(12, 11, (12, 11)).full(kspace), np.abs(ifft2c(kspace[0]))) < 1e-5


@pytest.mark.parametrize("threads", [1, 2])
def test_what_reading_raises_ends_the_slice_and_the_next_one_is_whole(threads: int) -> None:
    kspace = noise(4, 8, 8)

    def broken(coil: int, out: Complex) -> None:
        if coil == 2:
            raise OSError("The file ends here.")
        np.copyto(out, kspace[coil])

    reconstructor = Reconstructor(8, 8, (4, 4), threads=threads)
    with pytest.raises(OSError, match="ends here"):
        reconstructor.stream(broken, 4)
    assert distance(reconstructor.stream(reading(kspace), 4), plain(kspace, (4, 4))) < 1e-5


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be cut out"):
        Reconstructor(8, 8, (9, 8))
    with pytest.raises(ValueError, match="7 columns"):
        Reconstructor(8, 8, (4, 4), [True] * 7)
    reconstructor = Reconstructor(8, 8, (4, 4))
    wrongs: list[Any] = [noise(2, 8, 7), noise(8, 8), noise(2, 8, 8).astype(np.complex128)]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="not complex64"):
            reconstructor.full(wrong)
    with pytest.raises(ValueError, match="No columns"):
        reconstructor.pair(noise(2, 8, 8))
    with pytest.raises(ValueError, match="at least one coil"):
        reconstructor.full(noise(0, 8, 8))
    with pytest.raises(ValueError, match="at least one coil"):
        reconstructor.volume(lambda _slice, _coil, _out: None, 2, 0)
