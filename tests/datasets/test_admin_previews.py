"""Rendering again from the admin, and how far it is."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets.admin import previews as admin_previews
from datasets.models import Archive, Preview, Release, Volume
from datasets.services.maintainers import create_maintainer_groups, permit_previews
from tests.archives import PICTURES
from tests.factories import PreviewFactory, StaffFactory, VolumeFactory
from tests.maintainers import let_in, maintainer, with_second_factor

pytestmark = pytest.mark.django_db
LIST = "/admin/datasets/preview/"


@pytest.fixture
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(admin_previews, "hint", lambda task: names.append(task.name))
    return names


def chosen(client: Client, model: type[Model], *rows: int) -> str:
    """The page that choosing these rows of a list leads to."""
    path = reverse(f"admin:datasets_{model.__name__.lower()}_changelist")
    answer = client.post(path, {"action": "render", "_selected_action": rows}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def progress(client: Client, asked: str) -> tuple[int, str]:
    answer = client.get(f"{LIST}progress/?asked={quote(asked)}")
    return answer.status_code, answer.content.decode()


class TestAgain:
    def test_chosen_previews_go_back_to_the_queue_together_and_their_progress_is_shown(
        self, client: Client, hinted: list[str]
    ) -> None:
        maintainer(client)
        first, second, other = PreviewFactory.create_batch(3, pictures=PICTURES)
        page = chosen(client, Preview, first.pk, second.pk)
        assert set(Preview.objects.filter(state="waiting")) == {first, second}
        assert len({row.asked_at for row in Preview.objects.filter(state="waiting")}) == 1
        assert "0 of 2 are done, 0 failed, 0 at work, 2 to come" in page
        assert hinted == ["datasets.tasks.render_previews"]
        assert LogEntry.objects.get().object_repr == "2 previews"
        other.refresh_from_db()
        assert other.state == "done"

    @pytest.mark.parametrize("model", [Volume, Archive, Release])
    def test_volumes_archives_and_releases_can_be_chosen_with_or_without_previews(
        self, model: type[Model], client: Client, hinted: list[str]
    ) -> None:
        maintainer(client)
        volume = PreviewFactory(pictures=PICTURES).volume
        VolumeFactory(archive=volume.archive)
        VolumeFactory()
        rows = {Volume: [row.pk for row in volume.archive.volumes.all()], Archive: [volume.archive_id]}
        page = chosen(client, model, *rows.get(model, [volume.archive.release_id]))
        assert "0 of 2 are done" in page
        assert Preview.objects.filter(state="waiting").count() == 2

    def test_an_archive_without_volumes_says_so(self, client: Client, hinted: list[str]) -> None:
        maintainer(client)
        archive = VolumeFactory().archive
        archive.volumes.all().delete()
        assert "There is no volume in what was chosen." in chosen(client, Archive, archive.pk)
        assert hinted == []

    def test_one_can_be_rendered_again_from_its_own_page(self, client: Client) -> None:
        maintainer(client)
        row = PreviewFactory(pictures=PICTURES)
        page = client.get(f"{LIST}{row.pk}/change/").content.decode()
        assert f"{LIST}{row.pk}/decide/again/" in page
        client.post(f"{LIST}{row.pk}/decide/again/", {"decided": "1"})
        row.refresh_from_db()
        assert (row.state, bool(row.folder)) == ("waiting", True)

    def test_only_those_who_may_change_previews_do(self, client: Client, hinted: list[str]) -> None:
        create_maintainer_groups()
        row = PreviewFactory(pictures=PICTURES)
        reader = with_second_factor(StaffFactory(is_superuser=False))
        reader.user_permissions.set(Group.objects.get(name="Curators").permissions.filter(codename__startswith="view_"))
        let_in(client, reader)
        for model, pk in ((Preview, row.pk), (Volume, row.volume_id), (Archive, row.volume.archive_id)):
            chosen(client, model, pk)
        assert client.post(f"{LIST}{row.pk}/decide/again/", {"decided": "1"}).status_code == 403
        row.refresh_from_db()
        assert row.state == "done"
        assert hinted == []

    def test_curators_do_also_where_their_group_was_there_before(self, client: Client, hinted: list[str]) -> None:
        create_maintainer_groups()
        row = PreviewFactory(pictures=PICTURES)
        curator = with_second_factor(StaffFactory(is_superuser=False))
        group = Group.objects.get(name="Curators")
        group.permissions.filter(content_type__model="preview").delete()
        permit_previews()
        curator.groups.add(group)
        let_in(client, curator)
        chosen(client, Preview, row.pk)
        assert hinted


class TestProgress:
    def test_it_counts_estimates_and_names_what_failed(self, client: Client) -> None:
        maintainer(client)
        asked = timezone.now() - timedelta(minutes=10)
        facts = {"asked_at": asked, "finished_at": asked + timedelta(minutes=10)}
        PreviewFactory.create_batch(2, pictures=PICTURES, **facts)
        failed = PreviewFactory(state="failed", reason="The file is <empty>.", **facts)
        PreviewFactory.create_batch(3, asked_at=asked)
        PreviewFactory(asked_at=asked, state="running", leased_until=timezone.now())
        PreviewFactory()
        _status, page = progress(client, asked.isoformat())
        assert "2 of 7 are done, 1 failed, 1 at work, 3 to come" in page
        # Three in ten minutes: four take thirteen.
        assert "the rest takes about 13 minutes" in page
        assert "The file is &lt;empty&gt;." in page
        assert f"{LIST}{failed.pk}/change/" in page
        assert "Look again" in page
        assert "http-equiv" not in page

    def test_when_all_are_finished_it_says_so(self, client: Client) -> None:
        maintainer(client)
        row = PreviewFactory(pictures=PICTURES)
        assert "All are finished." in progress(client, row.asked_at.isoformat())[1]

    def test_none_is_estimated_before_one_is_finished(self, client: Client) -> None:
        maintainer(client)
        assert "nobody can say" in progress(client, PreviewFactory().asked_at.isoformat())[1]

    @pytest.mark.parametrize("asked", ["", "x", "2026-13-45T00:00:00+00:00", "2026-11-26T00:00:00", "\0"])
    def test_a_moment_that_is_none_is_not_found(self, asked: str, client: Client) -> None:
        maintainer(client)
        assert progress(client, asked)[0] == 404

    def test_a_moment_at_which_nothing_was_asked_says_so(self, client: Client) -> None:
        maintainer(client)
        assert "No preview was asked for" in progress(client, "2020-01-01T00:00:00+00:00")[1]

    def test_it_is_for_those_who_may_see_previews(self, client: Client) -> None:
        let_in(client, with_second_factor(StaffFactory(is_superuser=False)))
        assert progress(client, timezone.now().isoformat())[0] == 403


def test_a_rows_page_shows_its_pictures(client: Client) -> None:
    maintainer(client)
    row = PreviewFactory(pictures=PICTURES)
    page = client.get(f"{LIST}{row.pk}/change/").content.decode()
    assert f'<img src="{reverse("preview_image", args=[row.volume_id, row.folder, PICTURES[0]])}"' in page
    assert "Reconstruction of slice 2" in page
    volume = client.get(f"/admin/datasets/volume/{row.volume_id}/change/").content.decode()
    assert f"{LIST}{row.pk}/change/" in volume


def test_a_report_of_another_version_of_the_site_is_said_to_be_one(client: Client) -> None:
    maintainer(client)
    row = PreviewFactory(pictures=PICTURES)
    Preview.objects.update(report={"pictures": []})
    assert "not readable any more" in client.get(f"{LIST}{row.pk}/change/").content.decode()


def test_a_preview_is_found_by_words_of_its_volume(client: Client) -> None:
    maintainer(client)
    PreviewFactory(volume__path="train/file1000001.h5")
    PreviewFactory(volume__path="train/file2000002.h5")
    page = client.get(f"{LIST}?q=file1000").content.decode()
    assert "file1000001" in page
    assert "file2000002" not in page
