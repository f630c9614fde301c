"""The bucket's door: presigned URLs are boto3's own bytes, and what goes wrong has a name."""

import base64
import hashlib
import re
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypedDict
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from datasets.exceptions import BucketDown, ObjectMissing
from datasets.storage import Bucket, bucket, disposition, evidence_bucket

MOMENT = datetime(2026, 11, 22, 9, 5, 59, tzinfo=UTC)
NAME = "knee_multicoil_val.tar.xz"
PLACES = [
    ("us-east-1", "", "raw-data"),
    ("eu-central-1", "", "raw-data"),
    ("eu-west-1", "", "with.dots"),
    ("us-gov-west-1", "", "raw-data"),
    ("cn-north-1", "", "raw-data"),
    ("us-east-1", "http://127.0.0.1:9000", "raw-data"),
    ("eu-central-1", "https://Store.Example.org:443/sub", "raw-data"),
    ("eu-central-1", "http://[::1]:9000", "with.dots"),
]
buckets: dict[tuple[str, str, str], Bucket] = {}


def a_bucket(place: tuple[str, str, str] = PLACES[1]) -> Bucket:
    region, endpoint_url, name = place
    if place not in buckets:
        buckets[place] = Bucket(name, region=region, endpoint_url=endpoint_url, key_id="AKIDEXAMPLE", secret="s/e+c")
    return buckets[place]


class Asked(TypedDict):
    version_id: str
    filename: str
    lifetime: int
    moment: datetime


def by_boto3(bucket: Bucket, key: str, asked: Asked) -> str:
    """What the client of boto3 makes of the same, at the same moment."""
    parameters = {"Bucket": bucket.name, "Key": key, "ResponseContentDisposition": disposition(asked["filename"])}
    if asked["version_id"]:
        parameters["VersionId"] = asked["version_id"]
    moment, lifetime = asked["moment"], asked["lifetime"]
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment.replace(tzinfo=None)):
        return bucket.client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=lifetime)


# Any text that UTF-8 can carry: blanks, quotes, percent signs, slashes, controls, other alphabets.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


class TestPresigning:
    # The first example of a place makes its client, which takes a while.
    @hypothesis_settings(deadline=None)
    @given(
        place=st.sampled_from(PLACES),
        key=texts,
        version_id=st.just("") | texts,
        filename=texts,
        lifetime=st.integers(1, 604_800),
        moment=st.datetimes(datetime(2015, 1, 1), datetime(2099, 1, 1)),  # noqa: DTZ001 - made aware below
    )
    def test_it_gives_the_bytes_that_boto3_gives(
        self, place: tuple[str, str, str], key: str, version_id: str, filename: str, lifetime: int, moment: datetime
    ) -> None:
        asked: Asked = {
            "version_id": version_id,
            "filename": filename,
            "lifetime": lifetime,
            "moment": moment.replace(tzinfo=UTC),
        }
        assert a_bucket(place).presign(key, **asked) == by_boto3(a_bucket(place), key, asked)

    def test_it_is_sigv4_in_the_buckets_region_with_the_buckets_host(self) -> None:
        url = urlsplit(a_bucket().presign("v2/knee.tar", filename=NAME, version_id="abc", lifetime=60, moment=MOMENT))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        assert url.hostname == "raw-data.s3.eu-central-1.amazonaws.com"
        assert url.path == "/v2/knee.tar"
        assert query.pop("X-Amz-Signature")
        assert query == {
            "response-content-disposition": f'attachment; filename="{NAME}"',
            "versionId": "abc",
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": "AKIDEXAMPLE/20261122/eu-central-1/s3/aws4_request",
            "X-Amz-Date": "20261122T090559Z",
            "X-Amz-Expires": "60",
            "X-Amz-SignedHeaders": "host",
        }

    def test_a_self_hosted_endpoint_gets_the_bucket_in_the_path(self) -> None:
        url = a_bucket(PLACES[5]).presign("v2/knee.tar", filename=NAME)
        assert url.startswith("http://127.0.0.1:9000/raw-data/v2/knee.tar?")

    def test_the_day_changes_the_key(self) -> None:
        for moment in (MOMENT, MOMENT + timedelta(days=1), MOMENT):
            asked: Asked = {"version_id": "", "filename": NAME, "lifetime": 60, "moment": moment}
            assert a_bucket().presign("k", **asked) == by_boto3(a_bucket(), "k", asked)

    def test_threads_do_not_mix_their_urls(self) -> None:
        keys = [f"v2/{number}.tar" for number in range(400)]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda key: a_bucket().presign(key, filename=NAME, moment=MOMENT), keys))
        assert together == [a_bucket().presign(key, filename=NAME, moment=MOMENT) for key in keys]

    @pytest.mark.parametrize("name", ['a"b.tar', "a\\b.tar", "a\r\nX-Evil: 1.tar", "ä.tar", "a%41.tar"])
    def test_odd_file_names_cannot_leave_their_header(self, name: str) -> None:
        header = disposition(name)
        assert header.isascii()
        assert header.isprintable()
        assert header.split('"')[1].isprintable()
        assert header.count('"') == 2
        assert "\\" not in header


class TestLifetime:
    def lives(self, url: str) -> int:
        return int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])

    def test_the_settings_say_it(self, settings: Settings) -> None:
        settings.SIGNED_LIFETIME = 1234
        assert self.lives(a_bucket().presign("k", filename=NAME)) == 1234

    def test_it_is_never_longer_than_sigv4_allows(self) -> None:
        assert self.lives(a_bucket().presign("k", filename=NAME, lifetime=10**7)) == 604_800

    def test_temporary_credentials_end_it_a_minute_before_themselves(self) -> None:
        bucket = with_credentials(ends_at=MOMENT + timedelta(minutes=10))
        assert self.lives(bucket.presign("k", filename=NAME, lifetime=3600, moment=MOMENT)) == 540
        assert self.lives(bucket.presign("k", filename=NAME, lifetime=300, moment=MOMENT)) == 300

    def test_their_token_is_signed_as_boto3_signs_it(self) -> None:
        bucket = with_credentials(ends_at=MOMENT + timedelta(hours=6))
        asked: Asked = {"version_id": "", "filename": NAME, "lifetime": 60, "moment": MOMENT}
        url = bucket.presign("k", **asked)
        signer = bucket.client._request_signer  # type: ignore[attr-defined]
        with mock.patch.object(signer, "_credentials", Credentials("AKIDTEMP", "other", "to/k+en==")):
            assert url == by_boto3(bucket, "k", asked)
        assert "X-Amz-Security-Token=to%2Fk%2Ben%3D%3D" in url

    def test_credentials_that_run_out_sign_nothing(self) -> None:
        with pytest.raises(BucketDown, match="run out"):
            with_credentials(ends_at=MOMENT + timedelta(seconds=60)).presign("k", filename=NAME, moment=MOMENT)

    def test_credentials_are_refreshed_when_they_near_their_end(self) -> None:
        fresh = {
            "access_key": "AKIDNEW",
            "secret_key": "s",
            "token": "t",
            "expiry_time": (datetime.now(UTC) + timedelta(hours=6)).isoformat(),
        }
        bucket = with_credentials(ends_at=datetime.now(UTC) + timedelta(minutes=1), refreshed=fresh)
        url = bucket.presign("k", filename=NAME, lifetime=3600)
        assert "AKIDNEW" in url
        assert self.lives(url) == 3600

    def test_a_key_for_links_alone_signs_them_and_outlives_the_role(self) -> None:
        bucket = with_credentials(ends_at=MOMENT + timedelta(minutes=10), signing_key="AKIDLINKS:s/e+c:ret")
        asked: Asked = {"version_id": "v", "filename": NAME, "lifetime": 3600, "moment": MOMENT}
        url = bucket.presign("k", **asked)
        signer = bucket.client._request_signer  # type: ignore[attr-defined]
        with mock.patch.object(signer, "_credentials", Credentials("AKIDLINKS", "s/e+c:ret")):
            assert url == by_boto3(bucket, "k", asked)
        assert "AKIDLINKS" in url
        assert "X-Amz-Security-Token" not in url
        assert self.lives(url) == 3600

    def test_a_host_in_front_of_the_bucket_changes_nothing_but_the_host(self) -> None:
        options: Any = {"region": "eu-central-1", "endpoint_url": "", "key_id": "AKIDEXAMPLE", "secret": "s/e+c"}
        fronted = Bucket("raw-data", download_host="files.example.org", **options)
        asked: Asked = {"version_id": "v", "filename": NAME, "lifetime": 60, "moment": MOMENT}
        here, there = (urlsplit(each.presign("v2/a b%é.tar", **asked)) for each in (a_bucket(), fronted))
        assert there.netloc == "files.example.org"
        assert there._replace(netloc=here.netloc) == here

    def test_without_credentials_the_bucket_is_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bucket = a_bucket()
        monkeypatch.setattr(bucket._session, "get_credentials", lambda: None)
        with pytest.raises(BucketDown, match="no credentials"):
            bucket.presign("k", filename=NAME)


def with_credentials(*, ends_at: datetime, refreshed: dict[str, str] | None = None, signing_key: str = "") -> Bucket:
    """A bucket whose credentials are an instance role's: with a token, an end and, it may be, successors."""
    options: Any = {"region": "eu-central-1", "endpoint_url": "", "key_id": "AKIDEXAMPLE", "secret": "s"}
    bucket = Bucket("raw-data", signing_key=signing_key, **options)
    # Without successors botocore is told an hour at which it does not look for them.
    clock = (lambda: datetime.now(UTC)) if refreshed else (lambda: ends_at - timedelta(hours=1))
    credentials = RefreshableCredentials(
        "AKIDTEMP", "other", "to/k+en==", ends_at, lambda: refreshed, "iam-role", time_fetcher=clock
    )
    bucket._session.get_credentials = lambda: credentials  # type: ignore[method-assign]
    return bucket


class TestRefused:
    """What a role without the right to list is told by S3, which says no more."""

    @pytest.fixture
    def refusing(self, monkeypatch: pytest.MonkeyPatch) -> Bucket:
        def refuse(operation: str, arguments: dict[str, Any]) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied" if "List" in operation else "403"}}, operation)

        options: Any = {"region": "eu-central-1", "endpoint_url": "", "key_id": "AKIDEXAMPLE", "secret": "s"}
        made = Bucket("raw-data", **options)
        for client in (made.client, made._probe):
            monkeypatch.setattr(client, "_make_api_call", refuse)
        return made

    def test_an_object_may_be_missing_or_forbidden(self, refusing: Bucket) -> None:
        with pytest.raises(BucketDown, match=r"Either there is no object knee\.tar, or the site has no right to it"):
            refusing.head("knee.tar")

    def test_a_folder_that_may_not_be_listed_is_said_so(self, refusing: Bucket) -> None:
        with pytest.raises(BucketDown, match=r"The bucket refuses this\. The site has no right to it"):
            list(refusing.listing("knee/2.1/"))
        assert not refusing.reachable()


class TestRealBucket:
    """Against the S3 server, which checks signatures and expiry."""

    def test_what_was_uploaded_comes_back_through_a_presigned_url(self, tmp_path: Path) -> None:
        key = "odd names/a b+c~é%41.tar"
        (tmp_path / "file").write_bytes(b"k-space" * 1000)
        bucket().upload(tmp_path / "file", key)
        facts = bucket().head(key)
        assert (facts.size, facts.version_id) == (7000, "")
        assert facts.etag
        assert '"' not in facts.etag
        with urllib.request.urlopen(bucket().presign(key, filename=NAME)) as answer:
            assert answer.read() == b"k-space" * 1000
            assert answer.headers["Content-Disposition"] == f'attachment; filename="{NAME}"'

    def test_the_server_refuses_a_link_of_a_key_that_it_does_not_know(self, settings: Settings, tmp_path: Path) -> None:
        """Links are signed with the key for them, while everything else goes on with the other one."""
        (tmp_path / "file").write_bytes(b"k-space")
        settings.SIGNING_KEY = "AKIDNOBODY:secret"
        bucket().upload(tmp_path / "file", "signed.tar")
        assert bucket().reachable()
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(bucket().presign("signed.tar", filename=NAME))
        refusal.value.close()
        settings.SIGNING_KEY = f"{settings.BUCKET_ACCESS_KEY_ID}:{settings.BUCKET_SECRET_ACCESS_KEY}"
        with urllib.request.urlopen(bucket().presign("signed.tar", filename=NAME)) as answer:
            assert answer.read() == b"k-space"

    def test_a_changed_url_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"k-space")
        bucket().upload(tmp_path / "file", "changed.tar")
        url = bucket().presign("changed.tar", filename=NAME)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(url.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601"))
        with refusal.value as answer:
            assert answer.code == 403

    def test_a_key_that_is_not_there_is_missing(self) -> None:
        with pytest.raises(ObjectMissing, match=r"no object nowhere\.tar"):
            bucket().head("nowhere.tar")

    def test_a_wrong_secret_is_named(self, settings: Settings) -> None:
        settings.BUCKET_SECRET_ACCESS_KEY = "wrong"
        assert not bucket().reachable()
        with pytest.raises(BucketDown):
            bucket().head("any.tar")

    def test_a_bucket_that_answers_is_reachable(self) -> None:
        assert bucket().reachable()

    def test_one_that_is_not_there_is_not(self, settings: Settings) -> None:
        settings.BUCKET_NAME = "no-such-bucket"
        assert not bucket().reachable()

    def test_a_server_that_is_away_is_down(self, settings: Settings, tmp_path: Path) -> None:
        settings.BUCKET_ENDPOINT_URL = "http://127.0.0.1:9"
        (tmp_path / "file").write_bytes(b"x")
        assert not bucket().reachable()
        with pytest.raises(BucketDown):
            bucket().head("any.tar")
        with pytest.raises(BucketDown):
            bucket().upload(tmp_path / "file", "any.tar")

    def test_there_is_one_client_for_all_threads(self) -> None:
        seen: list[Bucket] = []
        bucket()
        threads = [threading.Thread(target=lambda: seen.append(bucket())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(one) for one in seen}) == 1


class TestLocked:
    """Object lock, as it is asked for: the embedded server ignores it, so the request itself is looked at."""

    UNTIL = datetime(2036, 11, 25, 12, tzinfo=UTC)

    def sent(self, bucket: Bucket) -> Any:
        """The signed request, caught at the edge."""
        caught: list[Any] = []

        def answer(request: AWSPreparedRequest, **_: object) -> Any:
            caught.append(request)
            raw = SimpleNamespace(stream=lambda: iter([b""]))
            headers = {"ETag": '"an-etag"', "x-amz-version-id": "a-version"}
            return AWSResponse(str(request.url), 200, HeadersDict(headers), raw)  # type: ignore[arg-type]

        bucket.client.meta.events.register("before-send.s3.PutObject", answer)
        facts = bucket.put_locked("anchors/1.json", b"{}", retain_until=self.UNTIL)
        assert facts == (2, "an-etag", "a-version")
        return caught[0]

    @pytest.mark.parametrize("endpoint_url", ["", "http://127.0.0.1:9000"])
    def test_the_request_asks_for_compliance_until_the_day_and_signs_that(self, endpoint_url: str) -> None:
        bucket = Bucket("evidence", region="eu-central-1", endpoint_url=endpoint_url, key_id="AKID", secret="s")

        request = self.sent(bucket)

        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        assert headers["x-amz-object-lock-mode"] == "COMPLIANCE"
        assert headers["x-amz-object-lock-retain-until-date"].startswith("2036-11-25T12:00:00")
        assert headers["x-amz-checksum-sha256"] == base64.b64encode(hashlib.sha256(b"{}").digest()).decode()
        assert request.body.read() == b"{}"
        signed = re.search(r"SignedHeaders=([^,]*)", headers["authorization"])
        assert signed
        lock = {"x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-checksum-sha256"}
        assert lock <= set(signed[1].split(";"))

    def test_it_reaches_a_bucket_of_its_own(self) -> None:
        facts = evidence_bucket().put_locked("locked.json", b"{}", retain_until=self.UNTIL)

        assert evidence_bucket().head("locked.json").etag == facts.etag
        with pytest.raises(ObjectMissing):
            bucket().head("locked.json")

    def test_a_server_that_is_away_is_down(self, settings: Settings) -> None:
        settings.BUCKET_ENDPOINT_URL = "http://127.0.0.1:9"

        with pytest.raises(BucketDown):
            evidence_bucket().put_locked("locked.json", b"{}", retain_until=self.UNTIL)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
