"""What a volume's page shows: its pictures slice by slice, or why there are none; its scores and facts."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from django.urls import reverse

from accounts.models.work import MAX_DEATHS
from datasets.kspace.report import Kind, Layout, PictureReport, Report, Scores
from datasets.models import Preview, Volume
from datasets.views.acquisition import STORED, Fact, Line, opening, scan_facts, timing_facts
from datasets.views.combs import Bars, Comb

OUR_FAULT = "This site failed at it several times. Nothing is known to be wrong with the file"


class Sight(StrEnum):
    """What there is to see, in one word."""

    SHOWN = "shown"
    CLOSED = "closed"
    """There are pictures, for others than this visitor."""
    WITHDRAWN = "withdrawn"
    WAITING = "waiting"
    FAILED = "failed"
    OUTDATED = "outdated"
    """They were made by another version of the site, and it is not known any more which they are."""
    NONE = "none"
    """Nobody has asked for pictures."""


class Plate(NamedTuple):
    """A picture on its black plate. Without an address its sampling pattern is drawn instead."""

    letter: str
    name: str
    address: str
    width: int
    height: int
    alt: str
    caption: str
    comb: Comb | None
    is_pixelated: bool = False


class Tick(NamedTuple):
    number: int
    """counted from 1, as people do"""
    is_current: bool


class Score(NamedTuple):
    name: str
    scores: Scores


@dataclass
class VolumeContents:
    volume: Volume
    may_see: bool
    wished: str = ""
    """the slice that was asked for, counted from 1; anything else is the one to show first"""

    @cached_property
    def preview(self) -> Preview | None:
        return getattr(self.volume, "preview", None)

    @cached_property
    def report(self) -> Report | None:
        return self.preview.read_report() if self.preview else None

    @cached_property
    def sight(self) -> Sight:
        if self.volume.archive.release.is_withdrawn:
            return Sight.WITHDRAWN
        if self.report:
            return Sight.SHOWN if self.may_see else Sight.CLOSED
        if self.preview is None:
            return Sight.NONE
        state = Preview.State
        return {state.FAILED: Sight.FAILED, state.DONE: Sight.OUTDATED}.get(state(self.preview.state), Sight.WAITING)

    @property
    def reason(self) -> str:
        """Why there is no picture, for everybody: what is wrong with the file. Where objects lie, and what went wrong
        with ourselves, is for the maintainers, who see the whole reason on the preview's page of the admin."""
        if self.preview is None:
            return ""
        if self.preview.deaths >= MAX_DEATHS:
            return OUR_FAULT
        archive = self.volume.archive
        return self.preview.reason.replace(archive.key, archive.name)

    @property
    def name(self) -> str:
        """The member's file name, without its folders."""
        return self.volume.path.rpartition("/")[2] or self.volume.path

    # Slices ------------------------------------------------------------------------------------------------

    @cached_property
    def rendered(self) -> list[int]:
        return sorted(row.number for row in self.report.slices) if self.report else []

    @cached_property
    def slice(self) -> int:
        """From 0: the one that was asked for, if it has pictures."""
        wished = self.wished if self.wished.isascii() and self.wished.isdecimal() and len(self.wished) < 7 else ""
        if wished and int(wished) - 1 in self.rendered:
            return int(wished) - 1
        return self.report.slice if self.report else 0

    @property
    def number(self) -> int:
        return self.slice + 1

    @property
    def ticks(self) -> list[Tick]:
        return [Tick(number + 1, number == self.slice) for number in self.rendered]

    @property
    def previous(self) -> int | None:
        return max((number + 1 for number in self.rendered if number < self.slice), default=None)

    @property
    def next(self) -> int | None:
        return min((number + 1 for number in self.rendered if number > self.slice), default=None)

    # Pictures ----------------------------------------------------------------------------------------------

    def _full(self, kind: Kind) -> PictureReport | None:
        pictures = self.report.pictures if self.report else ()
        return next((row for row in pictures if (row.kind, row.slice, row.size) == (kind, self.slice, "full")), None)

    def _address(self, picture: PictureReport) -> str:
        """Empty for whom the picture is not for."""
        if self.sight is not Sight.SHOWN or self.preview is None:
            return ""
        return reverse("preview_image", args=[self.volume.pk, self.preview.folder, picture.name])

    @cached_property
    def plates(self) -> list[Plate]:
        """In the order in which they stand side by side: k-space, full, undersampled; those that there are."""
        report = self.report
        if report is None or self.sight not in (Sight.SHOWN, Sight.CLOSED):
            return []
        made = [(kind, self._full(kind)) for kind in (Kind.KSPACE, Kind.RECONSTRUCTION, Kind.UNDERSAMPLED)]
        there = [(kind, picture) for kind, picture in made if picture]
        return [self._plate(report, kind, picture, "abc"[place]) for place, (kind, picture) in enumerate(there)]

    def _plate(self, report: Report, kind: Kind, picture: PictureReport, letter: str) -> Plate:
        facts, number = report.facts, self.number
        comb = None if facts.layout in STORED else Comb.of(facts.measured, facts.phase)
        if kind is Kind.KSPACE:
            name, alt = "k-space", f"Magnitude of k-space of slice {number}, logarithmic"
            caption = "Log magnitude" if facts.coils == 1 or facts.layout in STORED else "Log magnitude, coils combined"
        elif kind is Kind.RECONSTRUCTION:
            name, alt, caption = self._full_words(report)
        else:
            comb = Comb.of(report.columns, facts.phase)
            name, alt = f"{report.acceleration}×", f"Slice {number}, reconstructed from a part of the columns"
            caption = "Zero-filled"
        if comb:
            whole = f", the central {report.centre} whole" if kind is Kind.UNDERSAMPLED and report.centre else ""
            caption = f"{caption}; {comb.words}{whole}"
        address = self._address(picture)
        return Plate(
            letter, name, address, picture.width, picture.height, alt, caption, comb, is_pixelated=kind is Kind.KSPACE
        )

    def _full_words(self, report: Report) -> tuple[str, str, str]:
        """Name, alternative text and caption of the picture that all else is held against."""
        facts = report.facts
        if facts.layout in STORED:
            return "stored", f"The reconstruction of slice {self.number} that the file holds", "As the file holds it"
        if facts.layout is Layout.SINGLE_COIL or facts.coils == 1:
            caption = "Magnitude of the single coil"
        else:
            caption = f"Root sum of squares of {facts.coils} coils" if facts.coils else "Root sum of squares"
        if facts.measured is not None and len(facts.measured) != facts.phase:
            return "as measured", f"Slice {self.number}, reconstructed from the columns that were measured", caption
        return "full", f"Slice {self.number}, fully sampled reconstruction", caption

    stops = range(0, 101, 10)

    @property
    def letters(self) -> str:
        """Slice 8: k-space, fully sampled, four times undersampled."""
        words = {"full": "fully sampled", "stored": "stored reconstruction"}
        if self.report:
            words[f"{self.report.acceleration}×"] = f"{self.report.acceleration} times undersampled"
        return f"Slice {self.number}: {', '.join(words.get(plate.name, plate.name) for plate in self.plates)}"

    @property
    def patterns(self) -> list[Plate]:
        """What is drawn where the pictures are not for this visitor: each way of sampling once."""
        return [plate for plate in self.plates if plate.comb and plate.name != "k-space"]

    @cached_property
    def pair(self) -> tuple[Plate, Plate] | None:
        """The full and the undersampled picture, where both may be seen."""
        shown = {plate.name: plate for plate in self.plates if plate.address}
        full, under = shown.get("full"), shown.get(f"{self.report.acceleration}×") if self.report else None
        return (full, under) if full and under else None

    @cached_property
    def difference(self) -> Plate | None:
        picture = self._full(Kind.DIFFERENCE)
        if picture is None or self.pair is None:
            return None
        full, under = self.pair
        name = f"|{full.letter} − {under.letter}|"
        alt = f"Difference between the full and the undersampled picture of slice {self.number}"
        return Plate("", name, self._address(picture), picture.width, picture.height, alt, "", None)

    @property
    def reconstruction(self) -> Plate | None:
        return next((plate for plate in self.plates if plate.name in ("full", "stored", "as measured")), None)

    # Numbers -----------------------------------------------------------------------------------------------

    @cached_property
    def scores(self) -> list[Score]:
        report = self.report
        if report is None or self.sight is Sight.WITHDRAWN:
            return []
        of_slice = next((row.scores for row in report.slices if row.number == self.slice), None)
        named = ((f"slice {self.number}", of_slice), (self.together, report.volume))
        return [Score(f"{report.acceleration}×, {name}", scores) for name, scores in named if scores]

    @property
    def together(self) -> str:
        """Of which slices the volume's scores are: of a large volume some are shown, and the others not looked at."""
        report = self.report
        return f"{len(report.slices)} slices" if report and len(report.slices) < report.facts.slices else "all slices"

    @cached_property
    def slice_scores(self) -> list[tuple[int, Scores]]:
        """By slice, counted from 1; empty where there is nothing to follow from slice to slice."""
        rows = [(row.number + 1, row.scores) for row in (self.report.slices if self.report else ()) if row.scores]
        return rows if len(rows) > 1 and self.scores else []

    @cached_property
    def bars(self) -> Bars | None:
        values = {number - 1: scores.ssim for number, scores in self.slice_scores if scores.ssim is not None}
        return Bars(values, self.slice) if len(values) > 1 else None

    @property
    def scan_facts(self) -> list[Fact]:
        return scan_facts(self.volume, self.report.facts if self.report else None)

    @property
    def timing_facts(self) -> list[Fact]:
        return timing_facts(self.report.facts if self.report else None)

    @property
    def opening(self) -> list[Line]:
        layout = self.report.facts.layout if self.report else Layout.MULTI_COIL
        return opening(self.volume.path, layout, self.slice) if self.report else []
