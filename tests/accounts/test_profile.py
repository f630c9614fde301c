"""The profile, and the export of all that is held about a person."""

import json
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.mail import queue
from accounts.models import Deletion, User
from accounts.services.registration import export_my_data
from datasets.models import CountedPerson, Notice
from datasets.services.downloads import token_of
from datasets.services.notices import send_test
from tests.factories import (
    AccessGrantFactory,
    AccessRequestFactory,
    BounceFactory,
    DownloadLinkFactory,
    DownloadRecordFactory,
    SignatureFactory,
    UserFactory,
)
from tests.registrations import ANSWERS

pytestmark = pytest.mark.django_db
PROFILE = "/accounts/profile/"
# Rows that point to a person and hold nothing about them that another section does not say.
SAID_ELSEWHERE = {
    "accounts.User_groups",
    "accounts.User_user_permissions",
    "pghistory.MiddlewareEvents",
}


@pytest.fixture
def quiet(client: Client) -> User:
    user = UserFactory(email="quiet@example.org", name="Quiet Reader")
    client.force_login(user)
    return user


def test_a_profile_is_changed_by_its_owner(client: Client, quiet: User) -> None:
    assert client.post(PROFILE, {**ANSWERS, "name": "Quiet Reader-Mensah"})["Location"] == PROFILE
    quiet.refresh_from_db()
    assert quiet.name == "Quiet Reader-Mensah"
    assert "Your profile is saved." in client.get(PROFILE).content.decode()


def test_a_profile_keeps_what_was_typed_beside_the_errors(client: Client, quiet: User) -> None:
    page = client.post(PROFILE, {**ANSWERS, "research_purpose": "MRI", "name": "A\nB"}).content.decode()
    assert "Write at least 100 characters; you have 3" in page
    assert "line breaks or characters that cannot be seen" in page
    quiet.refresh_from_db()
    assert quiet.name == "Quiet Reader"


def test_a_profile_takes_no_other_fields(client: Client, quiet: User) -> None:
    client.post(PROFILE, {**ANSWERS, "is_staff": "1", "is_superuser": "1", "email": "root@example.org"})
    quiet.refresh_from_db()
    assert not quiet.is_staff
    assert quiet.email == "quiet@example.org"


def test_a_profile_lists_signatures_with_dates_and_hashes(client: Client, quiet: User) -> None:
    signature = SignatureFactory(user=quiet)
    page = client.get(PROFILE).content.decode()
    assert signature.version.agreement.title in page
    assert signature.record_hash[:8] in page
    assert f"{signature.signed_at:%Y}" in page


def test_a_profile_escapes_what_people_call_themselves(client: Client, quiet: User) -> None:
    User.objects.filter(pk=quiet.pk).update(name="<script>alert(1)</script>", institution='"><img src=x>')
    page = client.get(PROFILE).content.decode()
    assert "<script>alert(1)" not in page
    assert "<img src=x>" not in page


# My data ----------------------------------------------------------------------------------------------------


def everything(user: User) -> dict[str, str]:
    """A row of every kind about a person, with a word by which it is found."""
    signature = SignatureFactory(user=user, typed_name="Signed So")
    request = AccessRequestFactory(user=user, purpose="The purpose of then")
    grant = AccessGrantFactory(user=user)
    link = DownloadLinkFactory(grant=grant)
    record = DownloadRecordFactory(link=link, agent="curl/8.5 of that day")
    TOTP.activate(user, generate_totp_secret())
    SocialAccount.objects.create(user=user, provider="orcid", uid="0000-0002-1825-0097")
    queue("account/password_changed", user=user, at="2026-11-12T08:30:00+00:00", address="192.0.2.9", agent="Firefox")
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(
        user=user,
        content_type=kind,
        object_id="0",
        object_repr="somebody else",
        action_flag=CHANGE,
        change_message="so",
    )
    BounceFactory(user=user, said="550 No such mailbox here")
    Deletion.objects.create(user=user, why="What a maintainer wrote")
    CountedPerson.objects.create(user=user, institution="The institution of then")
    user.groups.add(Group.objects.create(name="A group of then"))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    send_test(Notice(kind="withdrawal", release=link.release, text="What was tried"), to=user)
    return {
        "accounts.Bounce": "550 No such mailbox here",
        "accounts.AccountEvent": '"account_was": [\n',
        "accounts.GroupMemberEvent": '"pgh_label": "insert"',
        "accounts.Deletion": "What a maintainer wrote",
        "accounts.Signature": signature.record_hash,
        "accounts.OutgoingMail": "account/password_changed",
        "account.EmailAddress": '"verified": true',
        "mfa.Authenticator": "TOTP Authenticator",
        "socialaccount.SocialAccount": "0000-0002-1825-0097",
        "admin.LogEntry": "somebody else",
        "datasets.AccessRequest": "The purpose of then",
        "datasets.AccessRequestEvent": f'"status": "{request.status}"',
        "datasets.AccessGrant": grant.dataset.slug,
        "datasets.AccessGrantEvent": '"history": [',
        "datasets.CountedPerson": "The institution of then",
        "datasets.DownloadLink": link.release.dataset.slug,
        "datasets.DownloadRecord": record.agent,
        "datasets.Notice": "What was tried",
    }


def held_about_people() -> set[str]:
    """The models that point to a person, directly or through a grant."""
    fields = User._meta.get_fields(include_hidden=True)
    direct = {field.related_model._meta.label for field in fields if field.auto_created and not field.concrete}  # type: ignore[union-attr]
    return direct - SAID_ELSEWHERE | {"datasets.DownloadLink", "datasets.DownloadRecord"}


def test_my_data_is_complete(client: Client, quiet: User) -> None:
    words = everything(quiet)
    assert set(words) == held_about_people()
    answer = client.get("/accounts/my-data.json")
    assert answer["Content-Type"] == "application/json"
    assert "my-data.json" in answer["Content-Disposition"]
    text = answer.content.decode()
    assert {model: word for model, word in words.items() if word not in text} == {}
    data = answer.json()
    assert list(data) == list(settings.PERSONAL_DATA)
    for field in ("name", "institution", "position", "research_purpose"):
        assert data["account"][field] == getattr(quiet, field)
    assert data["account"]["country"] == "GH"


def test_my_data_opens_nothing(client: Client, quiet: User) -> None:
    secret = generate_totp_secret()
    TOTP.activate(quiet, secret)
    link = DownloadLinkFactory(grant=AccessGrantFactory(user=quiet))
    queue("account/password_reset_code", user=quiet, nonce="reset:0:a-nonce")
    text = client.get("/accounts/my-data.json").content.decode()
    for key in (secret, quiet.password, token_of(link), str(link.nonce), "a-nonce"):
        assert key not in text


def test_my_data_is_about_nobody_else(client: Client, quiet: User) -> None:
    other = UserFactory(email="other@example.org", name="Somebody Else")
    everything(other)
    text = client.get("/accounts/my-data.json").content.decode()
    for word in ("other@example.org", "Somebody Else", "The purpose of then", "Signed So"):
        assert word not in text


def test_my_data_needs_signing_in(client: Client) -> None:
    assert client.get("/accounts/my-data.json")["Location"].startswith("/accounts/login/")


def test_my_data_costs_the_same_queries_however_much_there_is(quiet: User, django_assert_max_num_queries: Any) -> None:
    grant = AccessGrantFactory(user=quiet)
    for _ in range(5):
        DownloadRecordFactory(link=DownloadLinkFactory(grant=grant))
        SignatureFactory(user=quiet)
        AccessRequestFactory(user=quiet)
    with django_assert_max_num_queries(24):
        data = export_my_data(quiet)
    assert len(data["access"]["downloads"]) == 5
    json.dumps(data, default=str)


def test_my_data_reads_no_hashes_of_parts_and_no_release_notes(quiet: User) -> None:
    """A record's archive may have thousands of hashes, which were read once for every record."""
    DownloadRecordFactory(link=DownloadLinkFactory(grant=AccessGrantFactory(user=quiet)))
    with CaptureQueriesContext(connection) as seen:
        export_my_data(quiet)
    asked = " ".join(query["sql"] for query in seen)
    assert "datasets_downloadrecord" in asked
    for column in ("part_hashes", '"notes"', '"description"'):
        assert column not in asked
