"""What comes to /mail/events/: the site's own topic is believed, and nobody else."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.exceptions import CertificateAway
from accounts.mail import queue, sns
from accounts.models import Bounce, OutgoingMail
from tests.factories import UserFactory
from tests.topic import CERTIFICATE, EVENTS, HOST, TOPIC, Amazon, Key, bounced, post, written

pytestmark = pytest.mark.django_db


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Amazon:
    settings.SES_EVENTS_TOPIC_ARN = TOPIC
    amazon = Amazon()
    monkeypatch.setattr(sns, "fetch", amazon.fetch)
    return amazon


@pytest.fixture
def mail() -> OutgoingMail:
    mail = queue("access/link", user=UserFactory(email="quiet@example.org"), grant=1, link=None)
    assert mail is not None
    return mail


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_signed_message_of_the_topic_is_taken(amazon: Amazon, mail: OutgoingMail, version: str) -> None:
    assert post(amazon.message(bounced(mail), SignatureVersion=version, Subject="Amazon SES")) == 200
    assert Bounce.objects.get().user == mail.user


def test_without_a_topic_there_is_no_such_page(mail: OutgoingMail, settings: Settings) -> None:
    settings.SES_EVENTS_TOPIC_ARN = ""
    assert post(Amazon().message(bounced(mail))) == 404
    assert not Bounce.objects.exists()


def test_it_is_only_posted_to(amazon: Amazon, client: Client) -> None:
    assert client.get(EVENTS).status_code == 405


def test_it_asks_for_no_token_of_a_form(amazon: Amazon, mail: OutgoingMail) -> None:
    assert post(amazon.message(bounced(mail)), Client(enforce_csrf_checks=True)) == 200


def refused(amazon: Amazon, message: Any) -> None:
    assert post(message) == 400
    assert not Bounce.objects.exists()
    assert amazon.asked == []


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff\xfe", b"[]", b"null", b"1", b'"text"', b"[" * 200_000, b'{"a":' * 50_000, b"9" * 5_000),
        b'{"Type": 1, "MessageId": [], "TopicArn": {}}',
    ],
    ids=lambda body: body[:12].decode(errors="replace"),
)
def test_what_is_no_message_is_refused(amazon: Amazon, body: bytes) -> None:
    refused(amazon, body)


@pytest.mark.parametrize("field", sns.NEEDED)
@pytest.mark.parametrize("value", [None, 7, [], {"a": 1}, ""])
def test_a_message_that_lacks_a_field_is_refused(amazon: Amazon, mail: OutgoingMail, field: str, value: Any) -> None:
    message = amazon.message(bounced(mail)) | {field: value}
    if value is None:
        del message[field]
    assert post(message) == 400
    assert not Bounce.objects.exists()


def test_a_huge_body_is_refused(amazon: Amazon, mail: OutgoingMail) -> None:
    assert post(amazon.message({**bounced(mail), "padding": "x" * 700_000})) == 413
    assert post(amazon.message({**bounced(mail), "padding": "x" * 1_100_000})) == 400
    assert not Bounce.objects.exists()


def test_another_topic_is_refused_though_it_is_signed(amazon: Amazon, mail: OutgoingMail) -> None:
    refused(amazon, amazon.message(bounced(mail), TopicArn=f"{TOPIC}-of-others"))


def test_an_unknown_kind_is_refused(amazon: Amazon, mail: OutgoingMail) -> None:
    refused(amazon, amazon.message(bounced(mail), Type="Gossip"))


@pytest.mark.parametrize(
    "address",
    [
        CERTIFICATE.replace("https", "http"),
        CERTIFICATE.replace("eu-central-1", "us-east-1"),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com.example.org"),
        CERTIFICATE.replace("https://sns", "https://evil.example@sns"),
        CERTIFICATE.replace(HOST, f"{HOST}@evil.example"),
        CERTIFICATE.replace(HOST, f"{HOST}:8080"),
        CERTIFICATE.replace(HOST, "https://evil.example"),
        f"{HOST}/../latest/meta-data/x.pem",
        f"{HOST}/SimpleNotificationService-1.pem/../../x",
        f"{CERTIFICATE}?x=1",
        f"{CERTIFICATE}#x",
        f"{CERTIFICATE}\n",
        f" {CERTIFICATE}",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_no_certificate_from_elsewhere_is_asked_for(amazon: Amazon, mail: OutgoingMail, address: str) -> None:
    refused(amazon, amazon.message(bounced(mail), SigningCertURL=address))


@pytest.mark.parametrize("age", [timedelta(hours=25), timedelta(days=400), timedelta(hours=-1)])
def test_a_message_of_another_day_is_refused(amazon: Amazon, mail: OutgoingMail, age: timedelta) -> None:
    refused(amazon, amazon.message(bounced(mail), Timestamp=written(timezone.now() - age)))


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-45T99:00:00Z", "0"])
def test_a_message_without_a_readable_time_is_refused(amazon: Amazon, mail: OutgoingMail, moment: str) -> None:
    refused(amazon, amazon.message(bounced(mail), Timestamp=moment))


def test_a_message_that_came_late_is_taken(amazon: Amazon, mail: OutgoingMail) -> None:
    """SNS tries again for hours."""
    assert post(amazon.message(bounced(mail), Timestamp=written(timezone.now() - timedelta(hours=7)))) == 200


def forged(amazon: Amazon, message: dict[str, Any]) -> None:
    assert post(message) == 400
    assert not Bounce.objects.exists()
    assert amazon.asked == [CERTIFICATE]


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp"])
def test_a_message_that_was_changed_on_the_way_is_refused(amazon: Amazon, mail: OutgoingMail, field: str) -> None:
    changed = {
        "Message": json.dumps(bounced(mail, kind="Transient")),
        "MessageId": "another",
        "Timestamp": written(timezone.now() - timedelta(minutes=3)),
    }
    forged(amazon, amazon.message(bounced(mail)) | {field: changed[field]})


def test_a_key_of_somebody_else_is_refused(amazon: Amazon, mail: OutgoingMail) -> None:
    forged(amazon, Key().sign(amazon.message(bounced(mail))))


@pytest.mark.parametrize("signature", ["", "=", "not base64!", "QUJD", "ünïcode", "A" * 344])
def test_a_signature_that_is_none_is_refused(amazon: Amazon, mail: OutgoingMail, signature: str) -> None:
    forged(amazon, amazon.message(bounced(mail)) | {"Signature": signature})


@pytest.mark.parametrize("version", ["0", "3", "one", "2"])
def test_a_signature_of_another_kind_than_it_says_is_refused(amazon: Amazon, mail: OutgoingMail, version: str) -> None:
    forged(amazon, amazon.message(bounced(mail)) | {"SignatureVersion": version})


def test_half_a_character_in_a_message_is_refused(amazon: Amazon, mail: OutgoingMail) -> None:
    forged(amazon, amazon.message(bounced(mail)) | {"Message": "\ud800"})


def test_a_certificate_that_has_ended_is_refused(amazon: Amazon, mail: OutgoingMail) -> None:
    amazon.key = Key(until=-timedelta(hours=1))
    forged(amazon, amazon.message(bounced(mail)))


def test_what_is_no_certificate_is_refused_and_asked_for_again(amazon: Amazon, mail: OutgoingMail) -> None:
    amazon.answer = lambda _address: b"<html>Not now</html>"
    forged(amazon, amazon.message(bounced(mail)))
    amazon.answer = lambda _address: amazon.key.certificate
    assert post(amazon.message(bounced(mail))) == 200


def test_a_certificate_is_fetched_once(amazon: Amazon, mail: OutgoingMail) -> None:
    for _each in range(3):
        assert post(amazon.message(bounced(mail))) == 200
    assert amazon.asked == [CERTIFICATE]


def test_while_amazon_is_away_the_message_is_to_come_again(amazon: Amazon, mail: OutgoingMail) -> None:
    def away(_address: str) -> bytes:
        raise CertificateAway("Amazon does not answer")

    amazon.answer = away
    message = amazon.message(bounced(mail))
    assert post(message) == 503
    amazon.answer = lambda _address: amazon.key.certificate
    assert post(message) == 200
    assert Bounce.objects.count() == 1


def test_names_of_many_certificates_do_not_make_us_fetch_for_ever(amazon: Amazon, mail: OutgoingMail) -> None:
    answers = [
        post(Key().sign(amazon.message("x", SigningCertURL=f"{HOST}/SimpleNotificationService-{number}.pem")))
        for number in range(3)
    ]
    assert answers == [400, 400, 400]
    caches["default"].set("sns-fetches", sns.FETCHES_AN_HOUR)
    fetched = len(amazon.asked)
    message = amazon.message("x", SigningCertURL=f"{HOST}/SimpleNotificationService-many.pem")
    assert post(message) == 503
    assert len(amazon.asked) == fetched


def test_strangers_with_many_names_do_not_keep_the_topics_own_messages_out(amazon: Amazon, mail: OutgoingMail) -> None:
    """Its certificate is asked for again each hour, by each process."""
    assert post(amazon.message(bounced(mail))) == 200
    caches["default"].set("sns-fetches", sns.FETCHES_AN_HOUR)
    caches["pages"].clear()
    assert post(amazon.message(bounced(mail))) == 200
    assert amazon.asked == [CERTIFICATE] * 2


def subscription(amazon: Amazon, **fields: Any) -> dict[str, Any]:
    facts = {"Type": "SubscriptionConfirmation", "Token": "2336412f37fb687f", "SubscribeURL": f"{HOST}/?x"} | fields
    return amazon.message("You have chosen to subscribe.", **facts)


def test_a_subscription_is_confirmed_where_the_topic_is(amazon: Amazon) -> None:
    assert post(subscription(amazon)) == 200
    topic = TOPIC.replace(":", "%3A")
    assert amazon.asked[1:] == [f"{HOST}/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37fb687f"]


def test_the_address_in_a_subscription_is_never_asked_for(amazon: Amazon) -> None:
    assert post(subscription(amazon, SubscribeURL="https://evil.example/")) == 200
    assert not [address for address in amazon.asked if "evil" in address]


@pytest.mark.parametrize("token", ["", "a b", "a&Action=Publish", "../", "a\n"])
def test_a_subscription_with_an_odd_token_is_refused(amazon: Amazon, token: str) -> None:
    assert post(subscription(amazon, Token=token)) == 400
    assert amazon.asked == [CERTIFICATE]


def test_a_subscription_to_another_topic_is_not_confirmed(amazon: Amazon) -> None:
    refused(amazon, subscription(amazon, TopicArn=TOPIC.replace("123456789012", "999999999999")))


def test_the_end_of_a_subscription_is_logged(amazon: Amazon, caplog: pytest.LogCaptureFixture) -> None:
    assert post(subscription(amazon, Type="UnsubscribeConfirmation")) == 200
    assert "no more events" in caplog.text
    assert amazon.asked == [CERTIFICATE]


def test_nothing_of_what_came_is_logged(amazon: Amazon, mail: OutgoingMail, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    good = amazon.message(bounced(mail))
    for message in (good, good | {"Signature": "QUJD"}, good | {"TopicArn": "secret-topic"}, b"secret {", good):
        post(message)
    said = " ".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    for secret in ("quiet@example.org", "550 5.1.1", "secret", good["Signature"], good["MessageId"]):
        assert secret not in said
