"""The previews' bucket as a Django storage."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone

from datasets.exceptions import BucketDown, ObjectMissing
from datasets.storage import Bucket, bucket, preview_bucket
from datasets.storage.previews import PreviewStorage
from tests.pictures import empty_bucket

NAME = "0123456789abcdef0123/thumbnail.webp"


@pytest.fixture
def storage() -> Iterator[PreviewStorage]:
    found = storages["previews"]
    assert isinstance(found, PreviewStorage)
    with empty_bucket():
        yield found


def test_a_picture_is_kept_with_its_type_and_for_good_under_the_name_that_it_was_given(
    storage: PreviewStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []
    put = Bucket.put

    def ask(self: Bucket, key: str, content: bytes, **said: str) -> None:
        asked.append(said)
        put(self, key, content, **said)

    # The embedded server does not repeat what it was told.
    monkeypatch.setattr(Bucket, "put", ask)
    for _each in range(2):
        assert storage.save(NAME, ContentFile(b"picture")) == NAME
    assert [said["CacheControl"] for said in asked] == ["max-age=31536000, immutable"] * 2
    assert storage.open(NAME).read() == b"picture"
    assert (storage.exists(NAME), storage.size(NAME)) == (True, 7)
    assert not list(bucket().keys(NAME))
    said = preview_bucket().client.head_object(Bucket=preview_bucket().name, Key=NAME)
    assert said["ContentType"] == "image/webp"


def test_folders_and_what_is_in_them_are_listed_with_their_age(storage: PreviewStorage) -> None:
    for name in (NAME, NAME.replace("thumbnail", "card"), "f" * 20 + "/card.webp"):
        storage.save(name, ContentFile(b"picture"))
    folder = NAME.partition("/")[0]
    assert storage.listdir("") == ([folder, "f" * 20], [])
    assert storage.listdir(folder) == ([], ["card.webp", "thumbnail.webp"])
    assert all(abs(timezone.now() - moment) < timedelta(minutes=5) for moment in storage.written(folder).values())
    storage.delete_many(list(storage.written(folder)))
    assert storage.folders() == ["f" * 20]


def test_many_pictures_are_deleted_in_as_many_requests_as_they_need(
    storage: PreviewStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[int] = []
    monkeypatch.setattr(Bucket, "delete", lambda _self, *keys: deleted.append(len(keys)))
    storage.delete_many([f"{number}.webp" for number in range(2_002)])
    assert deleted == [1_000, 1_000, 2]


def test_what_is_not_there_is_said_and_deleting_it_is_no_error(storage: PreviewStorage) -> None:
    assert not storage.exists(NAME)
    with pytest.raises(ObjectMissing):
        storage.open(NAME)
    storage.delete(NAME)


def test_a_picture_has_no_address_of_its_own_and_is_written_whole(storage: PreviewStorage) -> None:
    with pytest.raises(NotImplementedError, match="asks the gate"):
        storage.url(NAME)
    with pytest.raises(ValueError, match=r"save\(\)"):
        storage.open(NAME, "wb")


@pytest.mark.parametrize("name", ["../portal/secret", "/etc/passwd", "a/../../b"])
def test_no_name_leads_out_of_the_bucket(name: str, storage: PreviewStorage) -> None:
    with pytest.raises(SuspiciousFileOperation):
        storage.save(name, ContentFile(b"picture"))


def test_what_the_bucket_refuses_to_delete_is_no_success(
    storage: PreviewStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"Errors": [{"Key": NAME, "Code": "AccessDenied"}]}
    monkeypatch.setattr(preview_bucket().client, "delete_objects", lambda **_: refused)
    with pytest.raises(BucketDown, match="AccessDenied"):
        storage.delete(NAME)
