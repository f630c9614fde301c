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

from datasets.kspace.fourier import centre_crop, fft2c, ifft2c
from datasets.kspace.masks import equispaced_mask
from datasets.kspace.metrics import nmse, psnr, ssim
from portal.sample.fields import Field
from portal.sample.head import CONTRASTS, Person
from portal.sample.nifti import load_template
from portal.sample.plan import Examination
from portal.sample.scanner import KSpace, Protocol, Scanner, combined_picture, ring
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
        return combined_picture(self.kspace, (ROWS, COLUMNS))

    @property
    def undersampled(self) -> Field:
        return combined_picture(np.where(self.mask, self.kspace, np.complex64(0)), (ROWS, COLUMNS))


def scan_slice() -> Slice:
    protocol = Protocol(ROWS, COLUMNS, COLUMNS, COILS, 238 / ROWS, 0.024)
    rng = np.random.default_rng(SEED)
    picture = Person(SEED, CONTRASTS["AXT1"]).draw(load_template(), protocol.grid(ROWS * protocol.pixel), HEIGHT)
    oversampled = Scanner(protocol, rng, ring(COILS, (140, 120), 0.2)).acquire(picture)
    kspace = fft2c(centre_crop(ifft2c(oversampled), (ROWS, COLUMNS)))
    mask = equispaced_mask("equispaced", COLUMNS, acceleration=ACCELERATION, centre_share=CENTRE_SHARE, offset=OFFSET)
    return Slice(kspace, mask)


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
    coils = np.abs(ifft2c(piece.kspace))
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
    pair = full[None], undersampled[None]
    return {
        "acquisition": "AXT1",
        "coils": COILS,
        "rows": ROWS,
        "columns": COLUMNS,
        "acceleration": ACCELERATION,
        "centre_share": CENTRE_SHARE,
        "columns_kept": int(piece.mask.sum()),
        "mask": "".join("1" if kept else "0" for kept in piece.mask),
        "nmse": rounded(nmse(*pair), 4),
        "psnr": rounded(psnr(*pair), 2),
        "ssim": rounded(ssim(*pair), 4),
        "source": TEMPLATE_NOTICE,
    }


def rounded(score: float | None, digits: int) -> float | None:
    return None if score is None else round(score, digits)


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
