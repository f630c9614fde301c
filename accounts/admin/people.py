"""People: their profile, their ways in, and what a maintainer may do about an account."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Exists, F, Model, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django_countries import countries

from accounts.admin.decisions import DecidingAdmin, Decision, ReasonForm
from accounts.admin.exporting import Export, ExportingAdmin
from accounts.admin.history import history
from accounts.admin.lists import SelectFilter, period
from accounts.admin.marks import country, state
from accounts.admin.pages import ReadOnlyAdmin, Table, shown_below
from accounts.mail import bounce_of
from accounts.models import Bounce, User
from accounts.models.search import word_query
from accounts.services.deletions import delete_account, is_being_deleted
from accounts.services.exports import export_people
from accounts.services.people import disable_account, enable_account, reset_second_factor

PRIVILEGES = ("is_staff", "is_superuser", "groups")

DISABLE = Decision(
    name="disable",
    title="Disable account",
    consequence="The person cannot sign in any more, and every link is refused from its next request on. "
    "Nothing is deleted, and enabling brings all of it back. No mail is sent.",
    service=disable_account,
    done="{row} was disabled.",
    permission="accounts.change_user",
    is_open=lambda user: user.is_active,
    is_grave=True,
)
ENABLE = Decision(
    name="enable",
    title="Enable account",
    consequence="The person can sign in again, and links of grants that have not ended work again. No mail is sent.",
    service=enable_account,
    done="{row} was enabled.",
    permission="accounts.change_user",
    is_open=lambda user: not user.is_active and not is_being_deleted(user),
)
DELETE = Decision(
    name="delete",
    title="Delete account",
    consequence="The account is closed at once and cannot be enabled again. The person is mailed the reason; when that "
    "mail has left, within an hour at most, everything that is about the person is removed. What stays is a row "
    "without a name: signatures with their hashes, and downloads that count for their release.",
    service=delete_account,
    done="{row} is deleted as soon as the mail has left.",
    permission="accounts.delete_user",
    is_open=lambda user: not is_being_deleted(user),
    form=ReasonForm,
    many=False,
    is_grave=True,
)
RESET = Decision(
    name="reset-second-factor",
    title="Reset second factor",
    consequence="Every app, passkey and recovery code of the account is taken away, and the password alone opens it. "
    "Be sure that it is the person who asks. A maintainer then sets up a new one before the admin opens.",
    service=reset_second_factor,
    done="The second factors of {row} were taken away; a mail tells the person.",
    permission="mfa.delete_authenticator",
    many=False,
    is_grave=True,
)


class ReachFilter(admin.SimpleListFilter):
    """Whose mail comes back."""

    title = "mail"
    parameter_name = "mail"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("back", "Comes back")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() != "back":
            return queryset
        # From the few bounces to their people, rather than asking of everybody.
        return queryset.filter(pk__in=Bounce.objects.open().filter(address=F("user__email")).values("user"))


class CountryFilter(SelectFilter):
    title = "country"
    parameters = ("country",)

    def values(self) -> list[tuple[str, str]]:
        return [(code, name) for code, name in countries]


@admin.register(User)
class UserAdmin(ExportingAdmin, DecidingAdmin):
    list_display = ["email", "name", "institution", "home", "joined", "standing"]
    list_filter = [period("date_joined", "registered"), "is_active", "is_staff", ReachFilter, "position", CountryFilter]
    search_fields = ["email", "name", "institution"]
    search_help_text = "Beginnings of words of the address, the name or the institution: zurich example"
    autocomplete_fields = ["groups"]
    finds_by_index = True
    walks = True
    decisions = [DISABLE, ENABLE, RESET, DELETE]
    export = Export("people", export_people)
    fieldsets = [
        (None, {"fields": ["email", "name", "institution", "country", "position", "research_purpose"]}),
        ("Account", {"fields": ["standing", "mail", "date_joined", "last_login"]}),
        ("Maintainer", {"fields": list(PRIVILEGES)}),
    ]

    def with_marks(self, rows: QuerySet) -> QuerySet:
        return rows.annotate(comes_back=Exists(Bounce.objects.open().of_the_outer_person()))

    def find(self, request: HttpRequest, queryset: QuerySet, term: str) -> QuerySet:
        query = word_query(term)
        return queryset.filter(words=query) if query else queryset.none()

    def describe(self, row: User) -> Sequence[str]:
        return [row.email, row.name, row.institution]

    @admin.display(description="country")
    def home(self, row: User) -> str:
        return country(row.country) if row.country else "-"

    @admin.display(description="registered")
    def joined(self, row: User) -> str:
        return date_format(row.date_joined, "DATE_FORMAT")

    @admin.display(description="account")
    def standing(self, row: User) -> SafeString:
        if row.is_forgotten:
            return state("revoked", "deleted")
        if not row.is_active:
            return state("revoked", "disabled")
        if getattr(row, "comes_back", False):
            return state("failed", "unreachable")
        return state("active", "maintainer" if row.is_staff else "active")

    @admin.display(description="mail")
    def mail(self, row: User) -> str:
        bounce = bounce_of(row)
        if bounce is None:
            return "arrives, as far as is known"
        return state("failed", f"comes back since {date_format(bounce.at, 'DATE_FORMAT')}")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """People register themselves, and confirm their address."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Who maintains the site is changed by superusers alone; of whom a number is left, nothing is."""
        if isinstance(obj, User) and obj.is_forgotten:
            return False
        guarded = isinstance(obj, User) and (obj.is_staff or obj.is_superuser)
        may = super().has_change_permission(request, obj)
        return may and (not guarded or _is_superuser(request))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """An address changes hands only by its owner's confirmation; an account opens and closes by its buttons."""
        fixed = ["email", "standing", "mail", "date_joined", "last_login"]
        own = obj is not None and obj.pk == request.user.pk
        return fixed if _is_superuser(request) and not own else [*fixed, *PRIVILEGES]


@shown_below(User, permission="accounts.view_user")
def addresses(user: Any) -> Table:
    rows = user.emailaddress_set.order_by("-primary", "pk")[:20]
    told = [
        (row.email, "confirmed" if row.verified else "not confirmed", "main" if row.primary else "") for row in rows
    ]
    return Table("E-mail addresses", ("Address", "State", ""), told)


@shown_below(User, permission="accounts.view_user")
def mails_back(user: Any) -> Table:
    """What mail servers answered, newest first, and what has settled it."""
    told = [
        (row.at, row.address, row.get_kind_display(), row.said or "nothing", row.settled_at or _open(row, user))
        for row in user.bounces.order_by("-at")[:20]
    ]
    headings = ("When (UTC)", "Address", "What", "The server said", "Known to work since (UTC)")
    return Table("Mails that came back", headings, told)


def _open(row: Bounce, user: User) -> str:
    return "not known to work" if row.kind == Bounce.Kind.PERMANENT and row.address == user.email else "–"


@shown_below(User, permission="accounts.view_user")
def ways_in(user: Any) -> Table:
    """Which providers and second factors there are, never what they hold."""
    accounts = [
        (account.provider.upper(), account.uid, account.date_joined, account.last_login)
        for account in user.socialaccount_set.order_by("pk")[:20]
    ]
    factors = [
        (factor.get_type_display(), "second factor", factor.created_at, factor.last_used_at or "not used yet")
        for factor in user.authenticator_set.defer("data").order_by("pk")[:20]
    ]
    return Table("Ways in", ("What", "Identity", "Since", "Last used"), [*accounts, *factors], empty="Password alone.")


shown_below(User, permission="accounts.view_user")(history)


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """What was done in the admin, exports included."""

    list_display = ["action_time", "user", "content_type", "object_repr", "change"]
    list_select_related = ["user", "content_type"]
    list_filter = ["action_flag"]
    search_fields = ["user"]
    search_help_text = "Beginnings of words of the maintainer's address, name or institution"
    person = "user"
    fields = ["action_time", "user", "content_type", "object_id", "object_repr", "change"]

    @admin.display(description="what was done")
    def change(self, row: LogEntry) -> str:
        return row.get_change_message()


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
