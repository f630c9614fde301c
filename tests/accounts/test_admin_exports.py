"""Lists as CSV: whole, in constant memory, harmless to spreadsheets, and in the log."""

import csv
from collections.abc import Callable
from io import StringIO
from typing import Any
from unittest import mock

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.services import exports
from accounts.services.exports import cell, export_people
from tests.factories import SignatureFactory, StaffFactory, UserFactory
from tests.maintainers import let_in, maintainer, with_second_factor

pytestmark = pytest.mark.django_db
PEOPLE = "/admin/accounts/user/"


def file_of(response: Any) -> bytes:
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def rows_of(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(file_of(response).decode())))


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(formula: str) -> None:
    assert cell(formula) == f"'{formula}"


def test_a_hostile_name_does_not_become_a_formula(client: Client) -> None:
    maintainer(client)
    UserFactory(name='=HYPERLINK("http://example.com","x")', institution='He said "no",\nthen left')

    [row] = [row for row in rows_of(client.post(f"{PEOPLE}export/")) if "HYPERLINK" in row["name"]]

    assert row["name"] == '\'=HYPERLINK("http://example.com","x")'
    assert row["institution"] == 'He said "no",\nthen left'


def test_the_list_is_exported_as_it_is_narrowed(client: Client) -> None:
    maintainer(client)
    for name in ("Researcher Zürich", "Researcher Łódź"):
        UserFactory(name=name)
    UserFactory(name="Researcher Zürich", is_active=False)

    rows = rows_of(client.post(f"{PEOPLE}export/?q=zuri&is_active__exact=1"))

    assert [row["name"] for row in rows] == ["Researcher Zürich"]
    assert rows[0]["active"] == "yes"


def test_an_address_that_cannot_be_read_exports_nothing(client: Client) -> None:
    maintainer(client)

    response = client.post(f"{PEOPLE}export/?country=%00")

    assert response.status_code == 302


def test_rows_that_were_ticked_are_exported(client: Client) -> None:
    maintainer(client)
    first, second, _third = UserFactory.create_batch(3)

    response = client.post(PEOPLE, {"action": "export", "_selected_action": [first.pk, second.pk]})

    assert {row["e-mail address"] for row in rows_of(response)} == {first.email, second.email}


def test_all_rows_come_once_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "CHUNK", 10)
    UserFactory.create_batch(35)

    with CaptureQueriesContext(connection) as seen:
        lines = b"".join(export_people(User.objects.all())).decode().splitlines()

    assert len(lines) == 36
    assert len(set(lines)) == 36
    assert len(seen) == 4


def test_nothing_is_read_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of millions of rows does not wait in memory for a slow reader."""
    monkeypatch.setattr(exports, "CHUNK", 100)
    UserFactory.create_batch(250)

    with CaptureQueriesContext(connection) as seen:
        next(export_people(User.objects.all()))

    assert len(seen) == 1


def test_the_mark_for_one_spreadsheet_is_optional(client: Client) -> None:
    maintainer(client)

    plain = file_of(client.post(f"{PEOPLE}export/"))
    marked = file_of(client.post(f"{PEOPLE}export/", {"mark": "yes"}))

    assert marked == b"\xef\xbb\xbf" + plain


def test_the_log_says_who_took_what(client: Client) -> None:
    user = maintainer(client)

    client.post(f"{PEOPLE}export/?is_active__exact=1")

    entry = LogEntry.objects.get()
    assert entry.user == user
    assert entry.object_repr == "CSV of 1 users"
    assert "is_active__exact=1" in entry.get_change_message()
    assert "CSV of 1 users" in client.get("/admin/admin/logentry/").content.decode()


def test_a_link_cannot_export(client: Client) -> None:
    maintainer(client)

    assert client.get(f"{PEOPLE}export/").status_code == 405


def test_who_may_not_look_may_not_export(client: Client) -> None:
    let_in(client, with_second_factor(StaffFactory(is_superuser=False)))

    assert client.post(f"{PEOPLE}export/").status_code == 403
    assert not LogEntry.objects.exists()


def test_signatures_are_exported_with_their_hashes(client: Client) -> None:
    maintainer(client)
    signature = SignatureFactory()

    [row] = rows_of(client.post("/admin/accounts/signature/export/"))

    assert row["hash of the record"] == signature.record_hash
    assert row["version"] == str(signature.version.number)
    assert row["signed at"].endswith("Z")
    assert signature.salt not in row.values()


def test_a_file_that_breaks_off_does_not_look_whole(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is raised while the file is sent reaches the server, which cuts the connection without the last chunk."""
    maintainer(client)
    UserFactory.create_batch(120)
    monkeypatch.setattr(exports, "CHUNK", 110)
    response = client.post(f"{PEOPLE}export/")
    with mock.patch.object(CursorWrapper, "execute", execute_once()), pytest.raises(OperationalError, match="gone"):
        file_of(response)


def execute_once() -> Callable[..., Any]:
    """The database answers one query, then it is gone."""
    execute = CursorWrapper.execute
    asked: list[Any] = []

    def answer(cursor: CursorWrapper, *args: Any) -> Any:
        if asked:
            raise OperationalError("gone")
        asked.append(args)
        return execute(cursor, *args)

    return answer
