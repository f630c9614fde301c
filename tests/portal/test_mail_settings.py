"""EMAIL_URL: each way out, and what is said when it is wrong."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal.settings.mail import mail_settings
from tests.portal.test_production_guard import start


@pytest.mark.parametrize(("url", "region"), [("ses://eu-west-1", "eu-west-1"), ("ses://", "us-east-2")])
def test_ses_is_named_by_its_region_or_is_in_the_buckets(url: str, region: str) -> None:
    found = mail_settings(url, region="us-east-2")
    assert (found["EMAIL_BACKEND"], found["AWS_SES_REGION_NAME"]) == ("accounts.mail.ses.EmailBackend", region)


@pytest.mark.parametrize(("url", "name"), [("ses://eu-west-1/portal-mail", "portal-mail"), ("ses://eu-west-1", None)])
def test_ses_may_be_told_its_configuration_set(url: str, name: str | None) -> None:
    found = mail_settings(url, region="us-east-2")
    assert found["AWS_SES_CONFIGURATION_SET"] == name
    assert found["AWS_SES_REGION_NAME"] == "eu-west-1"


def test_production_starts_with_ses() -> None:
    assert start({"EMAIL_URL": "ses://us-east-1"}).stderr == ""


def test_smtp_is_sent_by_the_patient_backend() -> None:
    found = mail_settings("smtp+tls://user:secret@mail.example.org:587", region="")
    assert found["EMAIL_BACKEND"] == "accounts.mail.smtp.EmailBackend"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == ("mail.example.org", 587, True)


@pytest.mark.parametrize("url", ["imap://u:secret@h", "smtp://u:secret@h:mail", "smtp://", "mail.example.org", ""])
def test_wrong_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL must be smtp://") as refused:
        mail_settings(url, region="")
    assert "secret" not in str(refused.value)
