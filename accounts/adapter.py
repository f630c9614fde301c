"""How allauth works in this house: mail through the outbox, addresses by the trusted proxies, links by SITE_URL."""

import logging
from collections.abc import Mapping
from typing import Any

import qrcode
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import Provider
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from qrcode.image.svg import SvgPathFillImage

from accounts.address import client_address
from accounts.forms.kept import forget, keep_reset
from accounts.freshness import note_sign_in
from accounts.mail import bounce_of, mint_code, queue
from accounts.models import User
from accounts.seals import seal, unseal
from accounts.tasks import hint, send_mails
from accounts.text import named_agent, one_line

logger = logging.getLogger(__name__)

LONGEST_PASSWORD = 1_000
# What a notification says besides when and from where. Never what an attacker may have typed into somebody's mail.
MAIL_FACTS = ("from_email", "to_email", "deleted_email")
WAYS = {
    "reauthenticate": "Your password",
    "mfa_reauthenticate": "A code of your authenticator app, or a recovery code",
    "mfa_reauthenticate:webauthn": "A passkey",
}


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "This account is closed.",
        "duplicate_email": "This is your address already",
        "email_password_mismatch": "The address or the password is not right, or the address was never confirmed."
        " Resetting the password helps with all three.",
        "email_taken": "This address cannot be used. Write another one.",
        "enter_current_password": "This is not your present password",
        "incorrect_code": "That is not the right code",
        "incorrect_password": "This is not your password",
        "invalid_login": "Write the whole address, such as name@example.edu",
        "rate_limited": "That was too often. Wait a minute, then try again.",
        "same_as_current": "We wrote to this address already. Write the right one.",
        "too_many_login_attempts": "That was wrong too often. Wait five minutes, then try again.",
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        address = client_address(request)
        if address is None:
            raise PermissionDenied("The server was not told from which address this request came.")
        return address

    def login(self, request: HttpRequest, user: User) -> None:
        forget(request)
        super().login(request, user)
        note_sign_in(request)
        tell_of_bounce(request, user)

    # What these return is kept in the session and handed to send_mail and to the forms as "the code". It is the nonce:
    # neither sessions nor mail rows hold a code. accounts.forms.codes compares with what the nonce makes.

    def generate_email_verification_code(self) -> str:
        return mint_code("confirm")[0]

    def generate_password_reset_code(self) -> str:
        nonce = mint_code("reset")[0]
        keep_reset(self.request, nonce)
        return nonce

    def send_mail(self, template_prefix: str, email: str, context: Mapping[str, Any]) -> None:
        """Queue mails/account/<name>. The context is allauth's: links made of the Host header, the request, codes.
        Only what is named here goes on."""
        keys = {name: context[name] for name in MAIL_FACTS if name in context}
        if "code" in context:
            keys["nonce"] = context["code"]
        if "provider" in context:
            keys["provider"] = str(context["provider"].name)
        if "timestamp" in context:
            keys |= {
                "at": context["timestamp"].isoformat(),
                "address": context["ip"],
                "agent": named_agent(context["user_agent"]),
            }
        name = template_prefix.rpartition("/")[2]
        queue(f"account/{name}", to=email, user=context.get("user") or owner_of(email), **keys)
        hint(send_mails)

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        super().send_notification_mail(template_prefix, user, {**(context or {}), "user": user}, email)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        return [{**way, "description": WAYS[way["id"]]} for way in super().get_reauthentication_methods(user)]

    def clean_password(self, password: str, user: User | None = None) -> str:
        if len(password) > LONGEST_PASSWORD:
            raise ValidationError(f"Write at most {LONGEST_PASSWORD:,} characters; you have {len(password):,}")
        return super().clean_password(password, user)


class SecondFactorAdapter(DefaultMFAAdapter):
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "That is not the right code, or it was used already. An app's codes change every 30 seconds:"
        " take the newest.",
        "unverified_email": "Confirm your address before you add a second factor.",
    }

    def encrypt(self, text: str) -> str:
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return unseal(encrypted_text)
        except InvalidToken:
            logger.error("second factor not readable: is the old SECRET_KEY missing in SECRET_KEY_FALLBACKS?")
            raise PermissionDenied("This second factor cannot be read any more.") from None

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002
        return f"Passkey {Authenticator.objects.filter(user=user, type=type).count() + 1}"

    def build_totp_svg(self, url: str) -> str:
        """A picture that may stand in the page itself, for the policy on contents allows no data: URLs. White behind
        the black in both schemes, so that every camera reads it."""
        picture = qrcode.make(url, image_factory=SvgPathFillImage, border=2).to_string(encoding="unicode")
        return picture.replace("<svg ", '<svg role="img" aria-label="QR code of the secret below" ', 1)

    def _get_site_name(self) -> str:
        return settings.SITE_NAME


class ProviderAdapter(DefaultSocialAccountAdapter):
    error_messages = DefaultSocialAccountAdapter.error_messages | {
        "connected_other": "This sign-in belongs to another account.",
        "disconnect_last": "This is your last way to sign in. Set a password first, then remove it.",
        "no_password": "This is your last way to sign in. Set a password first, then remove it.",
        "no_verified_email": "Confirm your address first, then remove this sign-in.",
    }

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> Provider:
        try:
            return named(super().get_provider(request, provider, client_id))
        except SocialApp.DoesNotExist:
            raise Http404("This site does not sign people in with this provider.") from None

    def list_providers(self, request: HttpRequest) -> list[Provider]:
        return [named(provider) for provider in super().list_providers(request)]

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """No provider knows what somebody wants to find out, so everybody fills in the form."""
        return False

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Mapping[str, Any]) -> User:
        user = super().populate_user(request, sociallogin, data)
        # The provider's whole answer would be kept otherwise: with ORCID, a life's work.
        sociallogin.account.extra_data = {}
        parts = (data.get("first_name"), data.get("last_name"))
        name = data.get("name") or " ".join(part for part in parts if part)
        user.name = one_line(str(name))[:150]
        return user

    def get_signup_form_initial_data(self, sociallogin: SocialLogin) -> dict[str, str]:
        initial = super().get_signup_form_initial_data(sociallogin)
        return {"email": initial["email"], "name": sociallogin.user.name}


def named(provider: Provider) -> Provider:
    """With the name by which researchers know it."""
    if provider.id == "orcid":
        provider.name = "ORCID"
    return provider


def tell_of_bounce(request: HttpRequest, user: User) -> None:
    """The one way to reach somebody whose mail comes back."""
    if bounce_of(user):
        said = 'Our mail to {} comes back, so we cannot reach you. <a href="{}">Say whether the address works</a>.'
        messages.warning(request, format_html(said, user.email, reverse("check_address")))


def owner_of(email: str) -> User | None:
    """Whose account has this address; a confirmed one before one that is not."""
    address = EmailAddress.objects.filter(email=email.lower()).select_related("user").order_by("-verified").first()
    return address.user if address else None
