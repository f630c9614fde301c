"""Groups of maintainers, and what each may do."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from accounts.admin.history import (
    HEADINGS,
    NOT_RECORDED,
    SHOWN,
    TrackedAdmin,
    actor_of,
    events_model,
    history,
    people_of,
)
from accounts.admin.pages import Table, shown_below
from accounts.models import GroupMember, GroupRight, User

# Rights that no page asks for, since what they name is written by services alone.
IDLE = Q(
    codename__regex="^(add_user|(add|delete)_(deletion|signature|outgoingmail|accessrequest|accessgrant|download.*|volume|drift|fixitycheck))$"
)
IDLE |= Q(codename__regex="^change_(deletion|signature|downloadrecord|volume|drift)$") | Q(codename__endswith="event")


def in_use() -> QuerySet[Permission]:
    own = Q(content_type__app_label__in=("accounts", "datasets")) & ~IDLE
    second_factor = Q(content_type__app_label="mfa", codename="delete_authenticator")
    rights = Permission.objects.filter(own | second_factor).select_related("content_type")
    return rights.order_by("content_type__app_label", "content_type__model", "codename")


class Rights(forms.ModelMultipleChoiceField):
    def label_from_instance(self, right: Permission) -> str:
        if right.codename == "delete_authenticator":
            return "Reset second factors"
        return right.name.removeprefix("Can ").capitalize()


class GroupForm(forms.ModelForm):
    permissions = Rights(
        Permission.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="To change requests and grants is to decide them; to change mails is to try them again; "
        "to delete users is to delete their accounts.",
    )

    class Meta:
        model = Group
        fields = ("name", "permissions")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["permissions"].queryset = in_use()  # type: ignore[attr-defined]


@admin.register(Group)
class GroupAdmin(TrackedAdmin):
    form = GroupForm
    list_display = ["name"]
    ordering = ["name"]
    search_fields = ["name"]
    search_help_text = "Any part of the name"

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(name__icontains=term)


shown_below(Group, permission="auth.view_group")(history)
# What an event says that a right or a member came or went.
CAME = {"insert": "came", "delete": "went", "update": "changed"}


@shown_below(Group, permission="auth.view_group")
def rights_history(group: Any) -> Table:
    events = _newest(GroupRight, group=group.pk)
    rights = Permission.objects.in_bulk({event.permission_id for event in events})
    people = people_of(events)

    def told(event: Any) -> str:
        right = rights.get(event.permission_id)
        return f"{right.name.removeprefix('Can ')}: {CAME[event.pgh_label]}" if right else "a right that is no more"

    return Table("Rights given and taken", HEADINGS, _rows(events, people, told))


@shown_below(Group, permission="auth.view_group")
def members_history(group: Any) -> Table:
    events = _newest(GroupMember, group=group.pk)
    people = people_of(events)

    def told(event: Any) -> str:
        return f"{people.get(event.user_id, f'person {event.user_id}')} {CAME[event.pgh_label]}"

    return Table("Members", HEADINGS, _rows(events, people, told))


@shown_below(User, permission="accounts.view_user")
def groups_history(user: Any) -> Table:
    events = _newest(GroupMember, user=user.pk)
    groups = Group.objects.in_bulk({event.group_id for event in events})

    def told(event: Any) -> str:
        return f"group {groups.get(event.group_id, event.group_id)}: {CAME[event.pgh_label]}"

    return Table("Groups of maintainers", HEADINGS, _rows(events, people_of(events), told))


def _newest(model: type[Model], **of: int) -> list[Any]:
    events = events_model(model)._default_manager.filter(**of)
    return list(events.select_related("pgh_context").order_by("-pgh_id")[:SHOWN])


def _rows(events: list[Any], people: dict[Any, str], told: Callable[[Any], str]) -> list[tuple[object, ...]]:
    return [(event.pgh_created_at, people.get(actor_of(event), NOT_RECORDED), told(event)) for event in events]
