"""One volume, from its file to its pictures: what the child process does for the site and for the commands."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import BinaryIO

from datasets.kspace import metrics
from datasets.kspace.display import Field, Window, find_window, show_difference, show_picture
from datasets.kspace.images import CARD, THUMBNAIL, Encoded, Grey, encode
from datasets.kspace.reader import open_volume
from datasets.kspace.report import Kind, PictureReport, Rendering, Report, Scores, SliceReport, Wish
from datasets.kspace.slices import THREADS, Slices, read_slices


def render(file: Path | BinaryIO, wish: Wish) -> Rendering:
    """The pictures and the report of a volume, of which each slice is read once.

    Raises a KSpaceError for what cannot be read, BadValuesError naming the slice whose numbers are not finite: one such
    slice fails the volume, as a release that has it is broken. Slices that are all zero are black, with a note."""
    begun = time.monotonic()
    with open_volume(file) as volume:
        slices = read_slices(volume, wish)
        facts, bytes_read = volume.facts, volume.bytes_read
    rows, together = score(slices)
    kept = slices.undersampling
    shown = list(show(slices, wish.format))
    report = Report(
        facts=facts,
        slice=slices.numbers[len(slices.numbers) // 2],
        slices=rows,
        volume=together,
        acceleration=wish.acceleration,
        columns=tuple(int(column) for column in kept.columns.nonzero()[0]) if kept else None,
        centre=kept.centre if kept else None,
        pictures=tuple(picture for picture, _ in shown),
        bytes_read=bytes_read,
        seconds=round(time.monotonic() - begun, 4),
        notes=tuple(slices.notes),
    )
    return Rendering(report, {picture.name: content for picture, content in shown})


def score(slices: Slices) -> tuple[tuple[SliceReport, ...], Scores | None]:
    """Each slice, and all of them together where there are several, against the largest value of those that were read:
    the volume's, or the one slice's own."""
    if slices.undersampled is None:
        return tuple(SliceReport(number) for number in slices.numbers), None
    largest, undersampled = float(slices.full.max()), slices.undersampled

    def compare_slice(row: int) -> Scores:
        return compare(slices.full[row : row + 1], undersampled[row : row + 1], largest)

    with ThreadPoolExecutor(THREADS) as threads:
        each = list(threads.map(compare_slice, range(len(slices.numbers))))
    rows = tuple(SliceReport(number, scores) for number, scores in zip(slices.numbers, each, strict=True))
    if len(each) < 2:
        return rows, None
    # Similarity is a mean over slices by definition, and costs more than all else: it is not computed again.
    known = [scores.ssim for scores in each if scores.ssim is not None]
    return rows, compare(slices.full, slices.undersampled, largest, sum(known) / len(known) if known else None)


def compare(truth: Field, picture: Field, largest: float, ssim: float | None = None) -> Scores:
    """Scores of (slice, y, x) pictures; None for those that an empty, a perfect or a tiny picture has not."""
    if ssim is None:
        ssim = metrics.ssim(truth, picture, data_range=largest)
    psnr = metrics.psnr(truth, picture, data_range=largest)
    # JSON has no infinity, which is what identical pictures have.
    return Scores(metrics.nmse(truth, picture), None if psnr is None or math.isinf(psnr) else psnr, ssim)


def show(slices: Slices, form: str) -> Iterator[tuple[PictureReport, bytes]]:
    """Each picture with its bytes: of every slice in full size, of the middle one also as a card and a thumbnail.

    All are in the volume's window, so that slices may be compared and do not flicker when one leafs through them.
    Packing takes half as long as all that came before, so several threads share it."""
    window = find_window(slices.full)
    kinds = [Kind.RECONSTRUCTION, *([] if slices.undersampled is None else [Kind.UNDERSAMPLED, Kind.DIFFERENCE])]
    rows = range(len(slices.numbers))

    def pack(piece: tuple[int, Kind]) -> Encoded:
        return encode(grey_of(slices, *piece, window=window), form)

    with ThreadPoolExecutor(THREADS) as threads:
        packed = threads.map(pack, product(rows, kinds))
        for row, number in enumerate(slices.numbers):
            if slices.kspace:
                yield described(Kind.KSPACE, number, "full", slices.kspace[row], f"{number:03}-kspace.{form}")
            for kind in kinds:
                yield described(kind, number, "full", next(packed), f"{number:03}-{kind}.{form}")
    middle = len(slices.numbers) // 2
    grey = show_picture(slices.full[middle], window)
    for size, longest in (("card", CARD), ("thumbnail", THUMBNAIL)):
        picture = encode(grey, form, longest)
        yield described(Kind.RECONSTRUCTION, slices.numbers[middle], size, picture, f"{size}.{form}")


def grey_of(slices: Slices, row: int, kind: Kind, window: Window) -> Grey:
    """One picture of a slice, (y, x), in the volume's window."""
    full, undersampled = slices.full[row], slices.undersampled
    if kind is Kind.RECONSTRUCTION or undersampled is None:
        return show_picture(full, window)
    if kind is Kind.UNDERSAMPLED:
        return show_picture(undersampled[row], window)
    return show_difference(full, undersampled[row], window)


def described(kind: Kind, number: int, size: str, picture: Encoded, name: str) -> tuple[PictureReport, bytes]:
    return PictureReport(kind, number, size, picture.width, picture.height, name), picture.content
