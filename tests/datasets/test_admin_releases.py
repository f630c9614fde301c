"""The maintainer's way in the admin: folder, ticks, progress, dry run, publication, withdrawal, and its undoing."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from datasets.admin import imports as pages
from datasets.exceptions import BucketDown
from datasets.models import Archive, Ingest, Release
from datasets.services.downloads import token_of
from datasets.services.maintainers import create_maintainer_groups
from datasets.services.releases import clients, ingest_due_archives, ingesting, propose, publish_release
from datasets.services.releases.clients import NOBODYS
from datasets.storage import Bucket, bucket
from tests import imports
from tests.access import granted, offered
from tests.factories import (
    ArchiveFactory,
    DownloadLinkFactory,
    IngestFactory,
    ReleaseFactory,
    StaffFactory,
    UserFactory,
)
from tests.maintainers import let_in, maintainer, with_second_factor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ingesting, "Sandbox", imports.Reader)
    imports.empty()
    yield
    imports.empty()


@pytest.fixture(autouse=True)
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(pages, "hint", lambda task: names.append(task.name))
    return names


def away(*_: object, **__: object) -> None:
    raise BucketDown("It does not answer.")


def path(release: Release, page: str) -> str:
    return f"/admin/datasets/release/{release.pk}/{page}/"


def listed(client: Client, release: Release, source: str) -> str:
    answer = client.get(path(release, "import"), {"from": source})
    assert answer.status_code == 200
    return str(answer.content.decode())


def ticked(client: Client, release: Release, *names: str, **more: str) -> str:
    proposal = propose(release.dataset, imports.place())
    answer = {"from": proposal.source, "fingerprint": proposal.fingerprint, **more}
    keys = [f"{imports.FOLDER}{name}" for name in names]
    return client.post(path(release, "import"), {**answer, "take": keys}, follow=True).content.decode()


def decide(client: Client, release: Release, name: str, **answer: str) -> str:
    return client.post(path(release, f"decide/{name}"), {"decided": "yes", **answer}, follow=True).content.decode()


class TestImport:
    def test_a_folder_is_listed_with_ticks_and_nothing_is_read(self, client: Client) -> None:
        maintainer(client)
        release = imports.draft()
        ArchiveFactory(release=release.dataset.releases.published().get(), name="knee_old.tar")
        imports.upload("knee_train.tar")
        bucket().put(f"{imports.FOLDER}README.txt", b"hello")

        page = listed(client, release, imports.place())

        assert (
            f'value="{imports.FOLDER}knee_train.tar" aria-label="Take {imports.FOLDER}knee_train.tar" checked' in page
        )
        assert f'aria-label="Take {imports.FOLDER}README.txt" disabled' in page
        assert "knee_old.tar" in page
        assert "it is of no kind that is read here" in page
        assert not release.archives.exists()

    def test_what_is_ticked_is_imported_and_checked(self, client: Client, hinted: list[str]) -> None:
        maintainer(client)
        release = imports.draft()
        imports.upload("knee_train.tar")
        imports.upload("knee_val.tar")

        page = ticked(client, release, "knee_train.tar")

        release.refresh_from_db()
        assert release.status == "checking"
        assert [archive.name for archive in release.archives.all()] == ["knee_train.tar"]
        assert "0 verified, 0 being read, 1 waiting, 0 failed" in page
        assert hinted == ["datasets.tasks.ingest_archives"]

    def test_or_checked_later(self, client: Client, hinted: list[str]) -> None:
        maintainer(client)
        release = imports.draft()
        imports.upload("knee_train.tar")
        ticked(client, release, "knee_train.tar", later="yes")
        release.refresh_from_db()
        assert (release.status, release.archives.count(), hinted) == ("draft", 1, [])

    def test_split_and_coils_are_corrected_before_and_after(self, client: Client) -> None:
        maintainer(client)
        release = imports.draft()
        imports.upload("knee_train.tar")
        imports.upload("odd_name.tar")
        page = listed(client, release, imports.place())
        assert "its name does not say which split it is" in page
        odd = f"{imports.FOLDER}odd_name.tar"
        words = {f"split:{odd}": "validation", f"coils:{odd}": " 4  to 20"}
        ticked(client, release, "knee_train.tar", "odd_name.tar", later="yes", **words)
        assert list(release.archives.order_by("name").values_list("split", "coils")) == [
            ("train", ""),
            ("validation", "4 to 20"),
        ]
        # What was written is what the list shows again, and what is written then counts.
        assert '<option value="validation" selected>' in listed(client, release, imports.place())
        ticked(client, release, "odd_name.tar", later="yes", **words | {f"split:{odd}": "test"})
        assert release.archives.get(name="odd_name.tar").split == "test"
        # And on the archive's own page, which leaves what was read as it is.
        archive = release.archives.get(name="knee_train.tar")
        names = ("release_id", "name", "key", "version_id", "etag", "size", "sha256")
        told = {name.removesuffix("_id") if name == "release_id" else name: getattr(archive, name) for name in names}
        client.post(f"/admin/datasets/archive/{archive.pk}/change/", {**told, "split": "sample", "coils": "15"})
        archive.refresh_from_db()
        assert (archive.split, archive.coils) == ("sample", "15")

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("split", "elsewhere", "this is no split"),
            ("split", "\0", "this is no split"),
            ("coils", "x" * 21, "write the coils in 20 characters"),
            ("coils", "4\0", "write the coils in 20 characters"),
        ],
    )
    def test_words_that_cannot_be_kept_lose_nothing(self, field: str, value: str, said: str, client: Client) -> None:
        maintainer(client)
        release = imports.draft()
        imports.upload("knee_train.tar")
        imports.upload("knee_val.tar")
        words = {f"{field}:{imports.FOLDER}knee_val.tar": value, f"coils:{imports.FOLDER}knee_train.tar": "15 here"}
        page = ticked(client, release, "knee_val.tar", **words)
        assert said in page
        assert 'value="15 here"' in page
        assert f'aria-label="Take {imports.FOLDER}knee_val.tar" checked' in page
        assert f'aria-label="Take {imports.FOLDER}knee_train.tar">' in page
        assert not release.archives.exists()

    def test_a_list_that_changed_meanwhile_is_shown_again(self, client: Client) -> None:
        maintainer(client)
        release = imports.draft()
        imports.upload("knee_train.tar")
        keys = [f"{imports.FOLDER}knee_train.tar"]
        answer = {"from": imports.place(), "fingerprint": "another list", "take": keys}
        page = client.post(path(release, "import"), answer, follow=True).content.decode()
        assert "has changed since you looked at it" in page
        assert not release.archives.exists()

    def test_of_very_many_the_rest_is_one_tick(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        maintainer(client)
        release = imports.draft()
        monkeypatch.setattr(pages, "TICKED", 1)
        for name in ("a.tar", "b.tar", "c.tar"):
            imports.upload(name)
        assert "and the other 2 that can be taken" in listed(client, release, imports.place())
        ticked(client, release, "a.tar", rest="yes")
        assert release.archives.count() == 3

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("s3://other-bucket/knee/", "own bucket alone"),
            ("http://169.254.169.254/", "no place in the bucket"),
            (imports.place("nothing/here/"), "There is nothing in"),
        ],
        ids=["another bucket", "another machine", "nothing there"],
    )
    def test_other_places_are_refused_with_a_sentence(self, source: str, said: str, client: Client) -> None:
        maintainer(client)
        assert said in listed(client, imports.draft(), source)

    def test_a_bucket_that_is_away_is_said_to_be(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        maintainer(client)
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(Bucket, "listing", away)
            assert "could not be asked" in listed(client, imports.draft(), imports.place())

    def test_nothing_is_imported_into_what_is_published(self, client: Client) -> None:
        maintainer(client)
        release = ReleaseFactory()
        imports.upload("knee_train.tar")
        assert "is published" in ticked(client, release, "knee_train.tar")

    def test_who_may_only_look_imports_nothing(self, client: Client) -> None:
        create_maintainer_groups()
        reviewer = with_second_factor(StaffFactory(is_superuser=False))
        reviewer.groups.add(Group.objects.get(name="Reviewers"))
        let_in(client, reviewer)
        release = imports.draft()
        assert client.get(path(release, "import")).status_code == 403
        assert client.get(path(release, "progress")).status_code == 200
        assert "Back to a draft" not in client.get(path(release, "dry-run")).content.decode()


class TestProgress:
    def test_it_tells_bytes_states_and_reasons_with_the_ways_on(self, client: Client) -> None:
        maintainer(client)
        row = IngestFactory()
        release = row.archive.release
        bad = ArchiveFactory(release=release, status="failed", reason="File 2 cannot be opened", sha256="")
        ArchiveFactory(release=release)

        page = client.get(path(release, "progress")).content.decode()

        assert "1 verified, 0 being read, 1 waiting, 1 failed" in page
        assert "File 2 cannot be opened." in page
        assert f"/admin/datasets/archive/{bad.pk}/decide/leave-out/" in page
        assert "The others go on" in page
        assert 'http-equiv="refresh"' not in page
        assert 'http-equiv="refresh"' in client.get(path(release, "progress"), {"every": ""}).content.decode()

    def test_an_archive_is_read_again_or_left_out_from_its_page(self, client: Client) -> None:
        maintainer(client)
        release = imports.registered("good.tar", "gone.tar", release=imports.draft())
        bucket().delete(f"{imports.FOLDER}gone.tar")
        decide(client, release, "check")
        ingest_due_archives(seconds=60)
        gone = release.archives.get(name="gone.tar")
        archive = f"/admin/datasets/archive/{gone.pk}/decide"

        client.post(f"{archive}/read-again/", {"decided": "yes"}, follow=True)
        assert Ingest.objects.get(archive=gone).state == "waiting"

        page = client.post(f"{archive}/leave-out/", {"decided": "yes"}, follow=True).content.decode()
        assert "gone.tar is left out" in page
        release.refresh_from_db()
        assert release.status == "ready"

    def test_an_archive_whose_key_is_written_by_hand_is_verified_no_more(self, client: Client) -> None:
        maintainer(client)
        archive = ArchiveFactory(release=imports.draft())
        words = {"release": archive.release_id, "name": archive.name, "key": "other.tar", "version_id": "", "etag": ""}
        words |= {"size": "", "sha256": "", "split": "", "coils": ""}
        client.post(f"/admin/datasets/archive/{archive.pk}/change/", words)
        archive.refresh_from_db()
        assert (archive.key, archive.status) == ("other.tar", "registered")


class TestDryRun:
    def test_it_lists_what_is_missing_with_the_way_to_mend_it(self, client: Client) -> None:
        maintainer(client)
        page = client.get(path(ReleaseFactory(status="ready", published_at=None), "dry-run")).content.decode()
        assert "It has no archive." in page
        assert "Import them from the bucket." in page
        assert "Publish …" not in page

    def test_it_tells_what_will_be_and_leads_to_publication(self, client: Client) -> None:
        maintainer(client)
        dataset = offered()
        granted(UserFactory(), dataset)
        release = imports.read_into(imports.draft(dataset), "knee_train.tar")

        page = client.get(path(release, "dry-run")).content.decode()

        assert "Nothing keeps it from being published" in page
        assert "1 person with access" in page
        assert f"{release.archives.get().sha256}  knee_train.tar" in page
        assert "Publish …" in page
        assert "Who they are, as CSV" in page

    @pytest.mark.parametrize(
        "name", ["SHA256SUMS", "download.sh", "aria2.txt", "curl.txt", "wget.txt", "manifest.json", "commands.txt"]
    )
    def test_what_clients_will_see_is_what_they_see_afterwards(self, name: str, client: Client) -> None:
        """But for the link in it: by the same code, then through a real link."""
        user = maintainer(client)
        dataset = offered()
        grant = granted(UserFactory(), dataset)
        release = imports.read_into(imports.draft(dataset), "knee_train.tar", "knee_val.tar")
        before = client.get(path(release, "dry-run") + name)
        assert before.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert "no-store" in before.headers["Cache-Control"]
        publish_release(release, by=user)
        link = DownloadLinkFactory(grant=grant, release=release)
        after = Client().get(f"/get/{token_of(link)}/{name}")
        assert after.status_code == 200
        assert before.content.decode().replace(NOBODYS, token_of(link)) == after.content.decode()

    def test_the_page_and_the_text_of_a_link_too(self, client: Client) -> None:
        maintainer(client)
        release = imports.read("knee_train.tar")
        page = client.get(path(release, "dry-run") + "listing.html").content.decode()
        text = client.get(path(release, "dry-run") + "listing.txt").content.decode()
        assert "knee_train.tar" in page
        assert release.archives.get().sha256 in text
        assert Client().get(f"/get/{NOBODYS}/").status_code == 404

    @pytest.mark.parametrize("name", ["status", "knee_train.tar", "%00", "x" * 300])
    def test_what_no_client_asks_for_is_not_there(self, name: str, client: Client) -> None:
        maintainer(client)
        assert client.get(path(imports.draft(), "dry-run") + name).status_code == 404

    def test_of_very_many_archives_the_page_only_leads_to_the_texts(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        maintainer(client)
        monkeypatch.setattr(clients, "MOST", 1)
        release = imports.read("knee_train.tar", "knee_val.tar")
        page = client.get(path(release, "dry-run")).content.decode()
        assert "The whole of SHA256SUMS" in page
        assert release.archives.first().sha256 not in page  # type: ignore[union-attr]

    def test_who_may_not_see_people_exports_none(self, client: Client) -> None:
        create_maintainer_groups()
        curator = with_second_factor(StaffFactory(is_superuser=False))
        curator.groups.add(Group.objects.get(name="Curators"))
        let_in(client, curator)
        dataset = offered()
        granted(UserFactory(), dataset)
        release = imports.draft(dataset)
        assert "as CSV" not in client.get(path(release, "dry-run")).content.decode()
        assert client.post(f"/admin/datasets/notice/try/release/{release.pk}/people/").status_code == 403

    def test_the_export_is_a_file_and_a_line_of_the_log(self, client: Client) -> None:
        user = maintainer(client)
        dataset = offered()
        holder = granted(UserFactory(), dataset).user
        release = imports.draft(dataset)
        answer = client.post(f"/admin/datasets/notice/try/release/{release.pk}/people/")
        assert holder.email in answer.getvalue().decode()
        entry = LogEntry.objects.latest("pk")
        assert (entry.user, entry.object_repr) == (user, "CSV of 1 person")

    def test_a_bucket_that_is_away_is_said_to_be(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        maintainer(client)
        release = imports.read("knee_train.tar")
        monkeypatch.setattr(Bucket, "head", away)
        assert "could not be asked" in client.get(path(release, "dry-run")).content.decode()
        assert "It does not answer." in decide(client, release, "publish")


class TestDecisions:
    def test_from_ready_to_published_to_withdrawn_and_back(self, client: Client) -> None:
        maintainer(client)
        release = imports.read("knee_train.tar")
        states = []
        for name, answer in (
            ("publish", {}),
            ("withdraw", {"reason": "Two volumes carried dates."}),
            ("undo-withdrawal", {}),
        ):
            decide(client, release, name, **answer)
            states.append(Release.objects.get(pk=release.pk).status)
        assert states == ["published", "withdrawn", "published"]

    def test_a_release_is_published_later_and_that_is_taken_back(self, client: Client) -> None:
        maintainer(client)
        release = imports.read("knee_train.tar")
        when = (timezone.now() + timedelta(days=2)).replace(second=0, microsecond=0)

        decide(client, release, "schedule", publish_at=when.strftime("%Y-%m-%dT%H:%M"))
        release.refresh_from_db()
        assert (release.status, release.publish_at) == ("scheduled", when)

        decide(client, release, "unschedule")
        release.refresh_from_db()
        assert release.status == "ready"

    def test_a_time_that_is_gone_is_refused(self, client: Client) -> None:
        maintainer(client)
        release = imports.read("knee_train.tar")
        assert "still to come" in decide(client, release, "schedule", publish_at="2020-01-01T00:00")
        assert "Give the day and the time" in decide(client, release, "schedule", publish_at="")

    def test_notes_are_written_after_the_check_without_reading_anything_twice(self, client: Client) -> None:
        maintainer(client)
        release = imports.read("knee_train.tar")
        Release.objects.update(notes="")
        decide(client, release, "reopen")
        words = {"dataset": release.dataset_id, "version": release.version, "summary": "", "notes": "New scans."}
        client.post(path(release, "change"), words)
        decide(client, release, "check")
        release.refresh_from_db()
        assert (release.status, release.notes) == ("ready", "New scans.")
        assert set(Archive.objects.filter(release=release).values_list("status", flat=True)) == {"verified"}
