"""Groups of maintainers, and what each may do."""

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.admin.pages import HouseAdmin

# Rights that no page asks for, since what they name is written by services alone.
IDLE = Q(
    codename__regex="^(add_user|(add|delete)_(deletion|signature|outgoingmail|accessrequest|accessgrant|download.*|volume))$"
)
IDLE |= Q(codename__regex="^change_(deletion|signature|downloadrecord|volume)$") | Q(codename__endswith="event")


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
class GroupAdmin(HouseAdmin):
    form = GroupForm
    list_display = ["name"]
    ordering = ["name"]
    search_fields = ["name"]
    search_help_text = "Any part of the name"

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        return queryset.filter(name__icontains=term)
