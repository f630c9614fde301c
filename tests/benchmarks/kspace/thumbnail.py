"""What a person would write for a thumbnail: `python -m tests.benchmarks.kspace.thumbnail by_sigpy FILE PNG`."""

import importlib
import sys
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

LONGEST = 160


def main(way: str, file: str, target: str) -> None:
    path = Path(file)
    with h5py.File(path) as opened:
        middle = len(opened["kspace"]) // 2
    picture = importlib.import_module(f"tests.benchmarks.kspace.{way}").picture(path, middle)
    grey = np.clip(picture / np.percentile(picture, 99.5), 0, 1) * 255
    image = Image.fromarray(grey.round().astype(np.uint8))
    image.thumbnail((LONGEST, LONGEST))
    image.save(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
