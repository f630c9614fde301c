"""botocore's own signer of addresses, for a moment of ours."""

import hmac
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from http.client import HTTPMessage

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials


class QuerySigner(S3SigV4QueryAuth):
    """botocore's presigner for a given moment, with what does not change kept: the day's key and the host's header."""

    def __init__(
        self,
        credentials: ReadOnlyCredentials,
        *,
        region: str,
        moment: datetime,
        lifetime: int,
        host: HTTPMessage,
    ) -> None:
        super().__init__(credentials, "s3", region, expires=lifetime)
        self.region = region
        self.moment = moment
        self.host = host

    def headers_to_sign(self, request: AWSRequest) -> HTTPMessage:
        return self.host

    def add_auth(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self.moment.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)  # type: ignore[attr-defined]
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))  # type: ignore[attr-defined]

    def signature(self, string_to_sign: str, request: AWSRequest) -> str:
        key = signing_key(self.credentials.secret_key, request.context["timestamp"][:8], self.region)
        return hmac.new(key, string_to_sign.encode(), sha256).hexdigest()


@lru_cache(maxsize=4)
def signing_key(secret_key: str, day: str, region: str) -> bytes:
    """SigV4's key of one day, region and service."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
