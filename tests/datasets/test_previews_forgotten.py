"""Pictures that no row names are deleted when they are old, and no others."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from datasets.exceptions import BucketDown
from datasets.services.previews import pictures
from datasets.storage import Bucket, preview_bucket
from tests.archives import PICTURES
from tests.factories import PreviewFactory, digest_of
from tests.pictures import empty_bucket

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_pictures() -> Iterator[None]:
    with empty_bucket():
        yield


def _down(*_: object, **__: object) -> None:
    raise BucketDown("it does not answer")


def test_pictures_that_no_row_names_go_when_they_are_old() -> None:
    kept = PreviewFactory(pictures=PICTURES)
    for folder in (kept.folder, digest_of("nobody's")[:32]):
        for name in PICTURES:
            preview_bucket().put(f"{folder}/{name}", b"RIFF    WEBP")
    assert pictures.forget_pictures(1) == 0
    assert len(list(preview_bucket().keys(""))) == 4
    assert pictures.forget_pictures(-1) == 1
    assert list(preview_bucket().keys("")) == [f"{kept.folder}/{name}" for name in PICTURES]
    assert pictures.forget_pictures(-1) == 0


def test_a_folder_with_something_new_in_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = digest_of("being written")[:32]
    old, new = timezone.now() - timedelta(days=9), timezone.now()
    preview_bucket().put(f"{folder}/thumbnail.webp", b"RIFF    WEBP")
    monkeypatch.setattr(Bucket, "dated_keys", lambda *_: iter([(f"{folder}/a.webp", old), (f"{folder}/b.webp", new)]))
    assert pictures.forget_pictures(1) == 0


def test_a_bucket_that_is_away_keeps_no_other_rule_from_being_enforced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Bucket, "folders", _down)
    assert pictures.forget_pictures(1) == 0
    assert "old pictures were not deleted" in caplog.messages
