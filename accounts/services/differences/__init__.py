"""What differs between two versions of an agreement, as people read it: by clause and paragraph, words inside them."""

from accounts.services.differences.alignment import Effort
from accounts.services.differences.clauses import ClauseChange, Difference, Unchanged, compare_texts, difference_between
from accounts.services.differences.reading import Block, Clause, clauses_of, in_words
from accounts.services.differences.words import Run, compare_words

__all__ = [
    "Block",
    "Clause",
    "ClauseChange",
    "Difference",
    "Effort",
    "Run",
    "Unchanged",
    "clauses_of",
    "compare_texts",
    "compare_words",
    "difference_between",
    "in_words",
]
