"""`python -m tests.benchmarks.kspace`: previews alone."""

from tests.benchmarks.kspace import table

if __name__ == "__main__":
    table.show()
