"""Foreign names, texts and sizes, made fit for a sentence."""

from collections.abc import Sequence

from datasets.kspace.errors import UnsupportedLayoutError

LONGEST_NAME = 80


def decoded(value: bytes | str, what: str) -> str:
    try:
        return value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError as error:
        raise UnsupportedLayoutError(f"{what} is not a text in UTF-8.") from error


def shown(key: bytes) -> str:
    """A foreign name for a sentence: short, and without what would not print."""
    text = key.decode("utf-8", "replace")[:LONGEST_NAME]
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def shape_text(shape: Sequence[int]) -> str:
    return " × ".join(f"{length:,}" for length in shape) or "of a single number"


def amount(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.0f} PB"
