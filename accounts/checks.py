"""What the settings must say for accounts to be safe. Run by `manage.py check`, which production starts with."""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004
from django.utils.module_loading import import_string

SECOND_FACTOR = "accounts.middleware.StaffSecondFactorMiddleware"
BEFORE_IT = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
)
# As accounts.mail.sns reads it, to know the region of its sender.
TOPIC = re.compile(r"arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+", re.ASCII)
# What the ids of these providers look like.
CLIENT_IDS = {
    "orcid": re.compile(r"APP-[A-Z0-9]{16}"),
    "github": re.compile(r"[A-Za-z0-9.]{20}"),
    "google": re.compile(r"[a-z0-9-]+\.apps\.googleusercontent\.com"),
}


def check_accounts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return [
        *(*second_factor_problems(), *proxy_problems(), *provider_problems()),
        *(*personal_data_problems(), *event_problems()),
    ]


def second_factor_problems() -> Iterator[CheckMessage]:
    middleware = list(settings.MIDDLEWARE)
    if SECOND_FACTOR not in middleware:
        yield Error(
            "The admin opens without a second factor.", hint=f"Add {SECOND_FACTOR} to MIDDLEWARE.", id="accounts.E001"
        )
    else:
        late = [name for name in BEFORE_IT if name not in middleware[: middleware.index(SECOND_FACTOR)]]
        if late:
            yield Error(
                "The second factor is asked for before it is known who asks.",
                hint=f"Put {', '.join(late)} before {SECOND_FACTOR}.",
                id="accounts.E002",
            )
    if not {"totp", "webauthn"} & set(settings.MFA_SUPPORTED_TYPES):
        yield Error(
            "Maintainers must have a second factor and cannot set one up.",
            hint="MFA_SUPPORTED_TYPES needs totp or webauthn.",
            id="accounts.E003",
        )
    host = urlsplit(settings.SITE_URL).hostname or ""
    if "webauthn" in settings.MFA_SUPPORTED_TYPES and host not in settings.ALLOWED_HOSTS:
        yield Warning(
            f"Passkeys are made for the host of the page, and SITE_URL names {host!r}, which is not in ALLOWED_HOSTS.",
            hint="Let SITE_URL be one of the hosts.",
            id="accounts.W001",
        )


def proxy_problems() -> Iterator[CheckMessage]:
    count = settings.TRUSTED_PROXY_COUNT
    if count < 0:
        yield Error(
            f"TRUSTED_PROXY_COUNT is {count}.", hint="Say how many proxies stand in front: 0, 1, 2.", id="accounts.E004"
        )
    if count != settings.ALLAUTH_TRUSTED_PROXY_COUNT:
        yield Error(
            "allauth believes another number of proxies than the rest of the site.",
            hint="ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT",
            id="accounts.E005",
        )


def provider_problems() -> Iterator[CheckMessage]:
    for provider, client in settings.PROVIDER_CLIENTS.items():
        if not client:
            continue
        name = f"{provider.upper()}_CLIENT"
        identity, _, secret = client.partition(":")
        if not identity or not secret or any(character.isspace() for character in client):
            yield Error(f"{name} is not of the form id:secret.", hint="Unset it to do without.", id="accounts.E006")
        elif not CLIENT_IDS[provider].fullmatch(identity):
            yield Warning(
                f"{name} begins with an id that does not look like one of {provider}.",
                hint=f"Copy it again from the developer page of {provider}.",
                id="accounts.W002",
            )


def personal_data_problems() -> Iterator[CheckMessage]:
    wanted = {
        **{path: f'"My data" lacks its section {section!r}' for section, path in settings.PERSONAL_DATA.items()},
        **dict.fromkeys(settings.FORGETTING, "Not all is forgotten of who is deleted"),
        **dict.fromkeys(settings.RETENTION, "Not all is forgotten in time"),
    }
    for path, lack in wanted.items():
        try:
            import_string(path)
        except ImportError:
            hint = "Correct PERSONAL_DATA, FORGETTING or RETENTION."
            yield Error(f"{lack}: there is no {path}.", hint=hint, id="accounts.E007")


def event_problems() -> Iterator[CheckMessage]:
    topic = settings.SES_EVENTS_TOPIC_ARN
    if topic and not TOPIC.fullmatch(topic):
        yield Error(
            "SES_EVENTS_TOPIC_ARN does not name a topic, so no event is believed.",
            hint="It is of the form arn:aws:sns:region:account:name.",
            id="accounts.E008",
        )
