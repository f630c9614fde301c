"""What a maintainer ticked and corrected in the list of an import."""

from collections.abc import Iterable
from typing import NamedTuple

from django.http import QueryDict

from datasets.models import Archive
from datasets.services.releases.proposals import Proposed

LONGEST_COILS = Archive._meta.get_field("coils").max_length or 0


class Choice(NamedTuple):
    """One object of the list, with the words that its archive gets."""

    row: Proposed
    is_taken: bool
    error: str = ""
    """What cannot be kept, as a sentence."""


def choices_of(rows: Iterable[Proposed], sent: QueryDict | None) -> list[Choice]:
    """As they are sent; as they are guessed where nothing was sent. By key, so that a list that has changed meanwhile
    loses nothing of what was written."""
    if sent is None:
        return [Choice(row, row.is_usable) for row in rows]
    taken = set(sent.getlist("take"))
    return [_choice(row, row.key in taken, sent) for row in rows]


def _choice(row: Proposed, is_taken: bool, sent: QueryDict) -> Choice:
    split = sent.get(f"split:{row.key}", row.split)
    coils = " ".join(sent.get(f"coils:{row.key}", row.coils).split())
    told = row._replace(split=split, coils=coils)
    if split not in Archive.Split.values:
        return Choice(
            told._replace(split=row.split), is_taken, f"{row.name}: this is no split. Choose one of the list."
        )
    if len(coils) > LONGEST_COILS or not coils.isprintable():
        return Choice(told, is_taken, f"{row.name}: write the coils in {LONGEST_COILS} characters, such as 4 to 20.")
    return Choice(told, is_taken)
