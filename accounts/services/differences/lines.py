"""Paragraphs, items and rows of one clause: which belong together, and how they are shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from accounts.services.differences.alignment import Effort, Pairs, align
from accounts.services.differences.reading import Block, number_of
from accounts.services.differences.words import ADDED, REMOVED, SAME, Run, compare_words, counted, likeness

CHANGED = "changed"
# So many unchanged lines in a row and more are folded, but for the one beside a change.
FOLDED = 4
# Between two places that stayed, every old block is compared with every new one up to here.
CANDIDATES = 900


@dataclass(frozen=True)
class Line:
    state: str
    block: Block
    cells: tuple[tuple[Run, ...], ...]
    elsewhere: str = ""
    """The clause to which it moved, or from which it came."""

    @property
    def is_whole(self) -> bool:
        """Whether all of it came or went, so that one word says so."""
        return self.state in {ADDED, REMOVED}


@dataclass(frozen=True)
class Group:
    """Lines that are one list, one table, or paragraphs; or lines of any shape, folded, in which nothing changed."""

    shape: str
    lines: tuple[Line, ...]
    parts: tuple["Group", ...] = ()
    """What is inside the fold."""

    @property
    def is_folded(self) -> bool:
        return bool(self.parts)


def whole(block: Block, state: str) -> Line:
    return Line(state, block, tuple((Run(state, cell),) for cell in block.cells))


def lines_between(old: Sequence[Block], new: Sequence[Block], effort: Effort) -> list[Line]:
    pairs = align([block.key for block in old], [block.key for block in new], effort)
    lines: list[Line] = []
    here = there = 0
    for old_place, new_place in [*pairs, (len(old), len(new))]:
        lines += _replaced(old[here:old_place], new[there:new_place], effort)
        if old_place < len(old):
            lines.append(_paired(old[old_place], new[new_place], effort))
        here, there = old_place + 1, new_place + 1
    return lines


def _replaced(old: Sequence[Block], new: Sequence[Block], effort: Effort) -> Iterator[Line]:
    """What stands between two places that stayed: blocks that changed, went and came."""
    here = there = 0
    for old_place, new_place in [*_likely(old, new, effort), (len(old), len(new))]:
        yield from (whole(block, REMOVED) for block in old[here:old_place])
        yield from (whole(block, ADDED) for block in new[there:new_place])
        if old_place < len(old):
            yield _paired(old[old_place], new[new_place], effort)
        here, there = old_place + 1, new_place + 1


def _likely(old: Sequence[Block], new: Sequence[Block], effort: Effort) -> Pairs:
    """Which of these blocks became which, in order: the pairs whose words have most in common."""
    if not old or not new or len(old) * len(new) > CANDIDATES:
        return []
    one, other = [counted(block.cells) for block in old], [counted(block.cells) for block in new]
    best: list[list[tuple[float, Pairs]]] = [[(0.0, [])] * (len(new) + 1)]
    for here in range(len(old)):
        row: list[tuple[float, Pairs]] = [(0.0, [])]
        for there in range(len(new)):
            share = likeness(one[here], other[there], effort)
            score, pairs = best[-1][there]
            ways = [best[-1][there + 1], row[-1]]
            if share:
                ways.append((score + share, [*pairs, (here, there)]))
            row.append(max(ways, key=lambda way: way[0]))
        best.append(row)
    return best[-1][-1][1]


def _paired(old: Block, new: Block, effort: Effort) -> Line:
    if old.key == new.key:
        # Equal, or a heading whose number alone is another.
        return whole(new, SAME)
    if new.shape == "heading":
        written = number_of(new.cells[0])
        runs = compare_words(old.cells[0][len(number_of(old.cells[0])) :], new.cells[0][len(written) :], effort)
        return Line(CHANGED, new, ((Run(SAME, written), *runs) if written else runs,))
    return Line(CHANGED, new, tuple(_cells(old.cells, new.cells, effort)))


def _cells(old: tuple[str, ...], new: tuple[str, ...], effort: Effort) -> Iterator[tuple[Run, ...]]:
    """The cells of a row; a paragraph has one. Another column is whole cells that came or went."""
    if len(old) == len(new):
        yield from (compare_words(before, after, effort) for before, after in zip(old, new, strict=True))
        return
    here = there = 0
    for old_place, new_place in [*align(old, new, effort), (len(old), len(new))]:
        yield from ((Run(REMOVED, cell),) for cell in old[here:old_place])
        yield from ((Run(ADDED, cell),) for cell in new[there:new_place])
        yield from ((Run(SAME, cell),) for cell in new[new_place : new_place + 1])
        here, there = old_place + 1, new_place + 1


def grouped(lines: Sequence[Line]) -> Iterator[Group]:
    for is_folded, part in _folded(lines):
        groups = [Group(shape, tuple(alike)) for shape, alike in groupby(part, key=_shape)]
        if is_folded:
            yield Group("fold", tuple(part), tuple(groups))
        else:
            yield from groups


def _shape(line: Line) -> str:
    return line.block.shape if line.block.shape in {"item", "row"} else "text"


def _folded(lines: Sequence[Line]) -> Iterator[tuple[bool, Sequence[Line]]]:
    """Runs of lines, and whether a run is folded."""
    shown: list[Line] = []
    runs = [(is_same, list(part)) for is_same, part in groupby(lines, key=lambda line: line.state == SAME)]
    for number, (is_same, part) in enumerate(runs):
        first = 1 if number else 0
        last = len(part) - (1 if number + 1 < len(runs) else 0)
        if not is_same or last - first < FOLDED:
            shown += part
            continue
        yield False, [*shown, *part[:first]]
        yield True, part[first:last]
        shown = part[last:]
    yield False, shown
