"""What both commands that render previews have in common. No numpy here: it would double their time to start."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from datasets.kspace.errors import KSpaceError
from datasets.kspace.folders import write_preview
from datasets.kspace.process import Child
from datasets.kspace.report import Wish
from datasets.kspace.sandbox import Sandbox, SandboxError

LARGEST_ACCELERATION = 32
WRITTEN = (
    "kspace.png, reconstruction.png, undersampled.png, difference.png, thumbnail.png and preview.json; no undersampled "
    "picture of a file that was itself measured in part"
)
APART = "Files are read in a process of its own, with limits of memory and time."
EXIT_CODES = "Exit code 1: a file cannot be shown, and a sentence says why. Exit code 2: wrong usage."


def run(arguments: list[str] | None = None, *, child: Child | None = None) -> int:
    """`python -m datasets.kspace`, with a child that was started for it already, if any; its exit code."""
    with Sandbox(child=child) as sandbox:
        options = make_parser().parse_args(arguments)
        wish = Wish(slices=options.slice, acceleration=options.acceleration, format="png")
        try:
            write_preview(sandbox.render(options.file, wish), options.out)
        except (KSpaceError, SandboxError, OSError) as error:
            sys.stderr.write(f"{explain(options.file, error)}\n")
            return 1
    return 0


def make_parser() -> ArgumentParser:
    """Of `python -m datasets.kspace`."""
    parser = ArgumentParser(
        prog="python -m datasets.kspace",
        description="Makes pictures of an HDF5 volume, without the site.",
        epilog=f"Into DIR go {WRITTEN}. {APART} {EXIT_CODES}",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a volume in a layout of fastMRI's, or ISMRMRD")
    add_options(parser)
    return parser


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="where to write; made if missing")
    parser.add_argument(
        "--slice", type=_slice, metavar="N", help="which slice, counted from 0 (default: the middle one)"
    )
    parser.add_argument(
        "--acceleration",
        type=_acceleration,
        default=4,
        metavar="R",
        help="the undersampled picture is made of every R-th column and the middle ones (default: 4)",
    )


def explain(source: Path | str, error: Exception) -> str:
    """What is wrong with the source, in a line; the system's own errors may be about another file, which is named."""
    if not (isinstance(error, OSError) and error.strerror):
        return f"{source}: {error}"
    elsewhere = error.filename is not None and str(error.filename) != str(source)
    return f"{source}: {error.strerror}{f' ({error.filename})' if elsewhere else ''}."


def _slice(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text} is no number of a slice: they are 0, 1, 2 …")
    return int(text)


def _acceleration(text: str) -> int:
    if not (text.isdecimal() and 2 <= int(text) <= LARGEST_ACCELERATION):
        raise ArgumentTypeError(f"{text} is no acceleration: it is a whole number from 2 to {LARGEST_ACCELERATION}")
    return int(text)
