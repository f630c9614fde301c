"""A presigned URL by this project and by the boto3 client: microseconds each, in turn."""

import statistics
import time
from collections.abc import Callable

from django.conf import settings

if not settings.configured:
    settings.configure(SIGNED_LIFETIME=3600)

from datasets.storage import Bucket, disposition

ROUNDS, CALLS = 9, 400
KEY, NAME = "knee/2.0/knee_multicoil_train_batch_0.tar.xz", "knee_multicoil_train_batch_0.tar.xz"


def measure() -> tuple[float, float]:
    """Medians: ours, boto3's."""
    bucket = Bucket(
        "a-bucket", region="eu-central-1", endpoint_url="", key_id="AKIAIOSFODNN7EXAMPLE", secret="secret" * 6
    )
    parameters = {"Bucket": bucket.name, "Key": KEY, "ResponseContentDisposition": disposition(NAME)}

    def ours() -> str:
        return bucket.presign(KEY, filename=NAME, lifetime=3600)

    def theirs() -> str:
        return bucket.client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=3600)

    if ours() != theirs() and ours() != theirs():
        raise SystemExit("The two do not make the same URL.")
    rounds = [(timed(ours), timed(theirs)) for _ in range(ROUNDS)]
    return statistics.median(ours for ours, _ in rounds), statistics.median(theirs for _, theirs in rounds)


def timed(call: Callable[[], str]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e6
