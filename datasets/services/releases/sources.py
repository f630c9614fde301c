"""Where a release's archives may come from: below a prefix of the site's own bucket, and nowhere else."""

import re

from django.conf import settings

from datasets.exceptions import SourceRefused

SCHEME = "s3://"
# S3 takes no longer keys.
LONGEST_PREFIX = 1_000
# What no folder is called: S3 takes such names, and other servers make paths of them.
CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
ODD_FOLDERS = {"", ".", ".."}


def prefix_of(source: str) -> str:
    """The prefix in s3://BUCKET/PREFIX, which ends with a slash. Nothing was asked of any server before this."""
    example = f"Write {SCHEME}{settings.BUCKET_NAME}/ and the folder, such as {SCHEME}{settings.BUCKET_NAME}/knee/2.1/."
    if not source.startswith(SCHEME):
        raise SourceRefused(f"This is no place in the bucket. {example}")
    bucket, _slash, prefix = source.removeprefix(SCHEME).partition("/")
    if bucket != settings.BUCKET_NAME:
        raise SourceRefused(f"Archives are read from this site's own bucket alone. {example}")
    folders = prefix.removesuffix("/").split("/")
    if CONTROL.search(prefix) or ODD_FOLDERS & set(folders) or len(prefix.encode(errors="replace")) > LONGEST_PREFIX:
        raise SourceRefused(f"This is no folder of the bucket. {example}")
    return "/".join(folders) + "/"


def source_of(prefix: str) -> str:
    """As people write it."""
    return f"{SCHEME}{settings.BUCKET_NAME}/{prefix}"
