"""What boto3 raises, in the words of the domain."""

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from datasets.exceptions import BucketDown, BucketRefused, ObjectChanged, ObjectMissing

NOT_FOUND = {"404", "NoSuchKey", "NotFound", "NoSuchVersion"}
CHANGED = {"412", "PreconditionFailed"}
NO_SUCH_RANGE = {"416", "InvalidRange"}
# What S3 says to whoever may not: also of an object that is not there, to whoever may not list; and of one that must be
# fetched from elsewhere first.
REFUSED = {"AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "InvalidObjectState", "SignatureDoesNotMatch"}


class RangeMissing(BucketDown):
    """The object ends before the bytes that were asked for."""


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
        # The answer to a HEAD has no word for it; another answer without one is not the bucket's.
        if code in REFUSED or (error.operation_name, code) == ("HeadObject", "403"):
            what = f"Either there is no object {key}, or the" if key else "The"
            sentence = f"The bucket refuses this. {what} site has no right to it (docs/operating.md)."
            raise BucketRefused(sentence) from error
        raise BucketDown(str(error)) from error
    except (BotoCoreError, S3UploadFailedError) as error:
        raise BucketDown(str(error)) from error
