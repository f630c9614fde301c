"""Forms that ask for the code of a mail."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from allauth.account.internal.flows.manage_email import email_already_exists
from django import forms
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.services.codes import TRIES, CodePurpose, try_code

LEFT = {1: "one try", 2: "two tries"}


class CodeForm(forms.Form):
    """Asks for a code; accounts.services.codes says which ones count."""

    purpose: CodePurpose
    code = forms.CharField(
        label="Code",
        error_messages={"required": "Write the six digits of our mail"},
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "class": "code-input",
                "maxlength": "20",
            }
        ),
    )

    def __init__(
        self,
        *args: Any,
        code: str = "",
        asked: Sequence[str] = (),
        user: User | None = None,
        email: str = "",
        tries: int = TRIES,
        **options: Any,
    ) -> None:
        # What allauth calls the code is the nonce that accounts.adapter minted.
        self.asked = [*(nonce for nonce in asked if nonce != code), code]
        self.user, self.email, self.tries = user, email, tries
        super().__init__(*args, **options)

    def clean_code(self) -> str:
        typed = unicodedata.normalize("NFKC", self.cleaned_data["code"])
        digits = "".join(character for character in typed if character.isdecimal() and character.isascii())
        if not try_code(self.purpose, digits, asked=self.asked, to=self.email, user=self.user):
            raise ValidationError(self.refusal())
        return digits

    def refusal(self) -> str:
        left = LEFT.get(self.tries - 1)
        refusal = "That is not the code we sent, or it has ended."
        return f"{refusal} You have {left} left." if left else refusal


class ConfirmAddressForm(CodeForm):
    purpose = CodePurpose.CONFIRM

    def clean_code(self) -> str:
        code = super().clean_code()
        # Somebody else may have confirmed this address while the code was on its way.
        email_already_exists(self.email, user=self.user, always_raise=True)
        return code


class CheckAddressForm(CodeForm):
    purpose = CodePurpose.REACH

    def refusal(self) -> str:
        return "That is not the code we sent, or it has ended. After three wrong ones, ask for another."


class ConfirmResetForm(CodeForm):
    purpose = CodePurpose.RESET
