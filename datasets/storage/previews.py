"""Where previews' pictures lie: the previews' bucket as a Django storage (settings.STORAGES)."""

from datetime import datetime
from io import BytesIO
from mimetypes import guess_type
from typing import Any

from django.core.files.base import File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible

from datasets.exceptions import ObjectMissing
from datasets.storage import Bucket, preview_bucket

# A name is never given to other bytes, so whoever has them need not ask again.
FOR_GOOD = "max-age=31536000, immutable"
# S3 takes no more in one request; a volume of many slices has more pictures.
DELETED_AT_ONCE = 1_000


@deconstructible
class PreviewStorage(Storage):
    """Whoever writes a name that is there writes the same bytes, for folders are named after what is in them.

    No picture has an address of its own: the site hands them out, so that it can ask who may see them."""

    @property
    def bucket(self) -> Bucket:
        return preview_bucket()

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _open(self, name: str, mode: str = "rb") -> File:
        if mode != "rb":
            raise ValueError("A picture is written by save() alone.")
        return File(BytesIO(self.bucket.get(name)), name=name)

    def _save(self, name: str, content: File) -> str:
        kind = guess_type(name)[0] or "application/octet-stream"
        self.bucket.put(name, content.read(), ContentType=kind, CacheControl=FOR_GOOD)
        return name

    def exists(self, name: str) -> bool:
        try:
            self.bucket.head(name)
        except ObjectMissing:
            return False
        return True

    def size(self, name: str) -> int:
        return self.bucket.head(name).size

    def delete(self, name: str) -> None:
        self.bucket.delete(name)

    def folders(self) -> list[str]:
        return list(self.bucket.folders())

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """The pictures of a folder; the folders, where none is named."""
        if not path:
            return self.folders(), []
        return [], [key.removeprefix(f"{path}/") for key in self.bucket.keys(f"{path}/")]

    def written(self, folder: str) -> dict[str, datetime]:
        """The names in a folder, and when each was written last."""
        return dict(self.bucket.dated_keys(f"{folder}/"))

    def delete_many(self, names: list[str]) -> None:
        for start in range(0, len(names), DELETED_AT_ONCE):
            self.bucket.delete(*names[start : start + DELETED_AT_ONCE])

    def url(self, name: str | None) -> Any:
        raise NotImplementedError("Pictures are handed out by the view preview_image, which asks the gate.")
