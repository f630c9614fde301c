"""Two versions side by side: which clause became which, what moved, what is new, what is gone."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

from accounts.models import AgreementVersion
from accounts.services.differences.alignment import Effort, longest_rising
from accounts.services.differences.lines import CHANGED, Group, Line, grouped, lines_between, whole
from accounts.services.differences.reading import Block, Clause, clauses_of
from accounts.services.differences.words import ADDED, REMOVED, SAME, Run, compare_words, counted, likeness

# Shown of one difference; whoever changed more reads both texts.
LINES = 1_500
# Clauses under other titles are compared, each with each, up to here.
MANY = 10_000
# Named of a run of clauses that are as they were.
NAMES = 12
# A paragraph of fewer words may stand in two places by chance.
MOVED_WORDS = 5


@dataclass(frozen=True)
class Unchanged:
    """Clauses in a row that are as they were, by name."""

    names: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class ClauseChange:
    state: str
    clause: Clause
    title: tuple[Run, ...]
    groups: tuple[Group, ...]
    before: str = ""
    """Its number in the older version, where that was another."""
    is_moved: bool = False

    @property
    def is_whole(self) -> bool:
        return self.state in {ADDED, REMOVED}


@dataclass(frozen=True)
class Difference:
    sections: tuple[ClauseChange | Unchanged, ...]
    statements: tuple[Line, ...]
    """Those to tick that are new, gone or worded otherwise."""
    anchors: frozenset[str]
    """Of the clauses of the newer version that changed."""
    clauses: int
    """How many came, went, moved or changed."""
    added: int
    removed: int
    """Words."""
    left_out: int
    """Lines that are not shown because there are too many."""
    is_same_text: bool

    @property
    def is_empty(self) -> bool:
        return not self.clauses and not self.statements


def difference_between(older: AgreementVersion, newer: AgreementVersion) -> Difference:
    """As with rendering, the same texts give the same answer, which is kept."""
    return _kept(older.text, newer.text, tuple(older.statements), tuple(newer.statements))


@lru_cache(maxsize=32)
def _kept(old: str, new: str, before: tuple[str, ...], after: tuple[str, ...]) -> Difference:
    return compare_texts(old, new, before, after, Effort())


def compare_texts(old: str, new: str, before: Sequence[str], after: Sequence[str], effort: Effort) -> Difference:
    older, newer = clauses_of(old), clauses_of(new)
    pairs = _pairs(older, newer, effort)
    changes = _with_moved_lines(list(_in_order(older, newer, pairs, effort)))
    statements = lines_between([Block("item", (s,)) for s in before], [Block("item", (s,)) for s in after], effort)
    shown, left_out = _cut(changes)
    real = [change for change, _lines in changes if _is_shown(change)]
    count = Counter[str]()
    for _change, lines in changes:
        for run in (run for line in lines for cell in line.cells for run in cell if not line.elsewhere):
            count[run.state] += len(run.text.split())
    return Difference(
        sections=tuple(_sections(shown)),
        statements=tuple(line for line in statements if line.state != SAME),
        anchors=frozenset(change.clause.anchor for change in real if change.state != REMOVED),
        clauses=len(real),
        added=count[ADDED],
        removed=count[REMOVED],
        left_out=left_out,
        is_same_text=old == new,
    )


# Which clause became which ---------------------------------------------------------------------------------


def _pairs(older: Sequence[Clause], newer: Sequence[Clause], effort: Effort) -> dict[int, int]:
    """Places of clauses in the newer version, and in the older: by title and content, title, content, likeness."""
    pairs = {0: 0}
    ways: list[Callable[[Clause], object]] = [lambda c: (c.key, c.content), lambda c: c.key, lambda c: c.content]
    for same in ways:
        _pair_by(same, older, newer, pairs)
    return pairs | _alike(older, newer, pairs, effort)


def _pair_by(
    same: Callable[[Clause], object], older: Sequence[Clause], newer: Sequence[Clause], pairs: dict[int, int]
) -> None:
    taken = set(pairs.values())
    places: defaultdict[object, deque[int]] = defaultdict(deque)
    for was, clause in enumerate(older):
        if was not in taken:
            places[same(clause)].append(was)
    for place, clause in enumerate(newer):
        if place not in pairs and (found := places.get(same(clause))):
            pairs[place] = found.popleft()


def _alike(older: Sequence[Clause], newer: Sequence[Clause], pairs: dict[int, int], effort: Effort) -> dict[int, int]:
    """Clauses under another title whose words are mostly the same, the most alike first."""
    taken = set(pairs.values())
    if (len(older) - len(taken)) * (len(newer) - len(taken)) > MANY:
        return {}
    free_old = {was: counted(_words(clause)) for was, clause in enumerate(older) if was not in taken}
    free_new = {place: counted(_words(clause)) for place, clause in enumerate(newer) if place not in pairs}
    found = [
        (likeness(words, others, effort), place, was)
        for place, words in free_new.items()
        for was, others in free_old.items()
    ]
    alike: dict[int, int] = {}
    for share, place, was in sorted(found, key=lambda pair: (-pair[0], abs(pair[1] - pair[2]))):
        if share and place not in alike and was not in taken:
            alike[place] = was
            taken.add(was)
    return alike


def _words(clause: Clause) -> tuple[str, ...]:
    return (clause.title, *(cell for block in clause.blocks for cell in block.cells))


def _in_order(
    older: Sequence[Clause], newer: Sequence[Clause], pairs: dict[int, int], effort: Effort
) -> Iterator[tuple[ClauseChange, list[Line]]]:
    """As the newer version has them; what is gone stands where it stood."""
    matched = sorted(pairs)
    stayed = {matched[kept] for kept in longest_rising([pairs[place] for place in matched])}
    gone = sorted(set(range(len(older))) - set(pairs.values()))
    for place, clause in enumerate(newer):
        if place in stayed:
            while gone and gone[0] < pairs[place]:
                yield _whole(older[gone.pop(0)], REMOVED)
        if place in pairs:
            yield _changed(older[pairs[place]], clause, effort, is_moved=place not in stayed)
        else:
            yield _whole(clause, ADDED)
    yield from (_whole(older[place], REMOVED) for place in gone)


def _whole(clause: Clause, state: str) -> tuple[ClauseChange, list[Line]]:
    return ClauseChange(state, clause, (Run(state, clause.title),), ()), [
        whole(block, state) for block in clause.blocks
    ]


def _changed(old: Clause, new: Clause, effort: Effort, *, is_moved: bool) -> tuple[ClauseChange, list[Line]]:
    lines = lines_between(old.blocks, new.blocks, effort)
    is_same = old.key == new.key and all(line.state == SAME for line in lines)
    title = (Run(SAME, new.title),) if old.key == new.key else compare_words(old.title, new.title, effort)
    before = old.number if old.number != new.number else ""
    change = ClauseChange(SAME if is_same else CHANGED, new, title, (), before, is_moved)
    return change, [] if is_same else lines


# How it is shown ------------------------------------------------------------------------------------------


def _is_shown(change: ClauseChange) -> bool:
    return change.state != SAME or change.is_moved


def _with_moved_lines(changes: list[tuple[ClauseChange, list[Line]]]) -> list[tuple[ClauseChange, list[Line]]]:
    """What went here and came there is called moved, not removed and added."""
    places: dict[str, dict[tuple[str, ...], str]] = {ADDED: {}, REMOVED: {}}
    for change, lines in changes:
        for line in lines:
            if line.is_whole and sum(len(cell.split()) for cell in line.block.key) >= MOVED_WORDS:
                places[line.state].setdefault(line.block.key, change.clause.name)
    other = {ADDED: places[REMOVED], REMOVED: places[ADDED]}

    def told(line: Line) -> Line:
        elsewhere = other[line.state].get(line.block.key, "") if line.is_whole else ""
        return replace(line, elsewhere=elsewhere) if line.block.key in places.get(line.state, {}) else line

    return [(change, [told(line) for line in lines]) for change, lines in changes]


def _cut(changes: Sequence[tuple[ClauseChange, list[Line]]]) -> tuple[list[ClauseChange], int]:
    """With their lines in groups, as many as are shown, and how many lines are not."""
    room, left_out, shown = LINES, 0, []
    for change, lines in changes:
        if _is_shown(change) and room <= 0:
            left_out += 1 + len(lines)
            continue
        kept = lines[: max(room, 0)]
        left_out += len(lines) - len(kept)
        room -= len(kept) + _is_shown(change)
        shown.append(replace(change, groups=tuple(grouped(kept))))
    return shown, left_out


def _sections(changes: Sequence[ClauseChange]) -> Iterator[ClauseChange | Unchanged]:
    for shown, part in groupby(changes, key=_is_shown):
        if shown:
            yield from part
            continue
        names = [change.clause.name for change in part if change.clause.title or change.clause.blocks]
        if names:
            yield Unchanged(tuple(names[:NAMES]), max(0, len(names) - NAMES))
