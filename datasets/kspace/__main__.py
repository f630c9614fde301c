"""Pictures of a volume without the site: `python -m datasets.kspace FILE --out DIR`."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from datasets.kspace.errors import KSpaceError
from datasets.kspace.sandbox import Sandbox, SandboxError

LARGEST_ACCELERATION = 32
EPILOG = (
    "Into DIR go kspace.png, reconstruction.png, undersampled.png, difference.png, thumbnail.png and preview.json; no "
    "undersampled picture of a file that was itself measured in part. The file is read in a process of its own, with "
    "limits of memory and time. Exit code 1: the file cannot be shown, and a sentence says why. 2: wrong usage."
)


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="python -m datasets.kspace", description=__doc__, epilog=EPILOG)
    parser.add_argument("file", type=Path, metavar="FILE", help="an HDF5 volume: fastMRI's layouts, or ISMRMRD")
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        with Sandbox() as sandbox:
            sandbox.start()
            # Imported while the child imports numpy and h5py.
            from datasets.kspace.folders import write_preview  # noqa: PLC0415
            from datasets.kspace.report import Wish  # noqa: PLC0415

            wish = Wish(slices=options.slice, acceleration=options.acceleration, format="png")
            write_preview(sandbox.render(options.file, wish), options.out)
    except (KSpaceError, SandboxError) as error:
        sys.stderr.write(f"{options.file}: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename or options.file}: {error.strerror or error}\n")
        return 1
    return 0


def add_options(parser: ArgumentParser) -> None:
    """What this and the command of the site have in common."""
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="where to write; made if missing")
    parser.add_argument(
        "--slice", type=whole, metavar="N", help="which slice, counted from 0 (default: the middle one)"
    )
    parser.add_argument(
        "--acceleration",
        type=acceleration,
        default=4,
        metavar="R",
        help="the undersampled picture is made of every R-th column and the middle ones (default: 4)",
    )


def whole(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text} is no number of a slice: they are 0, 1, 2 …")
    return int(text)


def acceleration(text: str) -> int:
    if not (text.isdecimal() and 2 <= int(text) <= LARGEST_ACCELERATION):
        raise ArgumentTypeError(f"{text} is no acceleration: it is a whole number from 2 to {LARGEST_ACCELERATION}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
