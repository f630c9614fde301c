"""Grey pictures as files. The same picture gives the same bytes each time."""

import io
import struct
import zlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

CARD = 320
THUMBNAIL = 160
LONGEST = 2048
"""Longest side of any picture, in pixels: WebP ends at 16,383, and a page has no use for more than this."""
LOBES = 3
PNG_UP = 2


class Encoded(NamedTuple):
    content: bytes
    width: int
    height: int


def encode(grey: Grey, form: str, longest: int = LONGEST) -> Encoded:
    """Grey (y, x) → a file's bytes. Made smaller so that no side is longer than that, never larger.

    `form`: png or webp. KeyError for another."""
    small = shrink(grey, longest)
    height, width = small.shape
    return Encoded({"png": _png, "webp": _webp}[form](small), width, height)


def shrink(grey: Grey, longest: int) -> Grey:
    """The picture in its proportions, with Lanczos's filter; itself where it is small enough."""
    if max(grey.shape) <= longest:
        return grey
    height, width = (max(1, round(side * longest / max(grey.shape))) for side in grey.shape)
    values = _resample(grey.astype(np.float32), height)
    return np.rint(np.clip(_resample(values.T, width).T, 0, 255)).astype(np.uint8)


def _resample(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Fewer rows. Far too many are first averaged in groups, so that the table of weights stays small."""
    together = len(values) // (2 * count)
    if together > 1:
        kept = len(values) // together * together
        values = values[:kept].reshape(-1, together, values.shape[1]).mean(axis=1)
    return _weights(len(values), count) @ values


# The two sides of a square picture, and all pictures of a volume, have the same.
@lru_cache(maxsize=4)
def _weights(length: int, count: int) -> NDArray[np.float32]:
    """(count, length): what each row of the larger picture adds to each of the smaller one."""
    distances = (np.arange(length) + 0.5) * (count / length) - np.arange(count)[:, None] - 0.5
    weights = np.sinc(distances) * np.sinc(distances / LOBES) * (np.abs(distances) < LOBES)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _png(grey: Grey) -> bytes:
    """8 bits of grey, each row as its difference from the one above.

    Written here because Pillow takes as long to import as a slice to reconstruct. Noise has no repetitions to search
    for: run lengths and Huffman's code make as small a file as the search does, in a third of the time."""
    height, width = grey.shape
    rows = np.empty((height, 1 + width), np.uint8)
    rows[:, 0] = PNG_UP
    rows[0, 1:] = grey[0]
    np.subtract(grey[1:], grey[:-1], out=rows[1:, 1:])
    packer = zlib.compressobj(strategy=zlib.Z_RLE)
    pixels = packer.compress(rows.tobytes()) + packer.flush()
    facts = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", facts), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _webp(grey: Grey) -> bytes:
    from PIL import Image  # noqa: PLC0415 - see _png

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey)).save(buffer, "WEBP", quality=90, method=2)
    return buffer.getvalue()
