"""Plots: every day is in one bar, axes have round numbers, and nothing leaves the picture."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.plots import BOTTOM, HEIGHT, LABEL_WIDTH, LEFT, RIGHT, TOP, Plot, Step

LAST = date(2026, 11, 26)


def plot(values: list[tuple[float, ...]], *, is_bytes: bool = False) -> Plot:
    """One value a day and series; the last of them is LAST."""
    first = LAST - timedelta(days=len(values) - 1)
    by_day = {first + timedelta(days=number): row for number, row in enumerate(values) if any(row)}
    names = [f"Dataset {number}" for number in range(len(values[0]))]
    return Plot("downloads", "Downloads", names, by_day, first, LAST, is_bytes=is_bytes)


DAYS = st.integers(1, 3).flatmap(
    lambda series: st.lists(st.tuples(*[st.integers(0, 10**14)] * series), min_size=1, max_size=1_200)
)


@given(values=DAYS, is_bytes=st.booleans())
def test_bars_hold_every_day_once_within_the_picture(values: list[tuple[float, ...]], is_bytes: bool) -> None:
    drawn = plot(values, is_bytes=is_bytes)
    assert sum(bar.total for bar in drawn.bars) == sum(map(sum, values))
    assert 1 <= len(drawn.bars) <= 107
    assert drawn.bars[-1].is_part
    for bar in drawn.bars:
        assert LEFT <= bar.left <= bar.left + bar.width <= RIGHT
        assert all(TOP - 0.2 <= piece.top <= piece.top + piece.height <= BOTTOM + 0.2 for piece in bar.pieces)
    assert all(bar.left + LABEL_WIDTH <= RIGHT for bar in drawn.labelled) or len(drawn.bars) <= 5
    assert len(drawn.rows) == len(drawn.bars)


@given(values=DAYS, is_bytes=st.booleans())
def test_axes_have_few_lines_at_round_numbers(values: list[tuple[float, ...]], is_bytes: bool) -> None:
    drawn = plot(values, is_bytes=is_bytes)
    assert 1 <= len(drawn.lines) <= 5
    assert all(0 < place < HEIGHT for _mark, place in drawn.lines)
    assert drawn.lines[0][0].replace("0", "").replace(".", "").replace(",", "") in {"1", "2", "5"}
    assert drawn.most <= drawn.top_value * (1 + 1e-9)


@pytest.mark.parametrize(
    ("days", "step"), [(7, Step.DAY), (90, Step.DAY), (365, Step.WEEK), (730, Step.WEEK), (900, Step.MONTH)]
)
def test_long_periods_have_longer_bars(days: int, step: Step) -> None:
    assert plot([(1.0,)] * days).step == step


def test_words_say_the_highest_and_what_is_outlined() -> None:
    drawn = plot([(1e12, 2.5e11), (5e11, 0.0)], is_bytes=True)
    assert drawn.says == "At most 1.25 TB, on 25 November 2026. The outlined bar is the last day so far."
    assert drawn.rows == [["26 Nov", "0.50 TB", "0.00 TB"], ["25 Nov", "1.00 TB", "0.25 TB"]]
    assert [mark for mark, _place in drawn.lines] == ["0.5", "1", "1.5"]


def test_nothing_is_a_plot_too() -> None:
    drawn = plot([(0.0,)] * 30, is_bytes=True)
    assert drawn.says == "None."
    assert drawn.describes == "None from 28 October 2026 to 26 November 2026."
    assert [mark for mark, _place in drawn.lines] == ["1"]
