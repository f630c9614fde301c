"""A topic of Amazon's, as far as a site sees one: messages signed with a key of our own, whose certificate is handed
out where Amazon would be asked for it."""

import base64
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from django.test import Client
from django.utils import timezone

from accounts.models import OutgoingMail

EVENTS = "/mail/events/"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:portal-mail"
HOST = "https://sns.eu-central-1.amazonaws.com"
CERTIFICATE = f"{HOST}/SimpleNotificationService-{'0123456789abcdef' * 2}.pem"
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "other": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
HASHES = {"1": hashes.SHA1, "2": hashes.SHA256}


class Key:
    """A key and its certificate, valid for a day from now unless told otherwise."""

    def __init__(self, *, until: timedelta = timedelta(days=1)) -> None:
        self.key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = timezone.now()
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        builder = builder.serial_number(1).not_valid_before(now - timedelta(days=9)).not_valid_after(now + until)
        self.certificate = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def sign(self, message: dict[str, Any]) -> dict[str, Any]:
        names = SIGNED.get(message["Type"], SIGNED["other"])
        text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
        made = self.key.sign(text.encode(), padding.PKCS1v15(), HASHES[message["SignatureVersion"]]())
        return {**message, "Signature": base64.b64encode(made).decode()}


class Amazon:
    """What is asked of Amazon, and its answers: `fetch` stands in for the one way out."""

    def __init__(self) -> None:
        self.key = Key()
        self.asked: list[str] = []
        self.answer: Callable[[str], bytes] = lambda _address: self.key.certificate

    def fetch(self, address: str) -> bytes:
        self.asked.append(address)
        return self.answer(address)

    def message(self, said: Any, **fields: Any) -> dict[str, Any]:
        """A signed one; fields given here are signed with it."""
        return self.key.sign(
            {
                "Type": "Notification",
                "MessageId": str(uuid.uuid4()),
                "TopicArn": TOPIC,
                "Message": said if isinstance(said, str) else json.dumps(said),
                "Timestamp": written(timezone.now()),
                "SignatureVersion": "1",
                "SigningCertURL": CERTIFICATE,
                **fields,
            }
        )


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def post(message: Any, client: Client | None = None) -> int:
    """Hand a message over as SNS does; gives the status."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return (client or Client()).post(EVENTS, body, content_type="text/plain; charset=utf-8").status_code


def about(mail: OutgoingMail) -> dict[str, Any]:
    """What an event says of the mail that it is about."""
    return {"messageId": f"0107-{mail.pk}", "destination": [mail.to], "commonHeaders": {"messageId": mail.message_id}}


def bounced(mail: OutgoingMail, *, kind: str = "Permanent", at: datetime | None = None, **more: Any) -> dict[str, Any]:
    recipient = {"emailAddress": mail.to, "action": "failed", "status": "5.1.1", "diagnosticCode": "550 5.1.1 unknown"}
    bounce = {"bounceType": kind, "bounceSubType": "General", "bouncedRecipients": [recipient]}
    bounce |= {"timestamp": written(at or timezone.now())}
    return {"eventType": "Bounce", "bounce": bounce | more, "mail": about(mail)}


def complained(mail: OutgoingMail) -> dict[str, Any]:
    told = {"complainedRecipients": [{"emailAddress": mail.to}], "timestamp": written(timezone.now())}
    return {"eventType": "Complaint", "complaint": told | {"complaintFeedbackType": "abuse"}, "mail": about(mail)}
