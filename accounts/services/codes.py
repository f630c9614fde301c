"""The codes of mails: which of them count, and what ends them."""

import hmac
from collections.abc import Iterator, Sequence
from datetime import timedelta
from enum import StrEnum

from django.db import transaction
from django.utils import timezone

from accounts.exceptions import MoveNotAllowed, Obsolete
from accounts.mail import CODE_LIFETIME, code_of, mint_code, note_arrival, queue
from accounts.models import OutgoingMail, User

TRIES = 3
# Codes to an address from which mail came back: each may come back as well, which harms the site's name as a sender.
CHECKS_A_DAY = 3


class CodePurpose(StrEnum):
    CONFIRM = "confirm"
    RESET = "reset"
    REACH = "reach"


# The mails that carry a code for a purpose.
CODE_MAILS = {
    CodePurpose.CONFIRM: ("account/email_confirmation_signup", "account/email_confirmation"),
    CodePurpose.RESET: ("account/password_reset_code",),
    CodePurpose.REACH: ("account/address_check",),
}


@transaction.atomic
def try_code(purpose: CodePurpose, typed: str, *, asked: Sequence[str], to: str, user: User | None) -> bool:
    """Whether this is a code that was mailed to the address for this purpose.

    `asked` are the nonces that the session asked for, the newest last. A wrong try counts against every code that it
    could have met, whatever the session, and the right code ends all the others. Whoever sent the right code may send
    it again: a double click does no harm."""
    if user is None:
        # There is no such account: the page looks the same and no code is ever right.
        return False
    mails = [mail for mail in _locked(purpose, asked, to, user) if _counts(mail, asked)]
    # All are compared, so that the time taken tells nothing.
    right = sum(hmac.compare_digest(typed, code) for code in _codes(mails)) > 0
    for mail in mails:
        mail.keys |= {"used_by": asked[-1]} if right else {"wrong": mail.keys.get("wrong", 0) + 1}
    OutgoingMail.objects.bulk_update(mails, ["keys"])
    if right:
        note_arrival(user, to)
    return right


@transaction.atomic
def check_address(user: User) -> str:
    """Mail a code to the person's address, to see whether it arrives; gives the nonce of that code."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    (template,) = CODE_MAILS[CodePurpose.REACH]
    since = timezone.now() - timedelta(days=1)
    if OutgoingMail.objects.filter(user=user, template=template, created_at__gt=since).count() >= CHECKS_A_DAY:
        raise MoveNotAllowed(
            f"We mailed {CHECKS_A_DAY} codes to {user.email} within a day. If none arrived, change the address."
        )
    nonce, _code = mint_code(CodePurpose.REACH)
    queue(template, user=user, nonce=nonce)
    return nonce


def is_on_its_way(user: User, nonce: str) -> bool:
    """Whether a code was mailed with this nonce to the address that the person has now, and its time lasts."""
    (template,) = CODE_MAILS[CodePurpose.REACH]
    mails = OutgoingMail.objects.filter(user=user, to=user.email, template=template, keys__nonce=nonce)
    return mails.filter(created_at__gt=timezone.now() - CODE_LIFETIME).exists()


@transaction.atomic
def end_codes(purpose: CodePurpose, *, asked: Sequence[str], to: str, user: User | None) -> None:
    """No code that was mailed for this so far counts any more."""
    if user is not None:
        mails = _locked(purpose, asked, to, user)
        for mail in mails:
            mail.keys |= {"wrong": TRIES}
        OutgoingMail.objects.bulk_update(mails, ["keys"])


def _locked(purpose: CodePurpose, asked: Sequence[str], to: str, user: User) -> list[OutgoingMail]:
    """The mails whose time lasts, held so that tries made at once are counted one by one.

    Who registers twice need not know which of two mails counts. A new password is given only where it was asked for:
    anybody may ask for one, and would otherwise be let in by a code that the owner asked for."""
    mails = OutgoingMail.objects.filter(
        template__in=CODE_MAILS[purpose], to=to, user=user, created_at__gt=timezone.now() - CODE_LIFETIME
    )
    if purpose is CodePurpose.RESET:
        mails = mails.filter(keys__nonce__in=list(asked))
    return list(mails.select_for_update(of=("self",)).order_by("pk"))


def _counts(mail: OutgoingMail, asked: Sequence[str]) -> bool:
    return mail.keys.get("wrong", 0) < TRIES and mail.keys.get("used_by", asked[-1]) == asked[-1]


def _codes(mails: list[OutgoingMail]) -> Iterator[str]:
    for mail in mails:
        try:
            yield code_of(mail.keys["nonce"])
        except Obsolete:
            continue
