"""Words inside a paragraph: which stayed, which came, which went."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from accounts.services.differences.alignment import Effort, align

SAME, ADDED, REMOVED = "same", "added", "removed"
# Each with the blanks before it: a mark, a character of a script that puts no blanks between words, or a word.
PART = re.compile(r"""\s*(?:[.,;:!?()\[\]{}"'“”‘’«»…/–—]|[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|"""
                  r"""[^\s.,;:!?()\[\]{}"'“”‘’«»…/–—\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+)""")  # fmt: skip
# Below this share of common words two paragraphs are two, not one that changed; unless nearly all of the shorter one
# stands in the longer.
ALIKE, WITHIN = 0.5, 0.9
# So few words that stayed between others that did not only make a sentence harder to read.
ISLAND = 2


@dataclass(frozen=True)
class Run:
    """Words in a row of which the same is true."""

    state: str
    text: str

    @property
    def lead(self) -> str:
        """The blanks before the first word, which are not marked."""
        return self.text[: len(self.text) - len(self.text.lstrip())]

    @property
    def body(self) -> str:
        return self.text.lstrip()


def counted(cells: Iterable[str]) -> Counter[str]:
    """How often each word stands there; marks say little about what a text is about."""
    return Counter(word for cell in cells for part in PART.findall(cell) if (word := part.strip())[:1].isalnum())


def likeness(one: Counter[str], other: Counter[str], effort: Effort) -> float:
    """The share of words that two texts have in common; 0 when they are not alike, or the effort is spent."""
    few, many = sorted((one, other), key=len)
    smaller, both = min(one.total(), other.total()), one.total() + other.total()
    if not smaller or not effort.allows(len(few)):
        return 0.0
    common = sum(min(count, many[word]) for word, count in few.items())
    share, within = 2 * common / both, common / smaller
    return share if share >= ALIKE else within * ALIKE if within >= WITHIN else 0.0


def compare_words(old: str, new: str, effort: Effort) -> tuple[Run, ...]:
    before, after = PART.findall(old), PART.findall(new)
    keys = [part.strip() for part in before], [part.strip() for part in after]
    pairs = _without_islands(align(*keys, effort), len(before), len(after))
    runs: list[tuple[str, str]] = []
    here = there = 0
    for old_place, new_place in [*pairs, (len(before), len(after))]:
        runs += [(REMOVED, part) for part in before[here:old_place]]
        runs += [(ADDED, part) for part in after[there:new_place]]
        runs += [(SAME, part) for part in after[new_place : new_place + 1]]
        here, there = old_place + 1, new_place + 1
    return tuple(_joined(runs))


def _without_islands(pairs: list[tuple[int, int]], old_end: int, new_end: int) -> list[tuple[int, int]]:
    """Pairs without the short runs that stand between two longer changes."""
    groups: list[list[tuple[int, int]]] = []
    for pair in pairs:
        if groups and pair == (groups[-1][-1][0] + 1, groups[-1][-1][1] + 1):
            groups[-1].append(pair)
        else:
            groups.append([pair])
    kept: list[tuple[int, int]] = []
    for number, group in enumerate(groups):
        before = groups[number - 1][-1] if number else (-1, -1)
        after = groups[number + 1][0] if number + 1 < len(groups) else (old_end, new_end)
        lost = min(_gap(before, group[0]), _gap(group[-1], after))
        if len(group) > ISLAND or lost <= 2 * ISLAND:
            kept += group
    return kept


def _gap(before: tuple[int, int], after: tuple[int, int]) -> int:
    return after[0] - before[0] + after[1] - before[1] - 2


def _joined(parts: Iterable[tuple[str, str]]) -> list[Run]:
    runs: list[tuple[str, list[str]]] = []
    for state, part in parts:
        if not runs or runs[-1][0] != state:
            runs.append((state, []))
        runs[-1][1].append(part)
    return [Run(state, "".join(part)) for state, part in runs]
