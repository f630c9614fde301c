"""The bucket of pictures, which the tests of one worker share."""

from collections.abc import Iterator
from contextlib import contextmanager

from datasets.storage import preview_bucket


@contextmanager
def empty_bucket() -> Iterator[None]:
    """Without what other tests left there, and afterwards without what this one leaves: their rows are gone."""
    _remove_all()
    yield
    _remove_all()


def _remove_all() -> None:
    for key in list(preview_bucket().keys("")):
        preview_bucket().delete(key)
