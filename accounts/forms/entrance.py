"""Registration, sign-in, passwords and addresses: allauth's forms with the house's words and promises."""

from typing import Any, ClassVar

from allauth.account import forms as allauth
from allauth.core import context
from allauth.socialaccount.forms import DisconnectForm as AllauthDisconnectForm
from allauth.socialaccount.forms import SignupForm as AllauthProviderSignupForm
from django import forms
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from accounts.forms.kept import forget, keep, kept
from accounts.models import User
from accounts.services.registration import begun_registration, complete_profile

WHOLE_ADDRESS = "Write the whole address, such as name@example.edu"
TWELVE = "Write a password of at least 12 characters"
TWELVE_HINT = "At least 12 characters; a few words are easier to keep than signs."


class HouseWords(forms.Form):
    """Labels and hints of ours; no placeholders."""

    account_already_exists: bool

    labels: ClassVar[dict[str, str]] = {}
    hints: ClassVar[dict[str, str]] = {}
    missing: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            if isinstance(field, forms.EmailField):
                field.label = "E-mail address"
                field.error_messages |= {"required": WHOLE_ADDRESS, "invalid": WHOLE_ADDRESS}
            field.label = self.labels.get(name, field.label)
            field.help_text = self.hints.get(name, field.help_text)
            if name in self.missing:
                field.error_messages["required"] = self.missing[name]


class LoginForm(HouseWords, allauth.LoginForm):
    hints = {"password": ""}
    missing = {"password": "Write your password"}


class SignupForm(HouseWords, allauth.SignupForm):
    hints = {
        "email": "From any provider. Reviews go faster with the address of your institution.",
        "password1": "At least 12 characters. You can add a passkey later.",
    }
    missing = {"password1": TWELVE}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["password1"].widget.render_value = True
        begun = kept(context.request)
        if begun:
            self.initial = {**begun["answers"], **self.initial}

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Make the account. The same form sent twice, even at once, goes on with the account that it made. An address
        that has an account leads to the same page as any other, and to a mail that says so."""
        email, password = self.cleaned_data["email"], self.cleaned_data["password1"]
        answers = {"email": email, **self.answers()}
        keep(request, answers)
        if not self.account_already_exists:
            try:
                with transaction.atomic():
                    return super().try_save(request)
            except IntegrityError:
                self.account_already_exists = True
        user = begun_registration(email, password)
        if user:
            complete_profile(user, **self.answers())
            return user, None
        # Hashing also takes the time that it takes for an address without an account.
        keep(request, answers, password=make_password(password))
        return super().try_save(request)


class ProviderSignupForm(HouseWords, AllauthProviderSignupForm):
    hints = {"email": "We send a code to it, unless your provider has confirmed it already."}

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        forget(request)
        if not self.account_already_exists:
            try:
                with transaction.atomic():
                    return super().try_save(request)
            except IntegrityError:
                self.account_already_exists = True
        return super().try_save(request)


class NewPassword(HouseWords):
    """Typed once: who mistyped it resets it, and password managers type it for most."""

    labels = {"password1": "New password"}
    hints = {"password1": TWELVE_HINT, "oldpassword": ""}
    missing = {"password1": TWELVE, "oldpassword": "Write your present password"}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        del self.fields["password2"]


class ChangePasswordForm(NewPassword, allauth.ChangePasswordForm):
    labels = NewPassword.labels | {"oldpassword": "Present password"}


class SetPasswordForm(NewPassword, allauth.SetPasswordForm):
    """For an account that was made with a provider."""


class ResetPasswordKeyForm(NewPassword, allauth.ResetPasswordKeyForm):
    """After the code of a reset was right."""


class ResetPasswordForm(HouseWords, allauth.ResetPasswordForm):
    """Asks for the address of a forgotten password."""


class AddEmailForm(HouseWords, allauth.AddEmailForm):
    labels = {"email": "New e-mail address"}


class ChangeEmailForm(HouseWords, allauth.ChangeEmailForm):
    labels = {"email": "The right address"}


class ReauthenticateForm(HouseWords, allauth.ReauthenticateForm):
    hints = {"password": ""}
    missing = {"password": "Write your password"}


class DisconnectForm(HouseWords, AllauthDisconnectForm):
    missing = {"account": "Choose the sign-in to remove"}
