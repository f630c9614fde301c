"""Secrets of second factors, which no row holds in plain text."""

import json

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.exceptions import PermissionDenied
from pytest_django import Settings

from tests.factories import UserFactory


@pytest.mark.django_db
def test_rows_hold_neither_the_secret_of_an_app_nor_the_seed_of_recovery_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    user, secret, seed = UserFactory(), generate_totp_secret(), "5eed" * 20
    monkeypatch.setattr(RecoveryCodes, "generate_seed", lambda: seed)
    TOTP.activate(user, secret)
    codes = RecoveryCodes.activate(user)
    held = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in held
    assert seed not in held
    assert get_adapter().decrypt(Authenticator.objects.get(type="totp").data["secret"]) == secret
    assert codes.validate_code(codes.get_unused_codes()[0])


def test_what_was_sealed_before_the_key_was_rotated_is_read_while_the_key_is_a_fallback(settings: Settings) -> None:
    sealed = get_adapter().encrypt("secret")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "n" * 60
    assert get_adapter().decrypt(sealed) == "secret"


def test_what_was_sealed_with_a_key_that_is_gone_is_refused_and_logged(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    sealed = get_adapter().encrypt("secret")
    settings.SECRET_KEY = "n" * 60
    with pytest.raises(PermissionDenied):
        get_adapter().decrypt(sealed)
    assert "SECRET_KEY_FALLBACKS" in caplog.text
