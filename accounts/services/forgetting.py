"""What the accounts forget of a person whose Deletion runs. Each step may be done again.

The row of the person stays, under a name that says nothing, because signatures and downloads point to it.
"""

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from urllib.parse import quote_plus

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Case, Model, Q, Value, When
from django.db.models.functions import Coalesce, Now

from accounts.models import Bounce, OutgoingMail, Signature, User, Work
from accounts.models.users import NOWHERE, REQUIRED_PROFILE
from accounts.services.people import ACTED, TOLD


def forget_account(user: User) -> None:
    """All that stands in this package's tables, and in those of Django and allauth."""
    addresses = known_addresses(user)
    forget_evidence(user)
    forget_log(addresses, user.name)
    forget_rows_in_log(User, [user.pk])
    forget_rows_in_log(Signature, Signature.objects.filter(user=user).values_list("pk", flat=True))
    forget_mails(user, addresses)
    Bounce.objects.filter(user=user).delete()
    end_stored_sessions(user, addresses)
    forget_ways_in(user)
    forget_profile(user)


def known_addresses(user: User) -> list[str]:
    """The person's addresses of now and before, as far as they are known and nobody else's."""
    found = {user.email, *EmailAddress.objects.filter(user=user).values_list("email", flat=True)}
    for to, keys in OutgoingMail.objects.filter(user=user).values_list("to", "keys"):
        found |= {to, *(keys.get(name, "") for name in ("from_email", "to_email", "deleted_email"))}
    wanted = {address.lower() for address in found if "@" in address and not address.endswith(NOWHERE)}
    others = User.objects.exclude(pk=user.pk).filter(email__in=wanted).values_list("email", flat=True)
    return sorted(wanted - set(others))


def forget_evidence(user: User) -> None:
    """Through functions of the database: nothing else may touch these rows (migration forgetting)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.forget_signatures(%s), public.forget_receipts(%s)", [user.pk, user.pk])


# The admin's log -----------------------------------------------------------------------------------------


def forget_rows_in_log(model: type[Model], rows: Iterable[int]) -> None:
    """What the log says of rows about the person: when and by whom something was done stays, not what they were."""
    kind = ContentType.objects.get_for_model(model)
    entries = LogEntry.objects.filter(content_type=kind, object_id__in=[str(pk) for pk in rows])
    entries.update(object_repr="", change_message="")


def forget_log(addresses: Sequence[str], name: str) -> None:
    """Entries about something else that name the person, such as an export of a list that was searched for them."""
    # One word may be anybody's, and a word of any sentence.
    words = [*addresses, *([name] if " " in name else [])]
    for written in {form for word in words for form in (word, quote_plus(word))}:
        pattern = re.escape(written)
        LogEntry.objects.filter(object_repr__iregex=pattern).update(object_repr="")
        LogEntry.objects.filter(change_message__iregex=pattern).update(change_message="")


# Mails ---------------------------------------------------------------------------------------------------


def forget_mails(user: User, addresses: Sequence[str]) -> None:
    """Whatever was or will be sent to them: it stays that there was a mail, not to whom. None is sent any more."""
    # What a mail server said may name the address, too.
    said = Case(When(state=Work.State.DONE, then=Value("")), default=Value("Not sent: the account was deleted."))
    theirs = OutgoingMail.objects.filter(Q(user=user) | Q(user=None, to__in=addresses)).exclude(to="")
    theirs.update(
        to="",
        keys={},
        reason=said,
        state=Work.State.DONE,
        leased_until=None,
        finished_at=Coalesce("finished_at", Now()),
    )
    for address in addresses:
        # What they did to somebody's account as maintainers was mailed with their address.
        named = OutgoingMail.objects.filter(template__in=TOLD.values(), keys__agent=f"{ACTED}{address}")
        for mail in named.only("keys"):
            named.filter(pk=mail.pk).update(keys={**mail.keys, "agent": ACTED.partition(",")[0]})


# Ways in -------------------------------------------------------------------------------------------------


def end_stored_sessions(user: User, addresses: Sequence[str]) -> None:
    """Also those of a registration or a sign-in that was begun with an address of
    theirs. Sessions are sealed, so each is opened: some seconds for a hundred thousand."""
    # Whole addresses: that of another may end, or begin, like one of theirs.
    theirs = [re.compile(rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)") for address in addresses]
    for session in Session.objects.order_by("pk").iterator(chunk_size=1_000):
        held = session.get_decoded()
        text = json.dumps(held, default=str, ensure_ascii=False).lower()
        if held.get(SESSION_KEY) == str(user.pk) or any(address.search(text) for address in theirs):
            session.delete()


def forget_ways_in(user: User) -> None:
    SocialAccount.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    EmailAddress.objects.filter(user=user).delete()


def forget_profile(user: User) -> None:
    """The row stays, and a name for it that nobody has given it."""
    user.groups.clear()
    user.user_permissions.clear()
    if not user.is_forgotten:
        user.email = f"deleted-{secrets.token_hex(8)}{NOWHERE}"
    for column in (*REQUIRED_PROFILE, "is_active", "is_staff", "is_superuser"):
        setattr(user, column, "" if column in REQUIRED_PROFILE else False)
    user.last_login = user.unsubscribed_at = user.undigested_at = None
    if user.has_usable_password():
        user.set_unusable_password()
    user.save()
