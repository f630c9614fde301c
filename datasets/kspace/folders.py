"""What the commands leave behind: PNG files and preview.json in a folder, whole or not at all."""

import json
from pathlib import Path
from typing import Any

from datasets.kspace.report import Kind, PictureReport, Rendering

REPORT = "preview.json"
THUMBNAIL = "thumbnail"
NAMES = (*Kind, THUMBNAIL)


def write_preview(rendering: Rendering, directory: Path, extra: dict[str, Any] | None = None) -> None:
    """kspace.png, reconstruction.png, undersampled.png, difference.png and thumbnail.png, as far as there are such, and
    preview.json, `extra` added to it.

    All are written under temporary names first. Files that an earlier preview left here are replaced, or removed where
    this one has no such picture."""
    directory.mkdir(parents=True, exist_ok=True)
    report = rendering.report
    contents = {
        f"{_name(picture)}.png": rendering.contents[picture.name]
        for picture in report.pictures
        if picture.slice == report.slice and picture.size != "card"
    }
    contents[REPORT] = (json.dumps(summary(rendering) | (extra or {}), indent=2) + "\n").encode()
    unfinished = {directory / f".{name}.part": directory / name for name in contents}
    try:
        for path, target in unfinished.items():
            path.write_bytes(contents[target.name])
        for path, target in unfinished.items():
            path.replace(target)
    finally:
        for path in unfinished:
            path.unlink(missing_ok=True)
    for name in NAMES:
        if f"{name}.png" not in contents:
            (directory / f"{name}.png").unlink(missing_ok=True)


def _name(picture: PictureReport) -> str:
    return THUMBNAIL if picture.size == THUMBNAIL else picture.kind


def summary(rendering: Rendering) -> dict[str, Any]:
    """The report in short. What is not known or not defined is null."""
    report = rendering.report
    scores = next((row.scores for row in report.slices if row.number == report.slice), None)
    return {
        "shape": report.facts.shape,
        "layout": report.facts.layout,
        "acquisition": report.facts.acquisition,
        "slice": report.slice,
        "slices": report.facts.slices,
        "coils": report.facts.coils,
        "acceleration": report.acceleration if report.columns else None,
        "columns": len(report.columns) if report.columns else None,
        "nmse": scores.nmse if scores else None,
        "psnr": scores.psnr if scores else None,
        "ssim": scores.ssim if scores else None,
        "bytes_read": report.bytes_read,
        "seconds": report.seconds,
        "notes": report.notes,
    }
