"""Which elements of two sequences belong together, with bounded work.

What occurs once in both anchors the rest (as a person would look for a rare word); only between anchors is everything
compared with everything, and only as long as the effort lasts. Beyond it the answer is coarser, never wrong.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence

# Comparisons of one difference at most; one gap between anchors may take its part of them.
LIMIT, GAP = 1_000_000, 100_000
# How often what lies between anchors is searched for anchors again.
DEPTH = 6

Pairs = list[tuple[int, int]]


class Effort:
    """Counts what was compared. What grows with the product of two sizes asks first and may be refused."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.spent = 0

    def allows(self, units: int) -> bool:
        if self.spent + units > self.limit:
            return False
        self.spent += units
        return True


def align(old: Sequence[Hashable], new: Sequence[Hashable], effort: Effort) -> Pairs:
    """Places that hold the same, rising in both."""
    return _align(old, new, (0, len(old), 0, len(new)), effort, DEPTH)


def _align(
    old: Sequence[Hashable], new: Sequence[Hashable], part: tuple[int, int, int, int], effort: Effort, depth: int
) -> Pairs:
    low, high, start, end = part
    before: Pairs = []
    while low < high and start < end and old[low] == new[start]:
        before.append((low, start))
        low, start = low + 1, start + 1
    after: Pairs = []
    while low < high and start < end and old[high - 1] == new[end - 1]:
        high, end = high - 1, end - 1
        after.append((high, end))
    if low < high and start < end:
        before += _between(old, new, (low, high, start, end), effort, depth)
    return before + after[::-1]


def _between(
    old: Sequence[Hashable], new: Sequence[Hashable], part: tuple[int, int, int, int], effort: Effort, depth: int
) -> Pairs:
    low, high, start, end = part
    anchors = _anchors(old, new, part) if depth else []
    if not anchors:
        cells = (high - low) * (end - start)
        return _common(old, new, part) if cells <= GAP and effort.allows(cells) else []
    pairs: Pairs = []
    for here, there in [*anchors, (high, end)]:
        pairs += _align(old, new, (low, here, start, there), effort, depth - 1)
        if here < high:
            pairs.append((here, there))
        low, start = here + 1, there + 1
    return pairs


def _anchors(old: Sequence[Hashable], new: Sequence[Hashable], part: tuple[int, int, int, int]) -> Pairs:
    """What occurs once on each side, in the longest order that both share."""
    low, high, start, end = part
    once = Counter(new[start:end])
    twice = Counter(old[low:high])
    there = {new[place]: place for place in range(start, end) if once[new[place]] == 1 and twice[new[place]] == 1}
    pairs = [(place, there[old[place]]) for place in range(low, high) if old[place] in there]
    return [pairs[kept] for kept in longest_rising([place for _here, place in pairs])]


def longest_rising(values: Sequence[int]) -> list[int]:
    """The places of a longest rising subsequence of different numbers."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for place, value in enumerate(values):
        length = bisect_left(tails, value)
        before.append(ends[length - 1] if length else -1)
        if length == len(tails):
            tails.append(value)
            ends.append(place)
        else:
            tails[length], ends[length] = value, place
    kept = []
    place = ends[-1] if ends else -1
    while place >= 0:
        kept.append(place)
        place = before[place]
    return kept[::-1]


def _common(old: Sequence[Hashable], new: Sequence[Hashable], part: tuple[int, int, int, int]) -> Pairs:
    """A longest common subsequence, by the table of lengths."""
    low, high, start, end = part
    width = end - start
    table = [[0] * (width + 1)]
    for here in range(high - 1, low - 1, -1):
        below, row = table[-1], [0] * (width + 1)
        for there in range(width - 1, -1, -1):
            same = old[here] == new[start + there]
            row[there] = below[there + 1] + 1 if same else max(below[there], row[there + 1])
        table.append(row)
    table.reverse()
    pairs, here, there = [], 0, 0
    while here < high - low and there < width:
        if old[low + here] == new[start + there]:
            pairs.append((low + here, start + there))
            here, there = here + 1, there + 1
        elif table[here + 1][there] >= table[here][there + 1]:
            here += 1
        else:
            there += 1
    return pairs
