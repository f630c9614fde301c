"""The pictures on the home page, and the numbers in their captions: `python -m portal.sample --figures static/img`.

One T1-weighted slice of a simulated head: its k-space, its reconstruction, and what a four times faster scan leaves;
the same slice as each coil heard it; and a thumbnail for each dataset. Rows are turned upright for the page.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from portal.sample.fields import Field
from portal.sample.head import CONTRASTS, Person
from portal.sample.nifti import load_template
from portal.sample.plan import Examination
from portal.sample.scanner import (
    KSpace,
    Protocol,
    Scanner,
    crop,
    equispaced_mask,
    ring,
    root_sum_of_squares,
    to_image,
    to_kspace,
)
from portal.sample.texts import TEMPLATE_NOTICE

ROWS, COLUMNS, COILS = 344, 270, 8
ACCELERATION, CENTRE_SHARE, OFFSET = 4, 0.08, 2
SEED, HEIGHT = 23, 6.0
ZOOM = 2
LARGEST = 60_000


@dataclass(frozen=True)
class Slice:
    """k-space (coil, y, x) of the slice without its readout oversampling, and the columns that a fast scan keeps."""

    kspace: KSpace
    mask: NDArray[np.bool_]

    @property
    def full(self) -> Field:
        return root_sum_of_squares(self.kspace, ROWS, COLUMNS)

    @property
    def undersampled(self) -> Field:
        return root_sum_of_squares(np.where(self.mask, self.kspace, np.complex64(0)), ROWS, COLUMNS)


def scan_slice() -> Slice:
    protocol = Protocol(ROWS, COLUMNS, COLUMNS, COILS, 238 / ROWS, 0.024)
    rng = np.random.default_rng(SEED)
    picture = Person(SEED, CONTRASTS["AXT1"]).draw(load_template(), protocol.grid(ROWS * protocol.pixel), HEIGHT)
    oversampled = Scanner(protocol, rng, ring(COILS, (140, 120), 0.2)).acquire(picture)
    kspace = to_kspace(crop(to_image(oversampled), ROWS, COLUMNS))
    return Slice(kspace, equispaced_mask(COLUMNS, ACCELERATION, CENTRE_SHARE, OFFSET))


def draw_figures(directory: Path) -> dict[str, object]:
    """Writes the pictures and figures.json into the directory; what the JSON says."""
    directory.mkdir(parents=True, exist_ok=True)
    piece = scan_slice()
    full, undersampled = piece.full, piece.undersampled
    white = float(np.percentile(full, 97.8))
    power = np.log(np.sqrt((np.abs(piece.kspace) ** 2).sum(axis=0)) + 1e-12)
    low, high = np.percentile(power, 0.5), power.max()
    pictures = {
        "kspace": enlarge((power - low) / (high - low), Image.Resampling.NEAREST),
        "full": enlarge(full / white, Image.Resampling.LANCZOS),
        "undersampled": enlarge(undersampled / white, Image.Resampling.LANCZOS),
    }
    coils = np.abs(to_image(piece.kspace))
    for number, coil in enumerate(coils, 1):
        pictures[f"coil-{number}"] = grey(coil / np.percentile(coils, 99.2)).resize(
            (180, 230), Image.Resampling.LANCZOS
        )
    pictures |= thumbnails()
    sizes = {}
    for name, picture in pictures.items():
        content = encode(picture)
        (directory / f"{name}.webp").write_bytes(content)
        sizes[name] = {"width": picture.width, "height": picture.height}
    facts = caption(piece, full, undersampled) | {"pictures": sizes}
    (directory / "figures.json").write_text(json.dumps(facts, indent=2) + "\n")
    return facts


def caption(piece: Slice, full: Field, undersampled: Field) -> dict[str, object]:
    return {
        "acquisition": "AXT1",
        "coils": COILS,
        "rows": ROWS,
        "columns": COLUMNS,
        "acceleration": ACCELERATION,
        "centre_share": CENTRE_SHARE,
        "columns_kept": int(piece.mask.sum()),
        "mask": "".join("1" if kept else "0" for kept in piece.mask),
        "nmse": round(nmse(full, undersampled), 4),
        "psnr": round(psnr(full, undersampled), 2),
        "ssim": round(ssim(full, undersampled), 4),
        "source": TEMPLATE_NOTICE,
    }


def thumbnails() -> dict[str, Image.Image]:
    """One section of each dataset, upright, 320 × 320."""
    made = {}
    for name, examination in (
        ("brain", Examination("thumbnail", "AXT2", 9, (8,))),
        ("knee", Examination("thumbnail", "CORPD_FBK", 2, (0,))),
        ("knee-fat-suppressed", Examination("thumbnail", "CORPDFS_FBK", 3, (2,))),
    ):
        picture = examination.scan(320).reconstruction()[0, ::-1]
        made[name] = grey(picture / np.percentile(picture, 99.6))
    return made


def grey(values: Field) -> Image.Image:
    """0 to 1 → an 8-bit picture; above 1 is white."""
    return Image.fromarray((np.clip(values, 0, 1) * 255).round().astype(np.uint8))


def enlarge(values: Field, how: Image.Resampling) -> Image.Image:
    return grey(values).resize((COLUMNS * ZOOM, ROWS * ZOOM), how)


def encode(picture: Image.Image, largest: int = LARGEST) -> bytes:
    """WebP, of the best quality that stays below so many bytes; of the least where none does."""
    for quality in range(88, 8, -4):
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, "WEBP", quality=quality, method=6)
        if buffer.tell() <= largest:
            break
    return buffer.getvalue()


def nmse(reference: Field, picture: Field) -> float:
    return float(((reference - picture) ** 2).sum() / (reference**2).sum())


def psnr(reference: Field, picture: Field) -> float:
    return float(10 * np.log10(reference.max() ** 2 / ((reference - picture) ** 2).mean()))


def ssim(reference: Field, picture: Field, window: int = 7) -> float:
    """Structural similarity of one slice: uniform windows, sample covariance, mean over windows that fit inside."""
    a, b = reference.astype(np.float64), picture.astype(np.float64)
    patches = [
        np.lib.stride_tricks.sliding_window_view(field, (window, window)) for field in (a, b, a * a, b * b, a * b)
    ]
    ma, mb, aa, bb, ab = (patch.mean(axis=(-2, -1)) for patch in patches)
    sample = window**2 / (window**2 - 1)
    va, vb, vab = (sample * each for each in (aa - ma * ma, bb - mb * mb, ab - ma * mb))
    c1, c2 = (0.01 * a.max()) ** 2, (0.03 * a.max()) ** 2
    likeness = (2 * ma * mb + c1) * (2 * vab + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(likeness.mean())
