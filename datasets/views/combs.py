"""What the server draws: combs of k-space columns, and bars of a number by slice. Classes colour them, in the sheet."""

from collections.abc import Sequence
from typing import NamedTuple

# Where bars stand: in per cent of the width, in pixels of the height. The axis has its numbers left of them.
LEFT, TOP, BOTTOM = 10.0, 14, 154
# Share of a bar's place that it fills.
FILLED = 0.64
# Labels that are nearer than this, in per cent, would touch.
APART = 13.0
# As many columns of a comb are told apart on a thumbnail.
NEAR_CENTRE = 96


class Comb(NamedTuple):
    """Which columns of k-space there are, of how many: columns count from 0."""

    kept: Sequence[int]
    total: int

    @classmethod
    def of(cls, kept: Sequence[int] | None, total: int | None) -> "Comb | None":
        """All columns where none are named; None where it is not known how many there are."""
        return cls(range(total) if kept is None else kept, total) if total else None

    @property
    def is_whole(self) -> bool:
        return len(self.kept) == self.total

    @property
    def path(self) -> str:
        """Path data: every column a line in its middle, one unit wide and four high."""
        return "".join(f"M{column}.5 0v4" for column in self.kept)

    @property
    def left(self) -> int:
        """Where the part near the centre begins."""
        return max(0, (self.total - NEAR_CENTRE) // 2)

    @property
    def width(self) -> int:
        """How many columns that part has."""
        return min(self.total, NEAR_CENTRE)

    @property
    def path_near_centre(self) -> str:
        return "".join(f"M{column}.5 0v4" for column in self.kept if 0 <= column - self.left < self.width)

    @property
    def words(self) -> str:
        return f"all {self.total} columns" if self.is_whole else f"{len(self.kept)} of {self.total} columns"


class Bar(NamedTuple):
    """One slice's bar; places in per cent of the width, heights in pixels."""

    number: int
    value: float
    left: float
    width: float
    is_current: bool

    @property
    def height(self) -> float:
        return round(max(0.0, self.value) * (BOTTOM - TOP), 1)

    @property
    def top(self) -> float:
        return round(BOTTOM - self.height, 1)

    @property
    def middle(self) -> float:
        return round(self.left + self.width / 2, 2)

    @property
    def label_top(self) -> float:
        return self.top - 5

    @property
    def anchor(self) -> str:
        """Near the right edge a label ends where the bar does."""
        return "end" if self.middle > 100 - APART / 2 else "mid"


class Bars:
    """A number from 0 to 1 by slice: `values` by slice numbers, counted from 0."""

    lines = [(mark, BOTTOM - (BOTTOM - TOP) * mark) for mark in (0.25, 0.5, 0.75, 1)]
    bottom = BOTTOM

    def __init__(self, values: dict[int, float], current: int) -> None:
        step = (100 - LEFT) / len(values)
        self.bars = [
            Bar(
                number + 1,
                value,
                round(LEFT + step * (place + (1 - FILLED) / 2), 2),
                round(step * FILLED, 2),
                number == current,
            )
            for place, (number, value) in enumerate(sorted(values.items()))
        ]

    @property
    def first(self) -> Bar:
        return self.bars[0]

    @property
    def last(self) -> Bar:
        return self.bars[-1]

    @property
    def current(self) -> Bar | None:
        return next((bar for bar in self.bars if bar.is_current), None)

    @property
    def is_current_labelled(self) -> bool:
        """Below the axis, where neither end's label would touch it."""
        bar = self.current
        return bar is not None and self.first.left + APART < bar.middle < self.last.middle - APART / 2

    @property
    def least(self) -> Bar:
        return min(self.bars, key=lambda bar: bar.value)

    @property
    def most(self) -> Bar:
        return max(self.bars, key=lambda bar: bar.value)
