"""Delivering through SES: what each of its answers makes of a mail."""

from email import message_from_bytes
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from pytest_django import Settings

from accounts.mail import deliver_due, queue, queue_all
from accounts.models import OutgoingMail
from portal.settings.mail import mail_settings
from tests.factories import UserFactory
from tests.letters import NAME, register

pytestmark = pytest.mark.django_db


class Ses:
    """Answers send_raw_email as told, at the edge where boto3 would go to the network."""

    def __init__(self) -> None:
        self.asked = 0
        self.sent: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.made_with: dict[str, Any] = {}

    def client(self, service: str, **options: Any) -> "Ses":
        self.made_with = {"service": service, **options}
        return self

    def send_raw_email(self, **request: Any) -> dict[str, Any]:
        self.asked += 1
        if self.error:
            raise self.error
        self.sent.append(request)
        return {"MessageId": f"0107-{self.asked}", "ResponseMetadata": {"RequestId": "1"}}


@pytest.fixture
def ses(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Ses:
    register(monkeypatch, settings)
    for name, value in mail_settings("ses://eu-central-1/portal-mail", region="us-east-1").items():
        setattr(settings, name, value)
    ses = Ses()
    monkeypatch.setattr(boto3, "Session", lambda **_keys: SimpleNamespace(client=ses.client))
    return ses


def said(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "SendRawEmail")


def deliver_two() -> list[tuple[str, str]]:
    for name in ("a", "b"):
        queue(NAME, to=f"{name}@example.org")
    assert not deliver_due(seconds=60)
    return [(mail.state, mail.reason) for mail in OutgoingMail.objects.order_by("pk")]


def test_mails_leave_through_ses_in_its_region_once_each(ses: Ses) -> None:
    assert deliver_two() == [("done", ""), ("done", "")]
    assert [request["Destinations"] for request in ses.sent] == [["a@example.org"], ["b@example.org"]]
    message = message_from_bytes(ses.sent[0]["RawMessage"]["Data"])
    assert (message["To"], message["X-SES-CONFIGURATION-SET"]) == ("a@example.org", "portal-mail")
    assert [mail.carrier_id for mail in OutgoingMail.objects.order_by("pk")] == ["0107-1", "0107-2"]
    assert (ses.made_with["service"], ses.made_with["region_name"]) == ("ses", "eu-central-1")
    assert ses.made_with["config"].retries == {"total_max_attempts": 1}


def test_each_mail_of_a_round_is_recorded_with_its_own_name(ses: Ses) -> None:
    people = UserFactory.create_batch(3)
    queue_all(NAME, to={user: f"notice:{user.pk}" for user in people}, notice=1)
    assert not deliver_due(seconds=60)
    mails = OutgoingMail.objects.order_by("pk")
    assert [(mail.to, mail.carrier_id) for mail in mails] == [
        (request["Destinations"][0], f"0107-{number}") for number, request in enumerate(ses.sent, start=1)
    ]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (said("Throttling", "Maximum sending rate exceeded."), "SES said Throttling: Maximum sending rate exceeded."),
        (said("MailFromDomainNotVerifiedException", "No"), "SES said MailFromDomainNotVerifiedException: No"),
        (said("AccountSendingPausedException", "Paused"), "SES said AccountSendingPausedException: Paused"),
        (said("InvalidClientTokenId", "Bad key"), "SES said InvalidClientTokenId: Bad key"),
        (said("ServiceUnavailable", "Later"), "SES said ServiceUnavailable: Later"),
        (NoCredentialsError(), "SES could not be asked: NoCredentialsError"),
        (EndpointConnectionError(endpoint_url="x"), "SES could not be asked: EndpointConnectionError"),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
)
def test_what_all_mails_would_meet_delays_one_and_leaves_the_others_untried(
    ses: Ses, error: Exception, sentence: str
) -> None:
    ses.error = error
    assert deliver_two() == [("waiting", sentence), ("waiting", "")]
    assert ses.asked == 1


@pytest.mark.parametrize("code", ["MessageRejected", "InvalidParameterValue"])
def test_mail_that_ses_finds_fault_with_fails_and_others_are_tried(ses: Ses, code: str) -> None:
    ses.error = said(code, "Missing\nfinal '@domain'")
    assert deliver_two() == [("failed", f"SES said {code}: Missing final '@domain'")] * 2


def test_address_that_waits_to_be_verified_delays_each_mail_on_its_own(ses: Ses) -> None:
    ses.error = said("MessageRejected", "Email address is not verified.")
    assert deliver_two() == [("waiting", "SES said MessageRejected: Email address is not verified.")] * 2
