"""What `manage.py check` says about the settings of accounts."""

import pytest
from pytest_django import Settings

from accounts.checks import SECOND_FACTOR, check_accounts


def found() -> list[str]:
    return [message.id or "" for message in check_accounts(None)]


def test_these_settings_are_fine(settings: Settings) -> None:
    assert found() == []


def test_the_admin_without_a_second_factor_is_an_error(settings: Settings) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != SECOND_FACTOR]
    assert found() == ["accounts.E001"]


def test_a_second_factor_asked_for_too_early_is_an_error(settings: Settings) -> None:
    settings.MIDDLEWARE = [SECOND_FACTOR, *(name for name in settings.MIDDLEWARE if name != SECOND_FACTOR)]
    assert found() == ["accounts.E002"]


def test_no_kind_of_second_factor_is_an_error(settings: Settings) -> None:
    settings.MFA_SUPPORTED_TYPES = ["recovery_codes"]
    assert found() == ["accounts.E003"]


def test_passkeys_for_a_host_that_is_not_served_are_a_warning(settings: Settings) -> None:
    settings.SITE_URL = "https://elsewhere.example.org"
    assert found() == ["accounts.W001"]


def test_proxies_are_counted_alike_everywhere(settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 2
    assert found() == ["accounts.E005"]
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = -1
    assert found() == ["accounts.E004"]


@pytest.mark.parametrize(
    ("provider", "client", "problem"),
    [
        ("orcid", "APP-0123456789ABCDEF:a-secret", []),
        ("github", "Ov23liAbCdEfGhIjKlMn:a-secret", []),
        ("google", "123-abc.apps.googleusercontent.com:a-secret", []),
        ("orcid", "APP-0123456789ABCDEF", ["accounts.E006"]),
        ("orcid", ":a-secret", ["accounts.E006"]),
        ("github", "Ov23liAbCdEfGhIjKlMn:", ["accounts.E006"]),
        ("github", "Ov23liAbCdEfGhIjKlMn: a-secret", ["accounts.E006"]),
        ("google", "APP-0123456789ABCDEF:a-secret", ["accounts.W002"]),
    ],
)
def test_a_providers_client_is_an_id_and_a_secret(
    settings: Settings, provider: str, client: str, problem: list[str]
) -> None:
    settings.PROVIDER_CLIENTS = {"orcid": "", "github": "", "google": "", provider: client}
    assert found() == problem


def test_a_section_of_my_data_that_is_not_there_is_an_error(settings: Settings) -> None:
    settings.PERSONAL_DATA = {**settings.PERSONAL_DATA, "shoes": "accounts.services.personal_data.shoes_of"}
    assert found() == ["accounts.E007"]


@pytest.mark.parametrize(
    ("topic", "problems"),
    [
        ("", []),
        ("arn:aws:sns:eu-central-1:123456789012:portal-mail", []),
        ("arn:aws-cn:sns:cn-north-1:123456789012:portal-mail", []),
        ("portal-mail", ["accounts.E008"]),
        ("arn:aws:sns:evil.example/:123456789012:portal-mail", ["accounts.E008"]),
        ("arn:aws:sqs:eu-central-1:123456789012:portal-mail", ["accounts.E008"]),
    ],
)
def test_a_topic_of_events_has_the_name_of_one(settings: Settings, topic: str, problems: list[str]) -> None:
    settings.SES_EVENTS_TOPIC_ARN = topic
    assert found() == problems
