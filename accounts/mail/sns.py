"""Amazon's messages about mails (SNS): which of them are from the site's own topic, and how a topic is told that they
arrive.

django-ses knows what is signed of a message. The rest is ours, because its verifier knows only the first kind of
signature, follows redirects, remembers a certificate that could not be fetched for ever, and logs whole messages.
Nothing that a message says is asked for: hosts are made of the topic's own name, so an outsider leads us nowhere.
"""

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import urllib3
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.core.cache import caches
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django_ses.utils import EventMessageVerifier

from accounts.exceptions import CertificateAway, EventRefused

# SNS tries again for six hours; whoever kept a message for longer plays it back.
OLDEST, AHEAD = timedelta(hours=24), timedelta(minutes=15)
CERTIFICATE_SECONDS = 3_600
# A certificate that signed a message of the topic is fetched whatever strangers made us fetch meanwhile.
PROVEN_SECONDS = 30 * 86_400
# A certificate serves for months. Who sends us names of many is no sender of ours.
FETCHES_AN_HOUR = 30
LARGEST_ANSWER = 64 * 1024
WAIT = urllib3.Timeout(connect=3, read=5)
HASHES = {"1": hashes.SHA1, "2": hashes.SHA256}
KINDS = {"Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"}
NEEDED = ("Type", "MessageId", "TopicArn", "Message", "Timestamp", "Signature", "SignatureVersion", "SigningCertURL")
TOPIC = re.compile(r"arn:aws(?P<part>|-cn|-us-gov):sns:(?P<region>[a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}", re.ASCII)
CERTIFICATE = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem", re.ASCII)
NUMBER = re.compile(r"[A-Za-z0-9-]{1,100}", re.ASCII)
TOKEN = re.compile(r"[A-Za-z0-9]{1,1024}", re.ASCII)


class Told(NamedTuple):
    """What a message of the site's topic says, and the number by which it is known when it comes again."""

    kind: str
    number: str
    said: Mapping[str, str]


def verified(body: bytes, *, topic: str) -> Told:
    """A message that the site's topic sent, and nobody else. EventRefused: it is none; CertificateAway: not known yet.

    What is cheap is looked at first, so that only what may be genuine makes us fetch a certificate."""
    said = _fields(body)
    if said["TopicArn"] != topic:
        raise EventRefused("another topic")
    if said["Type"] not in KINDS or not NUMBER.fullmatch(said["MessageId"]):
        raise EventRefused("unknown kind")
    _require_recent(said["Timestamp"])
    where = f"https://{_host(topic)}"
    address = said["SigningCertURL"]
    if not address.startswith(where) or not CERTIFICATE.fullmatch(address[len(where) :]):
        raise EventRefused("certificate from elsewhere")
    if not Signed(said).is_signed_with(_certificate(address)):
        raise EventRefused("forged")
    caches["default"].set(_proven(address), True, PROVEN_SECONDS)
    return Told(said["Type"], said["MessageId"], said)


def confirm_subscription(told: Told, *, topic: str) -> None:
    """Tell Amazon that the topic's messages arrive. Its own address for that is not used: ours is made of what the
    settings say and of the token."""
    token = told.said.get("Token", "")
    if not TOKEN.fullmatch(token):
        raise EventRefused("no token")
    wanted = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token})
    fetch(f"https://{_host(topic)}/?{wanted}")


def parsed(text: bytes | str) -> dict[str, Any]:
    """A JSON object of a stranger's; EventRefused for all else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise EventRefused("no JSON") from None
    if not isinstance(found, dict):
        raise EventRefused("no object")
    return found


class Signed(EventMessageVerifier):
    """With both kinds of signatures, and a certificate that is handed in."""

    def is_signed_with(self, certificate: x509.Certificate) -> bool:
        key, make_hash = certificate.public_key(), HASHES.get(self._data["SignatureVersion"])
        if make_hash is None or not isinstance(key, RSAPublicKey):
            return False
        if not certificate.not_valid_before_utc <= timezone.now() <= certificate.not_valid_after_utc:
            return False
        try:
            signature = base64.b64decode(self._data["Signature"], validate=True)
            key.verify(signature, self._get_bytes_to_sign(), padding.PKCS1v15(), make_hash())
        except (InvalidSignature, ValueError):
            return False
        return True


def _fields(body: bytes) -> dict[str, str]:
    found = parsed(body)
    said = {name: value for name, value in found.items() if isinstance(value, str)}
    if any(name not in said for name in NEEDED):
        raise EventRefused("not all fields")
    return said


def _require_recent(written: str) -> None:
    try:
        at = parse_datetime(written)
    except ValueError:
        at = None
    if at is None:
        raise EventRefused("no time")
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    now: datetime = timezone.now()
    if not now - OLDEST <= at <= now + AHEAD:
        raise EventRefused("too old")


def _host(topic: str) -> str:
    """Where Amazon's service of the topic's region answers."""
    named = TOPIC.fullmatch(topic)
    if named is None:
        raise EventRefused("the site's topic has no such name")
    return f"sns.{named['region']}.amazonaws.com{'.cn' if named['part'] == '-cn' else ''}"


def _certificate(address: str) -> x509.Certificate:
    """In this process's own memory for an hour; what could not be fetched or read is asked for again."""
    name = f"sns-certificate:{address}"
    kept = caches["pages"].get(name)
    if kept is None and not caches["default"].get(_proven(address)):
        _count_fetch()
    content = kept or fetch(address)
    try:
        certificate = x509.load_pem_x509_certificate(content)
    except ValueError:
        raise EventRefused("no certificate") from None
    if kept is None:
        caches["pages"].set(name, content, CERTIFICATE_SECONDS)
    return certificate


def _proven(address: str) -> str:
    return f"sns-proven:{address}"


def _count_fetch() -> None:
    count = caches["default"]
    try:
        count.add("sns-fetches", 0, 3_600)
        fetches = count.incr("sns-fetches")
    except ValueError:
        # It ran out between the two.
        fetches = 1
    if fetches > FETCHES_AN_HOUR:
        raise CertificateAway("too many certificates were asked for")


def fetch(address: str) -> bytes:
    """What Amazon answers; the one way out of here. No redirect is followed, and no more read than there can be."""
    try:
        with urllib3.PoolManager() as pool:
            answer = pool.request("GET", address, redirect=False, retries=False, timeout=WAIT, preload_content=False)
            content = answer.read(LARGEST_ANSWER + 1)
    except urllib3.exceptions.HTTPError as error:
        raise CertificateAway(f"Amazon does not answer: {type(error).__name__}") from None
    if answer.status != 200 or len(content) > LARGEST_ANSWER:
        raise CertificateAway(f"Amazon said {answer.status}")
    return bytes(content)
