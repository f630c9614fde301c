"""A person about whom there is a row of every kind, all of them marked; and where the marks still stand."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pghistory
import time_machine
from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Model
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.mail import queue
from accounts.models import Deletion, OutgoingMail, User
from accounts.services.deletions import delete_account
from accounts.services.people import reset_second_factor
from accounts.services.work import work_through
from datasets.models import AccessGrant, CountedPerson, DailyUsage, DownloadRecord
from datasets.services.access import approve_request, decline_request, revoke_grant, withdraw_request
from datasets.services.deletions import carry_out
from datasets.services.maintainers import create_maintainer_groups
from tests.access import asked, link_of, offered, reviewed, sign
from tests.factories import BounceFactory, DownloadRecordFactory, StaffFactory, UserFactory
from tests.receipts import make_all_receipts

EMAIL, OLD_EMAIL = "marked.person@marks.example.org", "marked.earlier@marks.example.org"
NAME = "Markiplia Markowska"
MARKS = (
    *(EMAIL, OLD_EMAIL, NAME, "marked.person%40marks", "Markiplia+Markowska", "Institute of Marks", "marked purpose"),
    *("203.0.113.", "MarkedBrowser", "marked reason", "0000-0001-2345-6789", "Marked Passkey", "marked token"),
)


@dataclass
class Whole:
    """Somebody with a row of every kind."""

    user: User
    client: Client
    secrets: tuple[str, ...]
    """Salts and the like, which are marks as well."""
    grant: AccessGrant
    record: DownloadRecord

    @property
    def marks(self) -> tuple[str, ...]:
        return (*MARKS, *self.secrets)


def whole_person() -> Whole:
    user = UserFactory(
        email=EMAIL, name=NAME, institution="Institute of Marks", research_purpose="A marked purpose. " * 8
    )
    grant, record = with_access(user)
    with_requests(user)
    with_ways_in(user)
    with_mails(user)
    with_log(user)
    client = with_sessions(user)
    salts = user.signatures.values_list("salt", flat=True)
    return Whole(user, client, (*salts, user.password), grant, record)


def with_access(user: User) -> tuple[AccessGrant, DownloadRecord]:
    dataset = offered()
    sign(user, dataset, address="203.0.113.7", agent="MarkedBrowser/7")
    make_all_receipts()
    grant = user.access_grants.get(dataset=dataset)
    link, archive = link_of(grant), dataset.releases.get().archives.get()
    told = {"address": "203.0.113.8", "agent": "MarkedBrowser/8 curl", "country": "GH"}
    CountedPerson.objects.create(user=grant.user, institution=grant.user.institution)
    DailyUsage.objects.create(grant=grant, day=timezone.now().date(), asked=1_000)
    return grant, DownloadRecordFactory(link=link, archive=archive, **told)


def with_requests(user: User) -> None:
    """Pending, declined, withdrawn, and approved with an access that was revoked."""
    boss = StaffFactory()
    asked(user, reviewed())
    decline_request(asked(user, reviewed()), by=boss, reason=f"A marked reason, {NAME}.")
    withdraw_request(asked(user, reviewed()), by=user)
    revoke_grant(approve_request(asked(user, reviewed()), by=boss), by=boss, reason="Another marked reason.")
    # As maintainer, of whom a context says more than the number.
    other = asked(UserFactory(), reviewed())
    with pghistory.context(user=user.pk, path=f"/admin/?q={EMAIL}"):
        decline_request(other, by=user, reason="Not about the maintainer.")
    end_context()


def end_context() -> None:
    """As the end of a request does: PostgreSQL keeps what pghistory says of it until the transaction's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('pghistory.context_id', '', true), set_config('pghistory.context_metadata', '', true)"
        )


def with_ways_in(user: User) -> None:
    TOTP.activate(user, generate_totp_secret())
    RecoveryCodes.activate(user)
    Authenticator.objects.create(user=user, type="webauthn", data={"name": "Marked Passkey", "credential": {}})
    social = SocialAccount.objects.create(
        user=user, provider="orcid", uid="0000-0001-2345-6789", extra_data={"name": NAME}
    )
    SocialToken.objects.create(account=social, token="a marked token", token_secret="another marked token")
    address = EmailAddress.objects.create(user=user, email=OLD_EMAIL)
    EmailConfirmation.objects.create(email_address=address, key="marked token of an address", sent=timezone.now())
    create_maintainer_groups()
    user.groups.add(Group.objects.get(name="Reviewers"))
    user.user_permissions.add(Permission.objects.first())  # type: ignore[arg-type]


def with_mails(user: User) -> None:
    event = {"at": "2026-11-12T08:30:00+00:00", "address": "203.0.113.9", "agent": "MarkedBrowser"}
    queue("account/password_changed", user=user, **event)
    queue("account/email_changed", user=user, to=OLD_EMAIL, from_email=OLD_EMAIL, to_email=EMAIL, **event)
    # Before there was an account.
    queue("account/unknown_account", to=EMAIL)
    said = {"state": "failed", "reason": f"The mail server said 550: {EMAIL} unknown", "finished_at": timezone.now()}
    mail = OutgoingMail.objects.create(template="access/link", to=EMAIL, user=user, **said)
    BounceFactory(user=user, mail=mail, said=f"550 5.1.1 {EMAIL} unknown", event="marked-event")


def with_log(user: User) -> None:
    """What was done about them, what names them elsewhere, and what they did as maintainers."""
    boss = StaffFactory()
    log(boss, user, EMAIL, f"{EMAIL} was disabled.")
    request = user.access_requests.order_by("pk").first()
    assert request is not None
    log(boss, request, f"{request}", f"{request}: declined.")
    log(boss, user.signatures.all()[0], f"{NAME}, version 1", "Looked at.")
    log(boss, user, "CSV of 3 people", "Exported, narrowed by q=marked.person%40marks.example.org.", about="")
    log(boss, user, "CSV of 3 people", "Exported, narrowed by q=Markiplia+Markowska.", about="")
    other = UserFactory()
    log(user, other, other.email, "Changed name.")
    TOTP.activate(other, generate_totp_secret())
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    user.refresh_from_db()
    reset_second_factor(other, by=user)


def log(by: User, row: Model, named: str, message: str, about: str | None = None) -> None:
    kind = ContentType.objects.get_for_model(row)
    LogEntry.objects.create(
        user=by,
        content_type=kind,
        object_id=str(row.pk) if about is None else about,
        object_repr=named,
        action_flag=CHANGE,
        change_message=message,
    )


def with_sessions(user: User) -> Client:
    """Signed in, and, in another browser, on the way to signing in."""
    client, other = Client(), Client()
    client.force_login(user)
    session = other.session
    session["account_login"] = {"email": EMAIL}
    session.save()
    return client


# What the worker does ----------------------------------------------------------------------------------------


def deleted(person: Whole, **facts: Any) -> Deletion:
    """As a maintainer decides it, and the worker does it once the farewell has left."""
    deletion = delete_account(person.user, by=StaffFactory(), reason=f"A marked reason about {NAME}.", **facts)
    assert deletion.mail is not None
    deletion.mail.record_sent()
    work(minutes=2)
    deletion.refresh_from_db()
    return deletion


def work(*, minutes: int = 0) -> None:
    """What a worker does now, and so much later. What is outside is written now: a bucket believes no other clock."""
    for later in sorted({0, minutes}):
        Deletion.objects.filter(state=Deletion.State.WAITING).update(due_at=Now())
        with time_machine.travel(timezone.now() + timedelta(minutes=later)):
            work_through(Deletion.objects.all(), carry_out, seconds=30)


# Where somebody is named -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mention:
    table: str
    row: str
    columns: tuple[str, ...]


def rows_that_mention(marks: Iterable[str]) -> list[Mention]:
    """Every row of every table of the database, sessions opened, in which one of these stands."""
    wanted = [mark.lower() for mark in marks]
    return [
        Mention(table, str(next(iter(row.values()))), columns)
        for table, row in every_row()
        if (columns := tuple(name for name, value in row.items() if any(mark in written(value) for mark in wanted)))
    ]


def rows_of(user: User) -> list[str]:
    """Every row that belongs to the person's number, with what is in it: what remains, for people to read."""
    grants = AccessGrant.objects.filter(user=user)
    columns: dict[str, set[Any]] = {
        **{name: {user.pk} for name in ("user_id", "by_id", "decided_by_id", "revoked_by_id")},
        "signature_id": set(user.signatures.values_list("pk", flat=True)),
        "grant_id": set(grants.values_list("pk", flat=True)),
        "link_id": set(grants.values_list("links", flat=True)) - {None},
    }
    return [
        f"{table} { ({name: value for name, value in row.items() if value not in (None, '', {}, [])}) }"
        for table, row in every_row()
        if (table == "accounts_user" and row["id"] == user.pk)
        or any(row.get(name) in wanted for name, wanted in columns.items())
    ]


def every_row() -> Iterator[tuple[str, dict[str, Any]]]:
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t')
            for (text,) in cursor.fetchall():
                row = json.loads(text)
                if table == "django_session":
                    row["session_data"] = Session(session_data=row["session_data"]).get_decoded()
                yield table, row


def written(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).lower()
