"""Foreign names, texts and sizes, made fit for a sentence."""

from collections.abc import Sequence

from datasets.kspace.errors import UnsupportedLayoutError

LONGEST_NAME = 80
NAMED = 10


def decoded(value: bytes | str, what: str) -> str:
    try:
        return value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError as error:
        raise UnsupportedLayoutError(f"{what} is not a text in UTF-8.") from error


def shown(key: bytes) -> str:
    """A foreign name for a sentence: short, and without what would not print."""
    text = key.decode("utf-8", "replace")[:LONGEST_NAME]
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def one_line(text: str) -> str:
    """A foreign text without what does not print, and on one line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def slice_text(*numbers: int) -> str:
    """Of many slices a person reads the first. Pages count from 1, and files, commands and Python from 0: so whoever
    reads a sentence is told which of these it is."""
    first = ", ".join(map(str, numbers[:NAMED]))
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"slice{'s' * (len(numbers) != 1)} {first}{more} (counted from 0)"


def shape_text(shape: Sequence[int]) -> str:
    return " × ".join(f"{length:,}" for length in shape) or "of a single number"


def amount(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.0f} PB"
