"""Mails about an account: codes, and what was changed."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.exceptions import Obsolete
from accounts.mail.codes import code_of
from accounts.mail.outbox import Content, renders
from accounts.models import Deletion, OutgoingMail

CODE_LIFETIME = timedelta(seconds=settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT)


@renders("account/email_confirmation_signup")
@renders("account/email_confirmation")
@renders("account/password_reset_code")
@renders("account/address_check")
def code_mail(mail: OutgoingMail) -> Content:
    runs_out = mail.created_at + CODE_LIFETIME
    if timezone.now() >= runs_out:
        raise Obsolete("The code had run out.")
    return Content({"code": code_of(mail.keys["nonce"]), "runs_out": runs_out})


@renders("account/account_already_exists")
@renders("account/unknown_account")
def answer(mail: OutgoingMail) -> Content:
    """What is said to an address with which somebody tried something that cannot be."""
    return Content()


@renders("account/account_connected")
@renders("account/account_disconnected")
@renders("account/email_changed")
@renders("account/email_deleted")
@renders("account/password_changed")
@renders("account/password_reset")
@renders("account/password_set")
@renders("account/recovery_codes_generated")
@renders("account/totp_activated")
@renders("account/totp_deactivated")
@renders("account/webauthn_added")
@renders("account/webauthn_removed")
def notification(mail: OutgoingMail) -> Content:
    """Who changed what, when and from where, and what to do if it was somebody else."""
    if "address" not in mail.keys:
        raise Obsolete("It was so old that from where the change came was forgotten.")
    return Content({**mail.keys, "at": datetime.fromisoformat(mail.keys["at"])})


@renders("account/deleted")
def farewell(mail: OutgoingMail) -> Content:
    """The last mail: what is removed and what stays, and a maintainer's reason if it was not the person's wish."""
    deletion = Deletion.objects.get(pk=mail.keys["deletion"])
    return Content({"own_wish": deletion.by_id == deletion.user_id, "why": deletion.why})
