"""Links are issued, replaced and revoked; what they list; and records never change."""

import pytest
from django.db import DatabaseError, InternalError, ProgrammingError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from datasets.exceptions import FileUnknown, LinkReplaced, MoveNotAllowed
from datasets.models import AccessGrant, Archive, DownloadLink, DownloadRecord
from datasets.services.access.overview import overview_of
from datasets.services.downloads import (
    address_of,
    commands,
    issue_link,
    listing,
    open_link,
    replace_link,
    revoke_link,
    revoke_links,
    token_of,
)
from tests.factories import (
    AccessGrantFactory,
    ArchiveFactory,
    DownloadLinkFactory,
    DownloadRecordFactory,
    ReleaseFactory,
    StaffFactory,
    granted,
)
from tests.owner import as_owner
from tests.threads import at_once

pytestmark = pytest.mark.django_db


class TestIssuing:
    def test_a_grant_has_one_live_link_a_release(self) -> None:
        grant = AccessGrantFactory()
        first, second = (ReleaseFactory(dataset=grant.dataset) for _ in range(2))
        link = issue_link(grant, first)
        assert issue_link(grant, first) == link
        assert issue_link(grant, second) != link

    def test_a_revoked_grant_gets_none(self) -> None:
        grant = AccessGrantFactory(status="revoked", reason="the project has closed", revoked_at=timezone.now())
        with pytest.raises(MoveNotAllowed, match="was revoked"):
            issue_link(grant, ReleaseFactory(dataset=grant.dataset))
        assert not DownloadLink.objects.exists()

    def test_a_grant_gets_none_for_another_dataset(self) -> None:
        with pytest.raises(ValueError, match="not for the dataset"):
            issue_link(AccessGrantFactory(), ReleaseFactory())

    @pytest.mark.django_db(transaction=True)
    def test_several_at_once_get_the_same_one(self) -> None:
        grant = AccessGrantFactory()
        release = ReleaseFactory(dataset=grant.dataset)
        links = at_once([lambda: issue_link(grant, release)] * 4)
        assert len({link.pk for link in links}) == 1


class TestReplacing:
    def test_the_old_one_stops_and_the_new_one_works(self) -> None:
        link = granted()
        new = replace_link(link, by=link.grant.user)
        assert token_of(new) != token_of(link)
        assert open_link(token_of(new)).link_id == new.pk
        with pytest.raises(LinkReplaced):
            open_link(token_of(link))
        link.refresh_from_db()
        assert link.status == "replaced"
        assert link.ended_at

    def test_a_double_click_replaces_once(self) -> None:
        link = granted()
        new = replace_link(link, by=link.grant.user)
        assert replace_link(link, by=link.grant.user) == new
        assert DownloadLink.objects.count() == 2

    def test_a_revoked_one_is_not_replaced(self) -> None:
        link = DownloadLinkFactory(status="revoked", ended_at=timezone.now())
        with pytest.raises(MoveNotAllowed, match="was revoked"):
            replace_link(link, by=link.grant.user)
        assert DownloadLink.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_several_tabs_at_once_replace_once(self) -> None:
        link = granted()
        others = [lambda: replace_link(link, by=link.grant.user)] * 3 + [lambda: issue_link(link.grant, link.release)]
        results = at_once(others)
        assert DownloadLink.objects.live().count() == 1
        assert all(isinstance(result, DownloadLink) for result in results), results
        assert DownloadLink.objects.count() == 2


class TestRevoking:
    def test_a_revoked_link_stops_and_its_owner_may_have_another(self) -> None:
        link = granted()
        revoke_link(link, by=StaffFactory())
        revoke_link(link, by=StaffFactory())
        with pytest.raises(LinkReplaced, match="was revoked"):
            open_link(token_of(link))
        assert open_link(token_of(issue_link(link.grant, link.release)))

    def test_all_live_links_of_a_grant_end_together(self) -> None:
        link = granted()
        new = replace_link(link, by=link.grant.user)
        other = granted()
        assert revoke_links(link.grant) == 1
        assert revoke_links(link.grant) == 0
        statuses = dict(DownloadLink.objects.values_list("pk", "status"))
        assert statuses == {link.pk: "replaced", new.pk: "revoked", other.pk: "live"}


class TestListing:
    def test_it_holds_the_verified_archives_in_their_order(self) -> None:
        link = granted(archives=3)
        ArchiveFactory(release=link.release, status=Archive.Status.REGISTERED)
        ArchiveFactory()
        found = listing(link)
        assert [file.name for file in found.files] == [archive.name for archive in link.release.archives.all()[:3]]
        assert found.total_size == 3 * 100_694_526_932
        assert found.address == address_of(link)

    @pytest.mark.parametrize(
        ("only", "names"),
        [
            (["sample"], ["knee_sample.tar"]),
            (["*_val*"], ["knee_val.tar.xz"]),
            (["knee_*.tar"], ["knee_sample.tar"]),
            (["sample", "val"], ["knee_sample.tar", "knee_val.tar.xz"]),
            (["[kn]*.x?"], ["knee_val.tar.xz"]),
        ],
    )
    def test_patterns_choose_by_part_or_as_the_shell_does(self, only: list[str], names: list[str]) -> None:
        link = granted(archives=0)
        for name in ("knee_sample.tar", "knee_val.tar.xz"):
            ArchiveFactory(release=link.release, name=name)
        assert [file.name for file in listing(link, only).files] == names

    def test_a_pattern_without_a_file_says_where_all_are(self) -> None:
        link = granted()
        with pytest.raises(FileUnknown, match=address_of(link)):
            listing(link, ["nothing"])

    def test_names_that_are_more_than_plain_never_get_into_the_database(self) -> None:
        for name in ("a b.tar", "a\nb.tar", "../a.tar", "-rf", "$(id).tar", 'a".tar', "ä.tar", "a.tar\n"):
            with pytest.raises(DatabaseError, match="archive_name_plain"), transaction.atomic():
                ArchiveFactory(name=name)


class TestCommands:
    def test_the_link_stands_on_no_command_line_of_a_program(self) -> None:
        """Only in a word of the shell's own echo or printf, which no list of processes shows."""
        link = granted()
        token = token_of(link)
        for command in commands(link).values():
            first, *others = command.splitlines()
            assert first.startswith(("(umask 077; echo '", "(umask 077; printf '"))
            assert token in first
            assert token not in "".join(others)

    def test_they_are_few_lines_and_choose_files_if_asked(self) -> None:
        link = granted()
        name = link.release.archives.get().name
        found = commands(link, only=[name])
        assert list(found) == ["script", "aria2", "curl", "wget", "check"]
        assert all(len(command.splitlines()) == 3 for command in found.values())
        assert all(f"?only={name}" in command for command in found.values())


class TestRecords:
    @pytest.mark.parametrize(
        "change",
        [
            {"address": "192.0.2.8"},
            {"agent": "another"},
            {"first_byte": 9},
            {"country": "GH"},
            {"issued_at": timezone.now()},
            {"address": None, "agent": ""},
        ],
    )
    def test_nothing_else_of_a_record_ever_changes(self, change: dict[str, object]) -> None:
        DownloadRecordFactory(agent="curl/8")
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            DownloadRecord.objects.update(**change)
        with pytest.raises(InternalError, match="append-only"), as_owner():
            DownloadRecord.objects.update(**change)

    def test_a_record_is_never_deleted(self) -> None:
        record = DownloadRecordFactory()
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            record.delete()
        with pytest.raises(InternalError, match="append-only"), as_owner():
            record.delete()

    def test_a_grant_that_was_used_keeps_its_links(self) -> None:
        record = DownloadRecordFactory()
        with pytest.raises(DatabaseError), transaction.atomic():
            AccessGrant.objects.filter(pk=record.link.grant_id).delete()


class TestPartHashes:
    """An archive may have thousands: what does not show them does not read them."""

    def test_lists_do_not_read_them(self) -> None:
        link = granted()
        with CaptureQueriesContext(connection) as seen:
            assert listing(link).files
        assert not [query["sql"] for query in seen if "part_hashes" in query["sql"]]

    def test_my_downloads_does_not_read_them(self) -> None:
        link = granted()
        DownloadRecordFactory(link=link, archive=link.release.archives.get())
        with CaptureQueriesContext(connection) as seen:
            (section,) = overview_of(link.grant.user)
            assert section.fetched[0].last.archive.release.version
        assert not [query["sql"] for query in seen if "part_hashes" in query["sql"] or '"notes"' in query["sql"]]

    def test_the_manifest_shows_them(self, client: Client) -> None:
        link = granted()
        Archive.objects.update(part_size=5, part_hashes=["a" * 64])
        (file,) = client.get(f"/get/{token_of(link)}/manifest.json").json()["files"]
        assert (file["part_size"], file["part_hashes"]) == (5, ["a" * 64])
