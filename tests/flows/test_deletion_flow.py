"""Being forgotten, with real parts: a person registers, signs, fetches, deletes the account; and nothing names them."""

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg2

from tests.demo import Demo
from tests.visitor import LINK, Visitor
from tests.waiting import wait_until

EMAIL = "to.be.forgotten@example.org"


def test_a_person_is_forgotten_by_the_running_site(demo: Demo) -> None:
    visitor = Visitor(demo, EMAIL)
    visitor.register()
    visitor.sign("knee")
    found = LINK.search(demo.wait_for_mail(EMAIL, "your download link", 90).text)
    assert found
    link = found[0]
    assert status(f"{link}status") == 200
    with urlopen(Request(f"{link}manifest.json"), timeout=30) as answer:
        name = json.load(answer)["files"][0]["name"]
    assert status(f"{link}{name}") == 200
    assert {"accounts_user", "accounts_signature", "accounts_outgoingmail"} <= tables_that_mention(demo, EMAIL)

    visitor.get("/accounts/profile/delete/")
    # Who has just come in is not asked again.
    done = visitor.post("/accounts/profile/delete/", {"sure": "on"})

    assert "Your account is closed" in done.text
    assert status(f"{link}status") == 403
    demo.wait_for_mail(EMAIL, "is deleted", 90)
    wait_until(lambda: not tables_that_mention(demo, EMAIL), "The deletion", 240)
    assert "The chain is whole" in demo.command("verify_evidence").stdout
    assert "0 deleted again, 1 deleted already" in demo.command("replay_deletions").stdout


def status(address: str) -> int:
    try:
        with urlopen(Request(address), timeout=30) as answer:
            return answer.status
    except HTTPError as refusal:
        with refusal:
            return refusal.code


def tables_that_mention(demo: Demo, text: str) -> set[str]:
    with psycopg2.connect(demo.environment["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {table for (table,) in cursor.fetchall() if mentions(cursor, table, text)}


def mentions(cursor: psycopg2.extensions.cursor, table: str, text: str) -> bool:
    cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}" t WHERE strpos(lower(t::text), %s) > 0)', [text])
    row = cursor.fetchone()
    return bool(row and row[0])
