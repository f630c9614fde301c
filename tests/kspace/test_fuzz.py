"""A few hundred broken files at each run; python -m tests.kspace.fuzz breaks thousands."""

from tests.kspace.fuzz import FINE, fuzz


def test_broken_files_are_read_or_refused_and_nothing_else() -> None:
    tally = fuzz(200, seed=4)
    assert tally.unexpected == []
    for outcomes in tally.by_job.values():
        assert outcomes.total() == 200
        assert outcomes[FINE] < 200
        assert len(outcomes) > 3
