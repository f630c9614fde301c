"""A few hundred broken files at each run; python -m tests.kspace.fuzz breaks thousands."""

import pytest

from tests.kspace.fuzz import FINE, fuzz


def test_broken_files_are_read_or_refused_and_nothing_else() -> None:
    tally = fuzz(200, seed=4)
    assert tally.unexpected == []
    for outcomes in tally.by_job.values():
        assert outcomes.total() == 200
        assert outcomes[FINE] < 200
        assert len(outcomes) > 3


@pytest.mark.parametrize(("seed", "number"), [(7, 1242), (7, 3797)])
def test_what_once_came_out_otherwise_no_longer_does(seed: int, number: int) -> None:
    """Chunks of ISMRMRD's that are shorter than one acquisition."""
    assert fuzz(1, seed, first=number).unexpected == []
