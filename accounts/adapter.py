"""How allauth works in this house."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter


class AccountAdapter(DefaultAccountAdapter):
    """Mails go through the outbox."""


class SecondFactorAdapter(DefaultMFAAdapter):
    """Second factors of this site."""
