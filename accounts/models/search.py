"""Finding rows by the beginnings of words, through one GIN index a table, whatever the number of rows."""

import re
import unicodedata

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import Func

WORD = re.compile(r"[^\W_]+")
# More words only make a search slower; PostgreSQL refuses a word of more than 2,046 bytes.
MAX_WORDS, MAX_LENGTH = 8, 100
# Addresses and paths are taken apart at these, so that "kruger example" finds ines.kruger@example.org.
SEPARATORS = "@._-+/<>&:"


def _plain_letters() -> dict[str, str]:
    """Latin letters with marks, and the letter that they are without: "Zurich" finds Zürich."""
    plain = {"ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ł": "l", "Ł": "L", "ı": "i", "ħ": "h", "Ħ": "H"}
    for code in range(0xC0, 0x180):
        base = unicodedata.normalize("NFD", chr(code))[0]
        if base != chr(code):
            plain[chr(code)] = base
    return plain


PLAIN = _plain_letters()
_MARKS_AWAY = str.maketrans("".join(PLAIN), "".join(PLAIN.values()))
_FROM = "".join(PLAIN) + SEPARATORS
_TO = "".join(PLAIN.values()) + " " * len(SEPARATORS)


class WordVector(Func):
    """The words of some columns, for a generated column: PostgreSQL would else take the text apart for every row
    that a search looks at.

    What it computes is kept in rows: change it only together with a migration that makes the column anew.
    """

    template = f"to_tsvector('simple'::regconfig, translate(%(expressions)s, '{_FROM}', '{_TO}'))"
    arg_joiner = " || ' ' || "
    output_field = SearchVectorField()


def word_query(text: str) -> SearchQuery | None:
    """What finds rows in which every word of the text begins a word; None when the text has no word."""
    words = WORD.findall(unicodedata.normalize("NFC", text).translate(_MARKS_AWAY))[:MAX_WORDS]
    if not words:
        return None
    return SearchQuery(" & ".join(f"{word[:MAX_LENGTH]}:*" for word in words), config="simple", search_type="raw")
