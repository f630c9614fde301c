"""The sample data without the site: `python -m portal.sample --out DIR`, or its pictures: `--figures DIR`."""

import argparse
import json
import sys
import time
from pathlib import Path

from portal.sample import TemplateMissingError, generate
from portal.sample.figures import draw_figures


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m portal.sample", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the archives of both datasets below DIR")
    parser.add_argument(
        "--figures", type=Path, metavar="DIR", help="write the home page's pictures and figures.json into DIR"
    )
    options = parser.parse_args(arguments)
    if not (options.out or options.figures):
        parser.error("say what to make: --out DIR for the archives, --figures DIR for the pictures")
    try:
        if options.out:
            write_archives(options.out)
        if options.figures:
            facts = draw_figures(options.figures)
            print(json.dumps({key: facts[key] for key in ("columns_kept", "nmse", "psnr", "ssim")}))
    except (TemplateMissingError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def write_archives(directory: Path) -> None:
    begun = time.monotonic()
    datasets = generate(directory, print)
    total = sum(archive.size for dataset in datasets for archive in dataset.archives)
    print(f"{total / 1e6:.1f} MB in {directory}, made in {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
