"""Deleting a person with everything: what remains, in which order, and what a killed or repeated run does."""

import json
from datetime import timedelta

import pytest
from celery import Task
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction
from django.test import Client, TestCase
from django.utils import timezone

from accounts.exceptions import MoveNotAllowed
from accounts.mail import deliver_next
from accounts.models import Deletion, Forgetting, OutgoingMail, Signature, User, Work
from accounts.services.deletions import delete_account, delete_own_account
from accounts.services.evidence import examine_chain
from accounts.services.forgetting import end_stored_sessions
from accounts.services.people import enable_account
from accounts.tasks import sweep
from datasets.exceptions import AccountDisabled, BucketDown
from datasets.models import AccessGrant, AccessRequest, DownloadLink, DownloadRecord
from datasets.services import deletions
from datasets.services.deletions import FOLDER
from datasets.services.downloads import open_link, token_of
from datasets.storage import evidence_bucket
from datasets.tasks import delete_accounts
from tests.access import offered, sign
from tests.factories import DownloadRecordFactory, StaffFactory, UserFactory, granted
from tests.maintainers import maintainer
from tests.owner import as_owner, tamper
from tests.person import EMAIL, deleted, rows_of, rows_that_mention, whole_person, work

pytestmark = pytest.mark.django_db


class TestWhatRemains:
    def test_nothing_mentions_the_person_any_more(self) -> None:
        person = whole_person()
        tables = {mention.table for mention in rows_that_mention(person.marks)}
        assert {
            *("accounts_user", "accounts_signature", "accounts_outgoingmail", "account_emailaddress", "django_session"),
            *("django_admin_log", "mfa_authenticator", "socialaccount_socialaccount", "socialaccount_socialtoken"),
            *("datasets_accessrequest", "datasets_accessrequestevent", "datasets_accessgrant"),
            *("datasets_accessgrantevent", "datasets_downloadrecord", "pghistory_context", "account_emailconfirmation"),
        } <= tables

        deletion = deleted(person)

        assert deletion.state == Work.State.DONE
        assert rows_that_mention(person.marks) == []
        remains = rows_of(person.user)
        print("\n".join(["What remains:", *remains]))
        assert remains

    def test_the_chain_of_signatures_still_verifies(self) -> None:
        person = whole_person()
        sign(UserFactory(), offered())
        count = Signature.objects.count()
        deleted(person)
        chain = examine_chain()
        assert (chain.count, chain.bad) == (count, None)

    def test_downloads_still_count_for_the_release(self) -> None:
        person = whole_person()
        release = person.record.archive.release
        deleted(person)
        record = DownloadRecord.objects.get(archive__release=release)
        assert (record.address, record.agent, record.country) == (None, "", "")
        assert (record.pk, record.issued_at) == (person.record.pk, person.record.issued_at)

    def test_the_row_of_the_person_says_nothing_and_opens_nothing(self) -> None:
        person = whole_person()
        deleted(person)
        user = User.objects.get(pk=person.user.pk)
        assert user.is_forgotten
        assert (user.name, user.institution, str(user.country), user.position, user.research_purpose) == ("",) * 5
        assert (user.is_active, user.is_staff, user.is_superuser, user.last_login) == (False, False, False, None)
        assert not user.has_usable_password()
        assert not user.groups.exists()

    def test_it_stays_how_much_was_forgotten_and_when(self) -> None:
        person = whole_person()
        deleted(person)
        noted = {row.function: row.rows for row in Forgetting.objects.filter(person=person.user.pk)}
        assert set(noted) == {"forget_signatures", "forget_receipts", "forget_downloads", "forget_history"}
        assert noted["forget_signatures"] == person.user.signatures.count()
        assert noted["forget_downloads"] == 1
        assert Forgetting.objects.count() == len(noted)

    def test_the_admin_shows_it(self, client: Client) -> None:
        deletion = deleted(whole_person())
        maintainer(client)
        page = client.get(f"/admin/accounts/deletion/{deletion.pk}/change/").content.decode()
        assert "forget_downloads: 1 on " in page

    def test_the_chain_is_not_whole_without_the_record_of_it(self) -> None:
        person = whole_person()
        deleted(person)
        tamper("DELETE FROM accounts_forgetting")
        bad = examine_chain().bad
        assert bad
        assert "not forgotten" in bad.reason

    def test_sessions_of_whose_address_is_only_like_it_go_on(self) -> None:
        person = whole_person()
        others = [stored_session(address) for address in (f"x{EMAIL}", f"{EMAIL}.uk", f"a.{EMAIL}", f"{EMAIL}x")]
        theirs = [stored_session(f"Said to {EMAIL.upper()}.")]
        deleted(person)
        assert set(Session.objects.filter(pk__in=[*others, *theirs]).values_list("pk", flat=True)) == set(others)

    def test_an_address_in_any_script_ends_its_sessions(self) -> None:
        user = UserFactory(email="zoë@marks.example.org")
        key = stored_session(user.email)
        end_stored_sessions(user, [user.email])
        assert not Session.objects.filter(pk=key).exists()

    def test_sessions_end(self) -> None:
        person = whole_person()
        key = person.client.session.session_key
        assert Session.objects.filter(pk=key).exists()
        deleted(person)
        assert not Session.objects.filter(pk=key).exists()

    def test_nothing_is_left_to_decide_to_use_or_to_send(self) -> None:
        person = whole_person()
        deleted(person)
        assert not AccessRequest.objects.pending().filter(user=person.user).exists()
        assert not AccessGrant.objects.active().filter(user=person.user).exists()
        assert not DownloadLink.objects.live().filter(grant__user=person.user).exists()
        assert set(OutgoingMail.objects.filter(user=person.user).values_list("state", "to")) == {("done", "")}

    def test_others_keep_all_of_theirs(self) -> None:
        person = whole_person()
        other = UserFactory(email="other.reader@example.org", name="Other Reader")
        sign(other, offered())
        client = Client()
        client.force_login(other)
        before = rows_that_mention(["other.reader@example.org", "Other Reader"])
        deleted(person)
        assert rows_that_mention(["other.reader@example.org", "Other Reader"]) == before
        assert client.get("/accounts/profile/").status_code == 200

    def test_a_maintainers_deeds_stay_without_the_address(self) -> None:
        person = whole_person()
        deleted(person)
        row = AccessRequest.objects.exclude(user=person.user).get(decided_by=person.user)
        assert row.reason == "Not about the maintainer."
        told = OutgoingMail.objects.get(template="account/totp_deactivated")
        assert told.to
        assert told.keys["agent"] == "the administration"

    def test_the_address_may_register_again(self) -> None:
        deleted(whole_person())
        assert UserFactory(email=EMAIL).pk


class TestAtOnce:
    def test_links_sessions_and_signing_in_end_before_anything_is_forgotten(self) -> None:
        link = granted()
        user, token = link.grant.user, token_of(link)
        client = Client()
        client.force_login(user)
        open_link(token)

        delete_own_account(user)

        with pytest.raises(AccountDisabled):
            open_link(token)
        assert client.get("/accounts/profile/").status_code == 302
        user.refresh_from_db()
        assert user.name

    def test_who_is_signing_at_this_moment_leaves_no_signature(self) -> None:
        user, dataset = UserFactory(), offered()
        User.objects.filter(pk=user.pk).update(is_active=False)
        with pytest.raises(Exception, match="closed a moment ago"), transaction.atomic():
            sign(user, dataset)
        assert not user.signatures.exists()

    def test_a_second_click_is_the_same_deletion(self) -> None:
        user = UserFactory()
        assert delete_own_account(user) == delete_own_account(user)
        assert OutgoingMail.objects.filter(template="account/deleted").count() == 1

    def test_nobody_enables_the_account_again(self) -> None:
        user = UserFactory()
        delete_own_account(user)
        with pytest.raises(MoveNotAllowed, match="is deleted"):
            enable_account(user, by=StaffFactory())

    def test_the_last_superuser_stays(self) -> None:
        boss = StaffFactory()
        with pytest.raises(MoveNotAllowed, match="last superuser"):
            delete_own_account(boss)
        StaffFactory()
        assert delete_own_account(boss)


class TestWaiting:
    def test_the_farewell_leaves_before_its_address_is_forgotten(self) -> None:
        user = UserFactory(email=EMAIL)
        deletion = delete_own_account(user)
        work(minutes=59)
        deletion.refresh_from_db()
        assert (deletion.state, deletion.reason) == ("waiting", "The farewell is on its way.")
        assert deliver_next()
        work(minutes=2)
        deletion.refresh_from_db()
        assert deletion.state == "done"

    def test_a_farewell_that_cannot_leave_holds_it_up_for_an_hour(self) -> None:
        deletion = delete_own_account(UserFactory())
        work(minutes=61)
        deletion.refresh_from_db()
        assert deletion.state == "done"
        assert deletion.mail
        assert (deletion.mail.state, deletion.mail.to) == ("done", "")

    def test_requests_of_before_end_before_it_begins(self) -> None:
        deletion = delete_own_account(UserFactory())
        assert deletion.mail
        deletion.mail.record_sent()
        work()
        deletion.refresh_from_db()
        assert deletion.state == "waiting"

    def test_it_is_written_down_outside_first_and_names_nobody(self) -> None:
        person = whole_person()
        delete_own_account(person.user)
        work()
        [key] = evidence_bucket().keys(f"{FOLDER}{person.user.pk}-")
        bucket = evidence_bucket()
        text = bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read().decode()
        assert set(json.loads(text)) == {"user", "fingerprint", "asked_at"}
        assert not [mark for mark in person.marks if mark.lower() in text.lower()]
        assert rows_that_mention([EMAIL])

    def test_nothing_is_forgotten_while_the_bucket_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(_deletion: Deletion) -> None:
            raise BucketDown("gone")

        deletion = delete_own_account(UserFactory(email=EMAIL))
        monkeypatch.setattr(deletions, "write_down", away)
        work(minutes=61)
        deletion.refresh_from_db()
        assert (deletion.state, deletion.deaths) == ("waiting", 0)
        assert "bucket" in deletion.reason
        assert User.objects.filter(email=EMAIL).exists()
        monkeypatch.undo()
        work(minutes=61)
        assert not User.objects.filter(email=EMAIL).exists()


class TestTask:
    def test_the_sweeper_finds_what_is_due_and_the_task_does_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hinted: list[str] = []
        monkeypatch.setattr(Task, "apply_async", lambda task, **_options: hinted.append(task.name))
        deletion = delete_own_account(UserFactory())
        OutgoingMail.objects.update(due_at=timezone.now() + timedelta(days=1))
        with TestCase.captureOnCommitCallbacks(execute=True):
            sweep()
        assert hinted == [delete_accounts.name]
        delete_accounts()
        deletion.refresh_from_db()
        assert (deletion.state, deletion.attempts) == ("waiting", 1)
        assert deletion.written_at


class TestFaults:
    def test_killed_half_way_it_is_done_again_from_the_beginning(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """All of it is one transaction, so whatever kills it leaves all of the person."""
        person = whole_person()
        before = rows_that_mention(person.marks)
        delete_account(person.user, by=StaffFactory(), reason="So.")

        monkeypatch.setattr(settings, "FORGETTING", [*settings.FORGETTING, "tests.datasets.test_deletions.killed"])
        with pytest.raises(KeyboardInterrupt):
            work(minutes=61)
        assert {mention.table for mention in before} <= {mention.table for mention in rows_that_mention(person.marks)}

        monkeypatch.undo()
        Deletion.objects.update(state="waiting", leased_until=None)
        work(minutes=61)
        assert rows_that_mention(person.marks) == []

    def test_done_twice_it_changes_nothing(self) -> None:
        person = whole_person()
        deletion = deleted(person)
        remains = rows_of(person.user)
        Deletion.objects.filter(pk=deletion.pk).update(state="waiting", finished_at=None)
        work(minutes=61)
        assert without_work(rows_of(person.user)) == without_work(remains)


def stored_session(address: str) -> str:
    session = Client().session
    session["account_login"] = {"email": address}
    session.save()
    return str(session.session_key)


def killed(_user: User) -> None:
    raise KeyboardInterrupt


def without_work(rows: list[str]) -> list[str]:
    return sorted(row for row in rows if not row.startswith("accounts_deletion"))


class TestEvidence:
    """What the database itself refuses, whoever asks."""

    @pytest.mark.parametrize("function", ["forget_signatures", "forget_downloads", "forget_history", "forget_receipts"])
    def test_nobody_is_forgotten_whose_deletion_is_not_running(self, function: str) -> None:
        person = whole_person()
        refused(f"SELECT public.{function}({person.user.pk})", "no deletion of person")
        delete_account(person.user, by=StaffFactory(), reason="So.")
        refused(f"SELECT public.{function}({person.user.pk})", "no deletion of person")

    def test_nor_anybody_whose_account_is_open(self) -> None:
        person = whole_person()
        Deletion.objects.create(user=person.user, state="running", leased_until=person.user.date_joined)
        refused(f"SELECT public.forget_signatures({person.user.pk})", "no deletion of person")

    @pytest.mark.parametrize(
        "change",
        [
            "typed_name = 'Another'",
            "typed_name = ''",
            "salt = ''",
            "typed_name = '', email = '', address = NULL, agent = '', salt = '', statements = '[]'",
            "typed_name = '', email = '', address = NULL, agent = '', salt = '', commitments = '{\"a\": \"b\"}'",
            "typed_name = '', email = '', address = NULL, agent = '', salt = '', signed_at = now()",
            "typed_name = '', email = 'x@example.org', address = NULL, agent = '', salt = ''",
        ],
    )
    def test_a_signature_loses_what_is_personal_and_nothing_else(self, change: str) -> None:
        user = running()
        refused(f"UPDATE accounts_signature SET {change} WHERE user_id = {user.pk}", "Cannot update or delete")

    def test_only_of_the_person_whose_deletion_runs(self) -> None:
        running()
        other = granted().grant.user
        change = "typed_name = '', email = '', address = NULL, agent = '', salt = ''"
        refused(f"UPDATE accounts_signature SET {change} WHERE user_id = {other.pk}", "Cannot update or delete")

    @pytest.mark.parametrize("change", ["agent = ''", "address = NULL, agent = 'x'", "first_byte = 9, address = NULL"])
    def test_a_record_loses_what_is_personal_and_nothing_else(self, change: str) -> None:
        user = running()
        refused(f"UPDATE datasets_downloadrecord SET {change}", "append-only")
        assert DownloadRecord.objects.filter(link__grant__user=user).count() == 1

    def test_addresses_are_not_blanked_before_their_time(self) -> None:
        DownloadRecordFactory()
        for days in ("29", "-1", "NULL"):
            refused(f"SELECT public.blank_addresses({days}, 1000)", "kept for 30 days at least")
        for days in ("179", "NULL"):
            refused(f"SELECT public.blank_purposes({days}, 1000)", "kept for 180 days at least")

    def test_a_deletion_is_neither_taken_away_nor_turned_to_somebody_else(self) -> None:
        deletion = delete_own_account(UserFactory())
        refused(f"DELETE FROM accounts_deletion WHERE id = {deletion.pk}", "Cannot delete")
        refused(f"UPDATE accounts_deletion SET user_id = {UserFactory().pk}", "Cannot update")

    def test_the_functions_are_nobodys_by_default_and_look_nowhere_else(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT proname, prosecdef, proconfig, proacl::text FROM pg_proc"
                " WHERE pronamespace = 'public'::regnamespace AND proname ~ '^(forget|blank)_'"
            )
            found = {name: (definer, config, rights) for name, definer, config, rights in cursor.fetchall()}
        assert set(found) == {
            *("forget_signatures", "forget_receipts", "forget_downloads", "forget_history"),
            *("blank_addresses", "blank_purposes"),
        }
        for definer, config, rights in found.values():
            assert definer
            assert config == ["search_path=pg_catalog, public, pg_temp"]
            # "=X/owner" would be everybody.
            assert not any(entry.startswith("=") for entry in rights.strip("{}").split(","))


def running() -> User:
    """A person with a signature and a download, whose deletion runs."""
    link = granted()
    DownloadRecordFactory(link=link)
    user: User = link.grant.user
    delete_own_account(user)
    assert Deletion.objects.claim(lease=timedelta(minutes=1))
    return user


def refused(statement: str, sentence: str) -> None:
    with pytest.raises(DatabaseError, match=sentence), transaction.atomic(), as_owner() as cursor:
        cursor.execute(statement)
