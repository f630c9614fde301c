"""What the accounts hold about a person. No passwords, seeds or codes: those open an account, not describe it."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q, QuerySet
from pghistory.core import event_models

from accounts.models import Account, Bounce, Deletion, GroupMember, OutgoingMail, User

Part = dict[str, Any]
# What a mail's row holds of its code.
NOT_SAID = {"nonce", "used_by", "wrong"}
STANDING = ("is_active", "is_staff", "is_superuser")


def account_of(user: User) -> Part:
    return {
        "email": user.email,
        "name": user.name,
        "institution": user.institution,
        "country": str(user.country),
        "position": user.position,
        "research_purpose": user.research_purpose,
        "registered": user.date_joined,
        "last_sign_in": user.last_login,
        "active": user.is_active,
        "maintainer": user.is_staff,
        "superuser": user.is_superuser,
        "signed_out_everywhere": user.sessions_ended,
        "unsubscribed_from_announcements": user.unsubscribed_at,
        "no_daily_mail_of_requests": user.undigested_at,
        "deletion": Deletion.objects.filter(user=user).values("created_at", "written_at", "state", "why").first(),
        "groups": [group.name for group in user.groups.all()],
        "permissions": own_permissions(user),
        "account_was": list(_events(Account, pgh_obj=user.pk).values("pgh_created_at", *STANDING)),
        "groups_were": list(_events(GroupMember, user=user.pk).values("pgh_created_at", "pgh_label", "group_id")),
        "addresses": list(EmailAddress.objects.filter(user=user).values("email", "verified", "primary")),
        "second_factors": [factor_of(factor) for factor in Authenticator.objects.filter(user=user).order_by("pk")],
        "providers": list(
            SocialAccount.objects.filter(user=user).values("provider", "uid", "date_joined", "last_login", "extra_data")
        ),
        "changed_by_maintainers": changes(object_id=str(user.pk), content_type=ContentType.objects.get_for_model(User)),
        "changed_as_maintainer": changes(user=user),
    }


def _events(model: type[Model], **of: int) -> QuerySet:
    [events] = event_models(tracks_model=model)
    return events._default_manager.filter(**of).order_by("pgh_id")


def own_permissions(user: User) -> list[str]:
    """Those that were given to this person; a superuser may do the rest as well."""
    given = Permission.objects.filter(user=user).order_by("content_type__app_label", "codename")
    return [f"{app}.{name}" for app, name in given.values_list("content_type__app_label", "codename")]


def changes(**of: Any) -> list[Part]:
    entries = LogEntry.objects.filter(**of).order_by("pk")
    return [
        {"at": entry.action_time, "what": entry.object_repr, "change": entry.get_change_message()} for entry in entries
    ]


def factor_of(factor: Authenticator) -> Part:
    return {
        "type": factor.get_type_display(),
        "name": factor.data.get("name", ""),
        "added": factor.created_at,
        "last_used": factor.last_used_at,
    }


def signatures_of(user: User) -> list[Part]:
    return [
        {
            "agreement": signature.version.agreement.title,
            "version": signature.version.number,
            "signed_at": signature.signed_at,
            "typed_name": signature.typed_name,
            "email": signature.email,
            "address": signature.address,
            "browser": signature.agent,
            "statements": signature.statements,
            "text_sha256": signature.text_sha256,
            "rendered_sha256": signature.rendered_sha256,
            "salt": signature.salt,
            "commitments": signature.commitments,
            "previous_hash": signature.previous_hash,
            "record_hash": signature.record_hash,
        }
        for signature in user.signatures.select_related("version__agreement").order_by("pk")
    ]


def bounces_of(user: User) -> list[Part]:
    """What mail servers answered about the person's addresses."""
    told = Bounce.objects.filter(user=user).order_by("pk")
    return [dict(row) for row in told.values("address", "kind", "said", "at", "settled_at")]


def mails_to(user: User) -> list[Part]:
    mails = OutgoingMail.objects.filter(Q(user=user) | Q(to=user.email)).order_by("pk")
    return [
        {
            "template": mail.template,
            "to": mail.to,
            "written": mail.created_at,
            "finished": mail.finished_at,
            "state": mail.state,
            "reason": mail.reason,
            "facts": {name: value for name, value in mail.keys.items() if name not in NOT_SAID},
        }
        for mail in mails
    ]
