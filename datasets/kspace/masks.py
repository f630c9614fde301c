"""Which phase columns an undersampled scan measures, as the fastMRI package chooses them: one mask for a whole volume.

A share of the columns, in the middle, is always measured: N_low = round(phase · centre_share). RandomState is old, and
its stream will never change: a seed gives the same columns for ever, and those that the fastMRI package gives for it.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Kind = Literal["random", "equispaced", "equispaced-fraction"]
CENTRE_SHARE = {4: 0.08, 8: 0.04}
"""Usual shares, by acceleration."""


def undersampling_mask(
    kind: Kind, phase: int, *, acceleration: int, centre_share: float, seed: int | Sequence[int]
) -> Mask:
    """bool (phase,), true where a column is measured.

    random: each column outside the middle with the probability that makes phase / acceleration of them on average.
    equispaced: every acceleration-th one from a random offset, beside the middle; so there are more than that.
    equispaced-fraction: with steps so much wider that there are about phase / acceleration of them.

    ValueError for another kind, or where these cannot be: no columns, an acceleration below 1, a share that is not
    between 0 and 1; and, where the number of columns is kept to, a middle that alone has as many.
    """
    centre = centre_columns(phase, centre_share)
    if acceleration < 1:
        raise ValueError(f"An acceleration of {acceleration} is none.")
    chance = np.random.RandomState(seed)
    if kind == "random":
        probability = (phase / acceleration - centre) / _outside(phase, centre, acceleration)
        mask = chance.uniform(size=phase) < probability
        mask[_middle(phase, centre)] = True
        return mask
    step = _step(kind, phase, acceleration, centre)
    offset = int(chance.randint(0, high=round(step)))
    return equispaced_mask(kind, phase, acceleration=acceleration, centre_share=centre_share, offset=offset)


def equispaced_mask(kind: Kind, phase: int, *, acceleration: int, centre_share: float, offset: int) -> Mask:
    """As `undersampling_mask`, for the two equispaced kinds, from a given first column."""
    centre = centre_columns(phase, centre_share)
    step = _step(kind, phase, acceleration, centre)
    mask = np.zeros(phase, bool)
    if kind == "equispaced":
        mask[offset :: int(step)] = True
    else:
        # The last column is left out there, too.
        mask[np.around(np.arange(offset, phase - 1, step)).astype(int)] = True
    mask[_middle(phase, centre)] = True
    return mask


def centre_columns(phase: int, centre_share: float) -> int:
    """How many columns in the middle are kept for their low frequencies."""
    if phase < 1 or not 0 <= centre_share <= 1:
        raise ValueError(f"A share of {centre_share} of {phase} columns cannot be kept.")
    return round(phase * centre_share)


def _middle(phase: int, centre: int) -> slice:
    start = (phase - centre + 1) // 2
    return slice(start, start + centre)


def _outside(phase: int, centre: int, acceleration: int) -> int:
    if centre * acceleration >= phase:
        raise ValueError(f"The middle, {centre} of {phase} columns, leaves none to an acceleration of {acceleration}.")
    return phase - centre


def _step(kind: Kind, phase: int, acceleration: int, centre: int) -> float:
    if kind == "equispaced":
        return acceleration
    if kind == "equispaced-fraction":
        return acceleration * _outside(phase, centre, acceleration) / (phase - centre * acceleration)
    raise ValueError(f"{kind} is no kind of equispaced mask.")
