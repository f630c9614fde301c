"""Pictures of a volume without the site: `python -m datasets.kspace FILE --out DIR`.

The child is started before anything else is imported here: it needs a tenth of a second for numpy and h5py alone.
"""

import sys

from datasets.kspace.process import Child


def main(arguments: list[str] | None = None) -> int:
    child = Child()
    from datasets.kspace.commands import run  # noqa: PLC0415 - see above

    return run(arguments, child)


if __name__ == "__main__":
    sys.exit(main())
