"""What boto3 raises, in the words of the domain."""

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from datasets.exceptions import BucketDown, ObjectChanged, ObjectMissing

NOT_FOUND = {"404", "NoSuchKey", "NotFound", "NoSuchVersion"}
CHANGED = {"412", "PreconditionFailed"}
NO_SUCH_RANGE = {"416", "InvalidRange"}
# Also of an object that is not there, to whoever may not list: which of both, S3 does not tell.
REFUSED = {"403", "AccessDenied"}
# What is refused of one object, also where it must be fetched from elsewhere first. The answer to a HEAD has no word
# for it; another answer without one is not the bucket's.
DENIED = {("GetObject", "AccessDenied"), ("GetObject", "InvalidObjectState"), ("HeadObject", "403")}


class RangeMissing(BucketDown):
    """The object ends before the bytes that were asked for."""


class Denied(BucketDown):
    """We may not do this: with one object, or with the whole bucket."""


@contextmanager
def named_errors(key: str = "") -> Iterator[None]:
    """Turn what boto3 raises into what the domain knows."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if key and code in NOT_FOUND:
            raise ObjectMissing(f"The bucket has no object {key}.") from error
        if code in CHANGED:
            raise ObjectChanged(f"The object {key} is another one than it was.") from error
        if code in NO_SUCH_RANGE:
            raise RangeMissing(str(error)) from error
        if code in REFUSED or (error.operation_name, code) in DENIED:
            what = f"Either there is no object {key}, or the" if key else "The"
            denied = Denied if (error.operation_name, code) in DENIED else BucketDown
            raise denied(f"The bucket refuses this. {what} site has no right to it (docs/operating.md).") from error
        raise BucketDown(str(error)) from error
    except (BotoCoreError, S3UploadFailedError) as error:
        raise BucketDown(str(error)) from error
