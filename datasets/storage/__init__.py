"""The bucket. Nothing else in the project speaks boto3.

    with bucket().open(key) as file: ...

reads an object by range, see ranges; bucket().stream(key) reads it forwards once, see streams.

Presigned URLs are made with botocore's own query signer, called directly: the same bytes as the client's
generate_presigned_url for the same moment, without the client's events, rule sets and validation around it.
"""

import base64
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

import boto3
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from datasets.exceptions import BucketDown, BucketRefused, ObjectRefused
from datasets.storage.errors import RangeMissing, named_errors
from datasets.storage.ranges import Answer, RangeFile
from datasets.storage.signing import QuerySigner
from datasets.storage.streams import StreamFile

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

log = logging.getLogger(__name__)
# SigV4 allows no longer life, and boto3 does not say so.
LONGEST_LIFETIME = 7 * 86_400
# A URL dies with the credentials that signed it; this much earlier we count it as dead.
CREDENTIALS_MARGIN = 60
PROBE_PREFIX = "readyz/"
NOBODY = ReadOnlyCredentials("", "", None)
# What RFC 3986 leaves as it is; boto3 keeps the same set, and "/" in keys.
UNRESERVED = "-._~"
_making = Lock()
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class ObjectFacts(NamedTuple):
    """What the bucket says of an object: bytes, ETag without quotes, version ("" where there are none)."""

    size: int
    etag: str
    version_id: str


class Listed(NamedTuple):
    """What a list of the bucket says of one object: bytes, ETag without quotes, and when it was written."""

    key: str
    size: int
    etag: str
    written_at: datetime


class Bucket:
    """One bucket through one client, which threads may share."""

    def __init__(
        self,
        name: str,
        *,
        region: str,
        endpoint_url: str,
        key_id: str,
        secret: str,
        signing_key: str = "",
        download_host: str = "",
    ) -> None:
        self.name = name
        self.region = region
        signer_id, _colon, signer_secret = signing_key.partition(":")
        self._signer = Credentials(signer_id, signer_secret) if signer_id else None
        self._download_host = download_host
        self._session = boto3.session.Session(
            aws_access_key_id=key_id or None, aws_secret_access_key=secret or None, region_name=region
        )
        self._endpoint_url = endpoint_url or None
        # A range of an object has not the checksum of the whole, which the embedded server sends along.
        self.client = self._client(connect_timeout=5, read_timeout=60, response_checksum_validation="when_required")
        # Asked by the readiness check, which must answer quickly even when the bucket does not.
        self._probe = self._client(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1})
        self._base = self._object_base()
        # Signed by nobody: it only asks botocore once how it writes the host of this address.
        self._host = S3SigV4QueryAuth(NOBODY, "s3", region).headers_to_sign(AWSRequest(method="GET", url=self._base))

    def _client(self, **options: Any) -> "S3Client":
        # boto3 by itself still signs with SigV2 in old regions, and with the global host.
        addressing = "path" if self._endpoint_url else "virtual"
        config = Config(signature_version="s3v4", s3={"addressing_style": addressing}, **options)  # type: ignore[arg-type]
        return self._session.client("s3", endpoint_url=self._endpoint_url, config=config)

    def _object_base(self) -> str:
        """The address before a key, as the client itself makes it: its endpoint rules are not repeated here."""
        with named_errors():
            probe = self.client.generate_presigned_url("get_object", Params={"Bucket": self.name, "Key": "k"})
        return probe.partition("?")[0].removesuffix("k")

    def presign(
        self,
        key: str,
        *,
        version_id: str = "",
        filename: str,
        lifetime: int | None = None,
        moment: datetime | None = None,
    ) -> str:
        """A URL that GETs this object under this file name until it expires."""
        moment = moment or datetime.now(UTC)
        credentials, rest = self._credentials(moment)
        wanted = settings.SIGNED_LIFETIME if lifetime is None else lifetime
        lifetime = min(wanted, rest, LONGEST_LIFETIME)
        signer = QuerySigner(credentials, region=self.region, moment=moment, lifetime=lifetime, host=self._host)
        query = f"response-content-disposition={quote(disposition(filename), safe=UNRESERVED)}"
        if version_id:
            query += f"&versionId={quote(version_id, safe=UNRESERVED)}"
        request = AWSRequest(method="GET", url=f"{self._base}{quote(key, safe='/' + UNRESERVED)}?{query}")
        signer.add_auth(request)
        if not self._download_host:
            return str(request.url)
        # Signed for the bucket's own host, under which what stands in front asks for it.
        return urlsplit(str(request.url))._replace(scheme="https", netloc=self._download_host).geturl()

    def _credentials(self, moment: datetime) -> tuple[ReadOnlyCredentials, int]:
        """Credentials, refreshed by botocore where they are temporary, and for how long a URL may count on them."""
        with named_errors():
            credentials = self._signer or self._session.get_credentials()
            if credentials is None:
                raise BucketDown("no credentials for the bucket were found")
            frozen = credentials.get_frozen_credentials()
        # Only temporary credentials know their end; botocore keeps it in this attribute alone.
        ends_at: datetime | None = getattr(credentials, "_expiry_time", None)
        if ends_at is None:
            return frozen, LONGEST_LIFETIME
        rest = int((ends_at - moment).total_seconds()) - CREDENTIALS_MARGIN
        if rest < 1:
            raise BucketDown("the credentials for the bucket have run out and were not refreshed")
        return frozen, rest

    def upload(self, path: Path | str, key: str) -> None:
        with named_errors():
            self.client.upload_file(str(path), self.name, key)

    def head(self, key: str, *, version_id: str = "") -> ObjectFacts:
        """Size, ETag and version of an object; ObjectMissing when there is none of this key, ObjectRefused when we may
        not read it."""
        wanted: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        with self._reading(key):
            answer = self.client.head_object(Bucket=self.name, Key=key, **wanted)
        return ObjectFacts(answer["ContentLength"], answer["ETag"].strip('"'), answer.get("VersionId", ""))

    def open(self, key: str, *, version_id: str = "", etag: str = "") -> RangeFile:
        """The object as a file that is read by range, with one request made already. With an ETag it must be that
        object. This and reading raise ObjectMissing and ObjectRefused, ObjectChanged and BucketDown."""
        return RangeFile(partial(self._range, key), etag=etag, version_id=version_id)

    def stream(self, key: str, *, version_id: str = "", etag: str = "") -> StreamFile:
        """The object from its first byte to its last, with one request made already. With an ETag it must be that
        object. This and reading raise ObjectMissing and ObjectRefused, ObjectChanged and BucketDown."""
        return StreamFile(partial(self._range, key), etag=etag, version_id=version_id)

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        """What goes wrong with one object. That we may not read it is the object's fault while the bucket answers: it
        does not come right by waiting."""
        try:
            with named_errors(key):
                yield
        except BucketRefused as error:
            if not self.reachable():
                raise
            raise ObjectRefused(
                f"The bucket does not let this site read the object {key}. Either it is missing, or the right to it."
            ) from error

    def _range(self, key: str, start: int, stop: int, *, etag: str, version_id: str) -> Answer:
        wanted: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        if etag:
            wanted["IfMatch"] = f'"{etag}"'
        try:
            with self._reading(key):
                answer = self.client.get_object(Bucket=self.name, Key=key, Range=f"bytes={start}-{stop - 1}", **wanted)
        except RangeMissing:
            facts = self.head(key, version_id=version_id)
            return Answer(lambda _: b"", lambda: None, start, start, facts.size, facts.etag, facts.version_id)
        etag = answer.get("ETag", "").strip('"')
        if not etag:
            raise BucketDown("An answer without an ETag is not the bucket's.")
        found = CONTENT_RANGE.fullmatch(answer.get("ContentRange", ""))
        # A server that knows no ranges sends everything, which is what was asked for when that is the beginning.
        whole = answer["ContentLength"]
        first, last, size = map(int, found.groups()) if found else (0, whole - 1, whole)
        body = answer["Body"]

        def read(count: int) -> bytes:
            with named_errors(key):
                return body.read(count)

        return Answer(read, body.close, first, last + 1, size, etag, answer.get("VersionId", ""))

    def put_locked(self, key: str, body: bytes, *, retain_until: datetime) -> ObjectFacts:
        """Store an object that nobody may change or delete before that day, the owner of the account included.

        The bucket must have been made with object lock. One without refuses this in S3; the embedded server ignores
        the lock and keeps no versions, so that its answer names none."""
        checksum = base64.b64encode(sha256(body).digest()).decode()
        with named_errors():
            answer = self.client.put_object(
                Bucket=self.name,
                Key=key,
                Body=body,
                ContentType="application/json",
                # S3 takes a lock only with a checksum of what is locked.
                ChecksumSHA256=checksum,
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=retain_until,
            )
        return ObjectFacts(len(body), answer["ETag"].strip('"'), answer.get("VersionId", ""))

    def put(self, key: str, content: bytes, **said: str) -> None:
        """A small object, whole or not at all, with what is said of it, such as ContentType or CacheControl."""
        with named_errors():
            self.client.put_object(Bucket=self.name, Key=key, Body=content, **said)  # type: ignore[arg-type]

    def get(self, key: str) -> bytes:
        """A small object; ObjectMissing when there is none of this key, ObjectRefused when we may not read it."""
        with self._reading(key):
            return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def delete(self, *keys: str) -> None:
        """Delete objects, at most 1,000; those that are not there are no error."""
        with named_errors():
            wanted: Any = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
            refused = self.client.delete_objects(Bucket=self.name, Delete=wanted).get("Errors")
        if refused:
            raise BucketDown(f"The bucket did not delete {refused[0]}.")

    def folders(self) -> Iterator[str]:
        """What stands before the first slash of keys, each once, without the keys themselves."""
        with named_errors():
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Delimiter="/"):
                yield from (entry["Prefix"].removesuffix("/") for entry in page.get("CommonPrefixes", []))

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin so, in their order, page by page."""
        yield from (key for key, _written_at in self.dated_keys(prefix))

    def dated_keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """The same, and when each object was written."""
        yield from ((listed.key, listed.written_at) for listed in self.listing(prefix))

    def listing(self, prefix: str) -> Iterator[Listed]:
        """What the keys are that begin so, in their order, a thousand a request."""
        with named_errors():
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                for entry in page.get("Contents", []):
                    yield Listed(entry["Key"], entry["Size"], entry.get("ETag", "").strip('"'), entry["LastModified"])

    def reachable(self) -> bool:
        """Whether the bucket answers to our credentials, within a few seconds. Where nothing lies we may list, and the
        site's web server may list nowhere else."""
        try:
            self._probe.list_objects_v2(Bucket=self.name, Prefix=PROBE_PREFIX, MaxKeys=1)
        except (BotoCoreError, ClientError) as error:
            log.warning("the bucket does not answer: %s", error)
            return False
        return True


def disposition(filename: str) -> str:
    """Content-Disposition for a file name that arrives as it is, whatever characters it has (RFC 6266)."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", filename)
    if plain == filename:
        return f'attachment; filename="{filename}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def bucket() -> Bucket:
    """The bucket of the settings: one client a process."""
    return _named(settings.BUCKET_NAME)


def evidence_bucket() -> Bucket:
    """The bucket of what must outlive a restored backup."""
    return _named(settings.EVIDENCE_BUCKET_NAME)


def preview_bucket() -> Bucket:
    """The bucket of previews, which can be made again."""
    return _named(settings.PREVIEW_BUCKET_NAME)


def _named(name: str) -> Bucket:
    # Threads that ask for it first at the same moment would each make one, of fifteen megabytes.
    with _making:
        return _bucket(
            name,
            settings.BUCKET_REGION,
            settings.BUCKET_ENDPOINT_URL,
            settings.BUCKET_ACCESS_KEY_ID,
            settings.BUCKET_SECRET_ACCESS_KEY,
            settings.SIGNING_KEY,
            settings.DOWNLOAD_HOST,
        )


@lru_cache(maxsize=4)
def _bucket(
    name: str, region: str, endpoint_url: str, key_id: str, secret: str, signing_key: str, download_host: str
) -> Bucket:
    return Bucket(
        name,
        region=region,
        endpoint_url=endpoint_url,
        key_id=key_id,
        secret=secret,
        signing_key=signing_key,
        download_host=download_host,
    )
