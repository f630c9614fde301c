"""Plots of numbers by day, drawn on the server: places and words. Colours are the style sheet's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from functools import cached_property
from math import ceil, floor, log10

from django.utils.formats import date_format

# Of a plot: its size, and where its axes lie.
WIDTH, HEIGHT = 430, 210
LEFT, RIGHT, TOP, BOTTOM = 44.0, 430.0, 16.0, 182.0
# Share of a bar's place that it fills; lines across; labels below.
FILLED, LINES, LABELS = 0.72, 4, 5
# A label below the axis is about so wide.
LABEL_WIDTH = 56
# So many series are told apart; the others are drawn as one.
TONES = 4
UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
# Of large numbers on the axis: from where on, in what, and its name.
LARGE = ((10**10, 10**9, "billions"), (10**7, 10**6, "millions"), (10**4, 10**3, "thousands"))


class Step(Enum):
    """How many days a bar stands for, so that there are neither too many bars nor too few."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @classmethod
    def of(cls, days: int) -> "Step":
        return cls.DAY if days <= 92 else cls.WEEK if days <= 2 * 366 else cls.MONTH

    def start(self, day: date) -> date:
        if self is Step.WEEK:
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self is Step.MONTH else day

    def following(self, start: date) -> date:
        if self is Step.MONTH:
            return (start + timedelta(days=31)).replace(day=1)
        return start + timedelta(days=7 if self is Step.WEEK else 1)

    def label(self, start: date) -> str:
        return date_format(start, "M Y" if self is Step.MONTH else "j M")


@dataclass(frozen=True)
class Piece:
    """One series' part of a bar."""

    tone: int
    top: float
    height: float


@dataclass(frozen=True)
class Bar:
    first: date
    label: str
    is_part: bool
    """Cut off by an end of the period: the day, week or month is longer."""
    values: Sequence[float]
    """By series."""
    left: float
    width: float
    pieces: Sequence[Piece]

    @property
    def total(self) -> float:
        return sum(self.values)

    @property
    def middle(self) -> float:
        return round(self.left + self.width / 2, 1)

    @property
    def top(self) -> float:
        return min((piece.top for piece in self.pieces), default=BOTTOM)

    @property
    def height(self) -> float:
        return round(BOTTOM - self.top, 1)


@dataclass(frozen=True)
class Plot:
    """Bars of whole days, weeks or months from `first` to `last`, of one or more series stacked on each other."""

    name: str
    title: str
    series: Sequence[str]
    values: Mapping[date, Sequence[float]] = field(repr=False)
    """By day, and in it by series."""
    first: date
    last: date
    is_bytes: bool = False
    note: str = ""

    width, height, left, right, bottom = WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM

    @cached_property
    def step(self) -> Step:
        return Step.of((self.last - self.first).days + 1)

    @cached_property
    def sums(self) -> dict[date, list[float]]:
        """By the first day of each bar."""
        found: dict[date, list[float]] = {}
        start = self.step.start(self.first)
        while start <= self.last:
            found[start] = [0.0] * len(self.series)
            start = self.step.following(start)
        for day, values in self.values.items():
            if self.first <= day <= self.last:
                bar = found[self.step.start(day)]
                for number, value in enumerate(values):
                    bar[number] += value
        return found

    @cached_property
    def most(self) -> float:
        return max((sum(values) for values in self.sums.values()), default=0)

    @cached_property
    def unit(self) -> tuple[float, str]:
        """What the axis counts in."""
        if not self.is_bytes:
            return next(((size, name) for least, size, name in LARGE if self.most >= least), (1, ""))
        return next(((size, name) for size, name in UNITS if self.most >= size), (1, "bytes"))

    @cached_property
    def tick(self) -> float:
        """A round number: 1, 2 or 5 with noughts, and no fraction of what is whole."""
        rough = self.most / self.unit[0] / LINES
        if rough <= 0:
            return 1
        power = 10.0 ** floor(log10(rough))
        tick = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * (1 - 1e-9))
        return tick if self.unit[0] > 1 else max(1, tick)

    @cached_property
    def top_value(self) -> float:
        """Where the axis ends, in bytes or in what is counted."""
        lines = max(1, ceil(self.most / self.unit[0] / self.tick - 1e-9))
        return lines * self.tick * self.unit[0]

    @property
    def lines(self) -> list[tuple[str, float]]:
        number = round(self.top_value / self.unit[0] / self.tick)
        marks = (place * self.tick for place in range(1, number + 1))
        return [(f"{mark:,.10g}", round(self._place(mark * self.unit[0]), 1)) for mark in marks]

    def _place(self, value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * value / self.top_value

    @cached_property
    def bars(self) -> list[Bar]:
        each = (RIGHT - LEFT) / len(self.sums)
        bars = []
        for number, (start, values) in enumerate(self.sums.items()):
            end = self.step.following(start)
            # The last day is one that goes on.
            is_part = start < self.first or end > self.last
            left = round(LEFT + each * (number + (1 - FILLED) / 2), 1)
            bars.append(
                Bar(start, self.step.label(start), is_part, values, left, round(each * FILLED, 1), self._pieces(values))
            )
        return bars

    def _pieces(self, values: Sequence[float]) -> list[Piece]:
        pieces, under = [], 0.0
        for number, value in enumerate(values):
            if value:
                top, foot = self._place(under + value), self._place(under)
                pieces.append(Piece(min(number, TONES), round(top, 1), round(foot - top, 1)))
                under += value
        return pieces

    @property
    def highest(self) -> Bar | None:
        return max(self.bars, key=lambda bar: bar.total) if self.most else None

    @property
    def labelled(self) -> list[Bar]:
        """Bars with a label below them, evenly, and none that would leave the plot."""
        every = ceil(len(self.bars) / LABELS)
        return [bar for bar in self.bars[::every] if bar.left + LABEL_WIDTH <= RIGHT or len(self.bars) <= LABELS]

    def written(self, value: float) -> str:
        """Bytes with their unit; whole numbers wholly."""
        size, name = self.unit
        if self.is_bytes:
            return f"{value / size:,.2f} {name}" if size > 1 else f"{value:,.0f} {name}"
        return f"{value:,.0f}"

    @property
    def rows(self) -> list[list[str]]:
        """The same as a table, the newest first."""
        return [[bar.label, *map(self.written, bar.values)] for bar in reversed(self.bars)]

    @property
    def describes(self) -> str:
        highest = self.highest
        if highest is None:
            return f"None from {self._long(self.first)} to {self._long(self.last)}."
        return (
            f"A bar a {self.step.value} from {self._long(self.first)} to {self._long(self.last)}. The highest is "
            f"{self.written(highest.total)}, for {self._long(highest.first)}. The table below it has all of them."
        )

    @property
    def says(self) -> str:
        """Below the plot: its highest bar, and what is outlined."""
        highest = self.highest
        if highest is None:
            return "None."
        told = f"At most {self.written(highest.total)}, {self._of(highest)}."
        parts = [bar for bar in self.bars if bar.is_part and bar.height]
        if not parts:
            return told
        if self.step is Step.DAY:
            return f"{told} The outlined bar is the last day so far."
        return f"{told} Outlined: part of a {self.step.value}."

    def _of(self, bar: Bar) -> str:
        if self.step is Step.MONTH:
            return f"in {date_format(bar.first, 'F Y')}"
        return f"{'on' if self.step is Step.DAY else 'in the week from'} {self._long(bar.first)}"

    @staticmethod
    def _long(day: date) -> str:
        return date_format(day, "j F Y")
