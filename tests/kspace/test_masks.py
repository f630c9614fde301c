"""Which columns an undersampled scan measures."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.kspace.masks import CENTRE_SHARE, Kind, equispaced_mask, undersampling_mask

kinds = st.sampled_from(get_args(Kind))
widths = st.integers(24, 400)
accelerations = st.sampled_from(sorted(CENTRE_SHARE))
seeds = st.integers(0, 2**32 - 1)


@given(kinds, widths, accelerations, seeds)
def test_same_seed_gives_the_same_columns_with_the_middle_among_them(
    kind: Kind, phase: int, acceleration: int, seed: int
) -> None:
    share = CENTRE_SHARE[acceleration]
    mask = undersampling_mask(kind, phase, acceleration=acceleration, centre_share=share, seed=seed)
    again = undersampling_mask(kind, phase, acceleration=acceleration, centre_share=share, seed=seed)
    assert mask.dtype == np.bool_
    assert mask.shape == (phase,)
    np.testing.assert_array_equal(mask, again)
    centre = round(phase * share)
    start = (phase - centre + 1) // 2
    assert mask[start : start + centre].all()


@given(widths, accelerations, seeds)
def test_equispaced_columns_are_as_far_apart_as_the_acceleration(phase: int, acceleration: int, seed: int) -> None:
    mask = undersampling_mask("equispaced", phase, acceleration=acceleration, centre_share=0, seed=seed)
    chosen = np.flatnonzero(mask)
    assert chosen[0] < acceleration
    assert phase - chosen[-1] <= acceleration
    assert set(np.diff(chosen)) <= {acceleration}


@given(st.integers(120, 400), accelerations, seeds)
def test_fraction_keeps_the_number_of_columns_near_to_the_acceleration(
    phase: int, acceleration: int, seed: int
) -> None:
    mask = undersampling_mask(
        "equispaced-fraction", phase, acceleration=acceleration, centre_share=CENTRE_SHARE[acceleration], seed=seed
    )
    # A random offset, the last column and where steps meet the middle make a few more or less.
    assert abs(mask.sum() - phase / acceleration) <= 4


@pytest.mark.parametrize("acceleration", [4, 8])
def test_random_columns_are_on_average_as_many_as_the_acceleration_says(acceleration: int) -> None:
    share = CENTRE_SHARE[acceleration]
    masks = np.stack(
        [
            undersampling_mask("random", 368, acceleration=acceleration, centre_share=share, seed=seed)
            for seed in range(500)
        ]
    )
    assert masks.sum(axis=1).mean() == pytest.approx(368 / acceleration, rel=0.02)
    centre = round(368 * share)
    start = (368 - centre + 1) // 2
    outside = np.delete(masks, np.s_[start : start + centre], axis=1).mean(axis=0)
    # Every column alike: six standard deviations of 500 throws.
    expected = (368 / acceleration - centre) / (368 - centre)
    assert np.abs(outside - expected).max() < 6 * np.sqrt(expected * (1 - expected) / 500)


def test_seed_may_be_letters_of_a_name() -> None:
    masks = [
        undersampling_mask("random", 368, acceleration=4, centre_share=0.08, seed=tuple(name.encode()))
        for name in ("file1000001.h5", "file1000002.h5")
    ]
    assert (masks[0] != masks[1]).any()


def test_columns_of_a_seed_never_change() -> None:
    found = {kind: undersampling_mask(kind, 24, acceleration=4, centre_share=0.08, seed=3) for kind in get_args(Kind)}
    assert {kind: "".join("#" if kept else "." for kept in mask) for kind, mask in found.items()} == {
        "random": "......#.#.###...#......#",
        "equispaced": "..#...#...###.#...#...#.",
        "equispaced-fraction": "..#.....#..###....#.....",
    }


def test_acceleration_of_one_measures_everything() -> None:
    for kind in ("random", "equispaced"):
        assert undersampling_mask(kind, 30, acceleration=1, centre_share=0.08, seed=0).all()


@pytest.mark.parametrize(
    ("kind", "phase", "acceleration", "share", "words"),
    [
        ("spiral", 24, 4, 0.08, "spiral is no kind"),
        ("random", 0, 4, 0.08, "of 0 columns"),
        ("random", 24, 4, 1.5, "share of 1.5"),
        ("random", 24, 0, 0.08, "acceleration of 0"),
        ("random", 24, 4, 0.25, "leaves none"),
        ("equispaced-fraction", 24, 8, 0.5, "leaves none"),
    ],
)
def test_what_cannot_be_is_refused(kind: Kind, phase: int, acceleration: int, share: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        undersampling_mask(kind, phase, acceleration=acceleration, centre_share=share, seed=0)


def test_given_offset_is_the_first_column() -> None:
    mask = equispaced_mask("equispaced", 12, acceleration=4, centre_share=0.17, offset=1)
    assert np.flatnonzero(mask).tolist() == [1, 5, 6, 9]
