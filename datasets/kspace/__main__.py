"""Pictures of a volume without the site: `python -m datasets.kspace FILE --out DIR`."""

import sys

from datasets.kspace.process import Child

CHILD = None
if __name__ == "__main__":
    # Before anything else is imported here: the child needs a tenth of a second for numpy and h5py alone.
    CHILD = Child()

from datasets.kspace.commands import run  # noqa: E402

if __name__ == "__main__":
    sys.exit(run(child=CHILD))
