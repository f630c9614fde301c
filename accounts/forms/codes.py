"""Forms that ask for the code of a mail."""

import hmac
import unicodedata
from typing import Any

from allauth.account.internal.flows.manage_email import email_already_exists
from django import forms
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.services.registration import CodePurpose, codes_mailed

LEFT = {1: "one try", 2: "two tries"}


class CodeForm(forms.Form):
    """Any code is right that was mailed to the address for this purpose while its time lasts: who asked for another
    one, or sent the registration twice, need not know which of two mails counts."""

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
        self, *args: Any, code: str = "", user: User | None = None, email: str = "", tries: int = 3, **options: Any
    ) -> None:
        # What allauth calls the code is the nonce that accounts.adapter minted.
        self.nonce, self.user, self.email, self.tries = code, user, email, tries
        super().__init__(*args, **options)

    def clean_code(self) -> str:
        typed = unicodedata.normalize("NFKC", self.cleaned_data["code"])
        digits = "".join(character for character in typed if character.isdecimal() and character.isascii())
        expected = codes_mailed(self.purpose, nonce=self.nonce, to=self.email, user=self.user)
        # All are compared, so that the time taken tells nothing.
        if sum(hmac.compare_digest(digits, code) for code in expected) == 0:
            raise ValidationError(self.refusal())
        return digits

    def refusal(self) -> str:
        left = LEFT.get(self.tries - 1)
        return f"That is not the code we sent. You have {left} left." if left else "That is not the code we sent."


class ConfirmAddressForm(CodeForm):
    purpose = CodePurpose.CONFIRM

    def clean_code(self) -> str:
        code = super().clean_code()
        # Somebody else may have confirmed this address while the code was on its way.
        email_already_exists(self.email, user=self.user, always_raise=True)
        return code


class ConfirmResetForm(CodeForm):
    purpose = CodePurpose.RESET
