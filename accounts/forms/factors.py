"""Second factors: allauth's forms with the house's words."""

import struct
from typing import Any

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as base
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.core.cache import cache
from django.core.exceptions import ValidationError

from accounts.forms.entrance import HouseWords
from accounts.text import one_line, only_seen

LONGEST_NAME = 60
CODE = {"inputmode": "numeric", "autocomplete": "one-time-code", "class": "code-input", "maxlength": "20"}


class AskForCode(HouseWords):
    labels = {"code": "Code"}
    hints = {"code": "Six digits of your authenticator app, or a recovery code of eight."}
    missing = {"code": "Write the code"}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["code"].widget.attrs |= CODE


class CodeOfOneUse(AskForCode):
    """A code is refused for as long as it would be accepted again. allauth by itself forgets that it was used after one
    period, and accepts it in those before and after its own."""

    user: Any

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        # Recovery codes are crossed out in their row.
        if len(normalize_user_code(code)) == app_settings.TOTP_DIGITS and not self._use(code):
            raise get_adapter().validation_error("incorrect_code")
        return code

    def _use(self, code: str) -> bool:
        """Whether it is the first time; of two at once it is for one."""
        periods = 2 * app_settings.TOTP_TOLERANCE + 1
        key = f"accounts.used-code:{self.user.pk}:{normalize_user_code(code)}"
        return cache.add(key, "used", timeout=periods * app_settings.TOTP_PERIOD)


class AuthenticateForm(CodeOfOneUse, base.AuthenticateForm):
    """At sign-in."""


class ReauthenticateForm(CodeOfOneUse, base.ReauthenticateForm):
    """Before something sensitive."""


class ActivateTOTPForm(CodeOfOneUse, totp.ActivateTOTPForm):
    hints = {"code": "The six digits that the app shows now."}


class KeyName(HouseWords):
    labels = {"name": "Name"}
    hints = {"name": "So that you know it among others."}
    missing = {"name": "Give it a name"}


def fit_name(name: str) -> str:
    """A name is made fit rather than refused: when it arrives, the device has made the passkey already."""
    return one_line(only_seen(name))[:LONGEST_NAME]


UNREADABLE = "This passkey was not accepted. Try again, or choose another way."
# What reading a credential that no device made raises, from its JSON down to the bytes in it.
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, struct.error)


class UseOfPasskey(forms.Form):
    """A credential that cannot be read is a refused one."""

    def clean_credential(self) -> Authenticator:
        try:
            return super().clean_credential()  # type: ignore[misc]
        except MALFORMED:
            raise ValidationError(UNREADABLE) from None


class LoginWebAuthnForm(UseOfPasskey, webauthn.LoginWebAuthnForm):
    """Signs in with a passkey alone."""


class AuthenticateWebAuthnForm(UseOfPasskey, webauthn.AuthenticateWebAuthnForm):
    """Signs in with a passkey after the password."""


class ReauthenticateWebAuthnForm(UseOfPasskey, webauthn.ReauthenticateWebAuthnForm):
    """Before something sensitive."""


class AddWebAuthnForm(KeyName, webauthn.AddWebAuthnForm):
    labels = KeyName.labels | {"passwordless": "Sign in with it alone, without the password"}
    hints = KeyName.hints | {"passwordless": "The device then asks for your finger, face or PIN."}

    def clean_name(self) -> str:
        self.cleaned_data["name"] = fit_name(self.cleaned_data["name"])
        return super().clean_name()

    def clean(self) -> dict[str, Any] | None:
        try:
            return super().clean()
        except MALFORMED:
            raise ValidationError(UNREADABLE) from None


class EditWebAuthnForm(KeyName, webauthn.EditWebAuthnForm):
    """Renames a passkey."""

    def clean_name(self) -> str:
        return fit_name(self.cleaned_data["name"])
