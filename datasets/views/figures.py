"""The site's own pictures, and the numbers of their captions, as the sample's generator wrote them down."""

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

from django.contrib.staticfiles import finders
from django.templatetags.static import static


class Picture(NamedTuple):
    address: str
    width: int
    height: int


class Figures:
    """One slice as k-space, fully sampled and undersampled, and as each coil heard it."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.pictures = {name: self._picture(name, size) for name, size in facts["pictures"].items()}

    @staticmethod
    def _picture(name: str, size: dict[str, int]) -> Picture:
        return Picture(static(f"img/{name}.webp"), size["width"], size["height"])

    @property
    def triptych(self) -> dict[str, Picture]:
        return {name: self.pictures[name] for name in ("kspace", "full", "undersampled")}

    @property
    def coils(self) -> list[Picture]:
        return [self.pictures[f"coil-{number}"] for number in range(1, self.facts["coils"] + 1)]

    @property
    def kept(self) -> str:
        """The columns that undersampling keeps, as path data: each column is one wide and four high."""
        columns = (column for column, digit in enumerate(self.facts["mask"]) if digit == "1")
        return "".join(f"M{column}.2 0h.6v4h-.6z" for column in columns)

    @property
    def centre_percent(self) -> str:
        return f"{100 * self.facts['centre_share']:.0f}"


@functools.cache
def figures() -> Figures | None:
    """None where the pictures have not been made."""
    path = finders.find("img/figures.json")
    return Figures(json.loads(Path(path).read_text())) if path else None


def picture_of(slug: str) -> Picture | None:
    """A dataset's picture: the one that has its name."""
    found = figures()
    return found.pictures.get(slug) if found else None
