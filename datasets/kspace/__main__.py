"""Pictures of a volume without the site: `python -m datasets.kspace FILE --out DIR`.

The child is started before anything else is imported here: it needs a tenth of a second for numpy and h5py alone.
"""

import sys

from datasets.kspace.errors import KSpaceError
from datasets.kspace.sandbox import Sandbox, SandboxError


def main(arguments: list[str] | None = None) -> int:
    with Sandbox() as sandbox:
        sandbox.start()
        from datasets.kspace.commands import explain, make_parser  # noqa: PLC0415 - see above
        from datasets.kspace.folders import write_preview  # noqa: PLC0415
        from datasets.kspace.report import Wish  # noqa: PLC0415

        options = make_parser().parse_args(arguments)
        wish = Wish(slices=options.slice, acceleration=options.acceleration, format="png")
        try:
            write_preview(sandbox.render(options.file, wish), options.out)
        except (KSpaceError, SandboxError, OSError) as error:
            sys.stderr.write(f"{options.file}: {explain(error)}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
