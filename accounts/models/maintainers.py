"""The history of who may do what: of groups, of their rights and members, and of accounts that maintain the site.

The rows are Django's own, so each has a proxy here. Of a person only what makes a maintainer is kept."""

from django.contrib.auth.models import Group

from accounts.models.evidence import tracked, tracked_alone
from accounts.models.users import User


@tracked()
class MaintainerGroup(Group):
    class Meta:
        proxy = True
        default_permissions = ()


@tracked()
class GroupRight(Group.permissions.through):  # type: ignore[name-defined]
    """A right that a group has."""

    class Meta:
        proxy = True
        default_permissions = ()


@tracked()
class GroupMember(User.groups.through):  # type: ignore[name-defined]
    """A person who is in a group."""

    class Meta:
        proxy = True
        default_permissions = ()


@tracked_alone("is_active", "is_staff", "is_superuser", event="AccountEvent")
class Account(User):
    """Whether an account is open, and what it may do."""

    class Meta:
        proxy = True
        default_permissions = ()
