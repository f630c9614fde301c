"""Pictures of a volume without the site: `python -m datasets.kspace FILE --out DIR`."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from datasets.kspace.commands import APART, EXIT_CODES, WRITTEN, add_options, explain
from datasets.kspace.errors import KSpaceError
from datasets.kspace.sandbox import Sandbox, SandboxError


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(
        prog="python -m datasets.kspace",
        description="Makes pictures of an HDF5 volume, without the site.",
        epilog=f"Into DIR go {WRITTEN}. {APART} {EXIT_CODES}",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a volume in one of fastMRI's layouts, or ISMRMRD")
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        with Sandbox() as sandbox:
            sandbox.start()
            # While the child imports numpy and h5py: this is half of what the parent needs to start.
            from datasets.kspace.folders import write_preview  # noqa: PLC0415
            from datasets.kspace.report import Wish  # noqa: PLC0415

            wish = Wish(slices=options.slice, acceleration=options.acceleration, format="png")
            write_preview(sandbox.render(options.file, wish), options.out)
    except (KSpaceError, SandboxError, OSError) as error:
        sys.stderr.write(f"{options.file}: {explain(error)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
