"""Previews of volumes in the bucket: planned once, rendered from where they lie, kept, and never lost half-way."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models.work import Work
from accounts.services.work import standing_of
from accounts.tasks import send_mails
from datasets.exceptions import BucketDown
from datasets.kspace.sandbox import SandboxError
from datasets.kspace.spool import Spool
from datasets.models import Preview, Volume
from datasets.services.previews import pictures, plan_previews, render_again, render_due_previews, render_volumes
from datasets.services.previews import rendering as rendering_module
from datasets.services.previews.rendering import Renderer
from datasets.storage import Bucket, bucket, preview_bucket
from datasets.storage.ranges import RangeFile
from datasets.tasks import render_previews
from tests.archives import PICTURES, Painter, stored
from tests.factories import PreviewFactory, StaffFactory, VolumeFactory, digest_of
from tests.threads import at_once

FILES = {f"train/file{number}.h5": f"volume {number} ".encode() * 40_000 for number in range(4)}
NAMES = ["volumes.tar", "volumes.tar.gz", "volumes.tar.xz"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _painter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(rendering_module, "Sandbox", Painter)
    Painter.started = Painter.closed = 0
    yield
    rendering_module._renderer.close()
    for key in list(preview_bucket().keys("")):
        preview_bucket().delete(key)


def planned(*names: str, **options: Any) -> list[Volume]:
    for name in names:
        stored(name, FILES, **options)
    plan_previews(Volume.objects.all())
    return list(Volume.objects.order_by("pk"))


def shown(volume: Volume) -> dict[str, bytes]:
    """The pictures that the volume's row names."""
    row = Preview.objects.get(volume=volume)
    return {name: pictures.bytes_of(row.folder, name) for name in PICTURES}


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[tuple[Any, ...]]:
    """With what a method is called from now on."""
    calls: list[tuple[Any, ...]] = []
    whole = getattr(owner, name)

    def call(self: Any, *args: Any, **facts: Any) -> Any:
        calls.append(args)
        return whole(self, *args, **facts)

    monkeypatch.setattr(owner, name, call)
    return calls


def states() -> list[str]:
    return list(Preview.objects.order_by("pk").values_list("state", flat=True))


def due_again() -> None:
    Preview.objects.filter(state=Work.State.WAITING).update(due_at=timezone.now() - timedelta(seconds=1))


class TestPlanning:
    def test_each_volume_gets_one_row_in_the_order_in_which_it_lies_in_its_archive(self) -> None:
        second, first = (VolumeFactory(offset=offset) for offset in (9_000, 512))
        Volume.objects.filter(pk=second.pk).update(archive=first.archive)
        assert plan_previews(Volume.objects.all()) == 2
        assert plan_previews(Volume.objects.all()) == 0
        assert list(Preview.objects.order_by("pk").values_list("volume", flat=True)) == [first.pk, second.pk]
        assert set(Preview.objects.values_list("state", "folder", "report")) == {("waiting", "", None)}

    def test_many_at_once_plan_each_volume_once(self) -> None:
        VolumeFactory.create_batch(30)
        outcomes = at_once([partial(plan_previews, Volume.objects.all())] * 4)
        assert max(outcomes) == 30
        assert Preview.objects.count() == 30


class TestRendering:
    @pytest.mark.parametrize("name", NAMES)
    def test_every_volume_is_rendered_from_its_own_bytes(self, name: str) -> None:
        volumes = planned(name)
        assert not render_due_previews(seconds=60)
        for volume in volumes:
            assert set(shown(volume).values()) == {b"RIFF    WEBP" + FILES[volume.path]}
        assert states() == ["done"] * 4
        assert (Painter.started, Painter.closed) == (1, 1)

    def test_a_file_that_is_no_archive_is_its_own_volume(self) -> None:
        archive = stored("file1.h5", {})
        bucket().put(archive.key, b"volume")
        archive.etag = bucket().head(archive.key).etag
        archive.save()
        plan_previews(Volume.objects.filter(pk=VolumeFactory(archive=archive, offset=0, size=6).pk))
        render_due_previews(seconds=60)
        assert shown(Volume.objects.get())["thumbnail.webp"] == b"RIFF    WEBPvolume"

    @pytest.mark.parametrize("name", NAMES[1:])
    def test_a_compressed_archive_is_one_pass_also_over_several_runs(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened = counted(monkeypatch, Bucket, "open")
        planned(name)
        while render_due_previews(seconds=0):
            pass
        assert states() == ["done"] * 4
        assert len(opened) == 1
        assert (Painter.started, Painter.closed) == (1, 1)

    def test_pictures_say_what_they_are_and_that_they_never_change(self) -> None:
        planned("volumes.tar")
        render_due_previews(seconds=60)
        folder = Preview.objects.earliest("pk").folder
        assert len(folder) == 32
        kept = preview_bucket().client.get_object(Bucket=preview_bucket().name, Key=f"{folder}/thumbnail.webp")
        assert kept["ContentType"] == "image/webp"

    def test_two_workers_at_once_render_each_volume_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        planned(*NAMES)
        claimed = counted(monkeypatch, Renderer, "render_preview")
        at_once([partial(render_due_previews, seconds=60, renderer=Renderer()) for _each in range(2)])
        assert sorted(row.pk for (row,) in claimed) == sorted(Preview.objects.values_list("pk", flat=True))
        assert states() == ["done"] * 12

    def test_a_volume_that_is_deleted_meanwhile_ends_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        volumes = planned("volumes.tar")
        claim = Renderer.render_preview

        def deleted(self: Renderer, row: Preview) -> None:
            if row.volume_id == volumes[0].pk:
                volumes[0].delete()
            claim(self, row)

        monkeypatch.setattr(Renderer, "render_preview", deleted)
        render_due_previews(seconds=60)
        assert states() == ["done"] * 3


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


class TestFailures:
    def test_a_bad_volume_fails_with_its_sentence_and_holds_up_no_other(self) -> None:
        files = {**FILES, "train/file1.h5": b"bad" * 200}
        stored("volumes.tar.gz", files)
        plan_previews(Volume.objects.all())
        render_due_previews(seconds=60)
        assert states() == ["done", "failed", "done", "done"]
        assert Preview.objects.get(state="failed").reason == "This is no HDF5 file."

    @pytest.mark.parametrize("name", NAMES[1:])
    def test_a_damaged_archive_fails_what_lies_behind_the_damage_without_reading_up_to_it_again(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened = counted(monkeypatch, Bucket, "open")
        planned(name, damage=cut)
        render_due_previews(seconds=60)
        assert "failed" in states()
        assert set(states()) <= {"done", "failed"}
        assert name in Preview.objects.filter(state="failed")[0].reason
        assert len(opened) == 1

    @pytest.mark.parametrize(
        ("name", "spoil", "sentence"),
        [
            ("volumes.tar", lambda key: bucket().delete(key), "The bucket has no object"),
            ("volumes.tar.gz", lambda key: bucket().delete(key), "The bucket has no object"),
            ("volumes.tar", lambda key: bucket().put(key, b"another" * 99_000), "another"),
            ("volumes.tar.xz", lambda key: bucket().put(key, b"another" * 99_000), "another"),
            ("volumes.zip", lambda key: None, "unknown kind"),
        ],
    )
    def test_what_is_gone_changed_or_unknown_is_said(
        self, name: str, spoil: Callable[[str], object], sentence: str
    ) -> None:
        spoil(planned(name)[0].archive.key)
        render_due_previews(seconds=60)
        assert states() == ["failed"] * 4
        assert all(sentence in reason for reason in Preview.objects.values_list("reason", flat=True))

    @pytest.mark.parametrize("name", NAMES)
    def test_a_bucket_that_goes_away_in_mid_way_postpones_and_the_rest_follows(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        planned(name)
        whole = RangeFile.readinto
        with monkeypatch.context() as away:
            away.setattr(RangeFile, "readinto", _down)
            render_due_previews(seconds=60)
        assert RangeFile.readinto is whole
        assert states() == ["waiting"] * 4
        assert set(Preview.objects.values_list("reason", "deaths")) == {("it does not answer", 0)}
        due_again()
        render_due_previews(seconds=60)
        assert states() == ["done"] * 4
        assert set(Preview.objects.values_list("reason", flat=True)) == {""}

    def test_pictures_that_cannot_be_kept_postpone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        planned("volumes.tar")
        with monkeypatch.context() as away:
            away.setattr(Bucket, "put", _down)
            render_due_previews(seconds=60)
        assert states() == ["waiting"] * 4

    def test_a_size_that_the_disk_has_no_room_for_waits_and_writes_nothing(self) -> None:
        volumes = planned("volumes.tar.gz")
        Volume.objects.filter(pk=volumes[0].pk).update(size=10**17)
        render_due_previews(seconds=60)
        assert states() == ["waiting", "done", "done", "done"]
        assert "no room for 100,000,000,000,000,000 bytes" in Preview.objects.get(state="waiting").reason

    def test_a_size_beyond_the_archives_end_fails(self) -> None:
        volumes = planned("volumes.tar.gz")
        Volume.objects.filter(pk=volumes[-1].pk).update(size=10**7)
        render_due_previews(seconds=60)
        assert states() == ["done", "done", "done", "failed"]
        assert "ends at byte" in Preview.objects.get(state="failed").reason

    def test_a_sandbox_that_does_not_work_is_tried_three_times(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> None:
            raise SandboxError("The reader's process did not start.")

        planned("volumes.tar")
        monkeypatch.setattr(Painter, "render", broken)
        for _each in range(3):
            render_due_previews(seconds=60)
            due_again()
        assert states() == ["failed"] * 4
        assert set(Preview.objects.values_list("reason", "deaths")) == {("The reader's process did not start.", 3)}


def _down(*_: object, **__: object) -> None:
    raise BucketDown("it does not answer")


class TestAgain:
    def test_new_pictures_take_the_place_of_the_old_and_the_same_ones_their_own(self) -> None:
        volumes = planned("volumes.tar")
        render_due_previews(seconds=60)
        before = dict(Preview.objects.values_list("volume", "folder"))
        asked_at = render_again(Preview.objects.all(), by=StaffFactory())
        assert set(Preview.objects.values_list("state", "asked_at")) == {("waiting", asked_at)}
        assert shown(volumes[0])
        render_due_previews(seconds=60)
        assert dict(Preview.objects.values_list("volume", "folder")) == before

    def test_a_failure_keeps_the_pictures_that_there_are(self) -> None:
        volumes = planned("volumes.tar")
        render_due_previews(seconds=60)
        before = shown(volumes[0])
        bucket().delete(volumes[0].archive.key)
        render_again(Preview.objects.all(), by=StaffFactory())
        render_due_previews(seconds=60)
        assert states() == ["failed"] * 4
        assert shown(volumes[0]) == before

    def test_whoever_was_at_one_of_them_does_it_in_vain(self) -> None:
        planned("volumes.tar")
        held = Preview.objects.claim(lease=timedelta(seconds=60))
        assert held is not None
        render_again(Preview.objects.filter(pk=held.pk), by=StaffFactory())
        assert not held.finish(Work.State.DONE, folder="0" * 32, report={})
        assert set(states()) == {"waiting"}

    def test_volumes_without_a_row_get_one_of_the_same_moment(self) -> None:
        PreviewFactory(pictures=PICTURES)
        VolumeFactory()
        asked_at = render_volumes(Volume.objects.all(), by=StaffFactory())
        assert list(Preview.objects.values_list("state", "asked_at")) == [("waiting", asked_at)] * 2


class TestDeaths:
    @pytest.mark.parametrize("name", ["volumes.tar", "volumes.tar.gz"])
    @pytest.mark.parametrize("moment", ["render", "folder_of"])
    def test_a_run_that_ends_anywhere_leaves_no_half_and_the_next_gives_the_same(
        self, moment: str, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        volumes = planned(name)
        with monkeypatch.context() as death:
            place: Any = Painter if moment == "render" else pictures
            death.setattr(place, moment, _killed)
            with pytest.raises(KeyboardInterrupt):
                render_due_previews(seconds=60, renderer=Renderer())
        assert states() == ["running", "waiting", "waiting", "waiting"]
        assert list(Preview.objects.values_list("folder", flat=True)) == [""] * 4
        Preview.objects.filter(state="running").update(leased_until=timezone.now() - timedelta(seconds=1))
        render_due_previews(seconds=60, renderer=Renderer())
        assert states() == ["done"] * 4
        assert set(shown(volumes[0]).values()) == {b"RIFF    WEBP" + FILES[volumes[0].path]}

    def test_spooled_files_have_no_name_that_could_be_left_behind(self, tmp_path: Path) -> None:
        with mock.patch.object(tempfile, "tempdir", str(tmp_path)), closing(Spool(10)) as file:
            file.write(b"0123456789")
            assert list(tmp_path.iterdir()) == []


def _killed(*_: object) -> None:
    """As a worker ends that is told to: nothing is caught, nothing is given back."""
    raise KeyboardInterrupt


class TestTask:
    def test_hints_go_to_the_queue_of_previews_alone(self) -> None:
        app = render_previews.app
        assert app.amqp.router.route({}, render_previews.name)["queue"].name == "previews"
        assert app.amqp.router.route({}, send_mails.name)["queue"].name == "celery"

    def test_what_is_left_when_the_time_is_up_is_hinted_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hinted: list[str] = []
        monkeypatch.setattr("datasets.tasks.hint", lambda task: hinted.append(task.name))
        monkeypatch.setattr("datasets.tasks.RENDER_SECONDS", 0)
        planned("volumes.tar")
        render_previews()
        assert hinted == [render_previews.name]

    def test_a_heap_is_not_late_while_a_worker_is_at_it(self) -> None:
        planned("volumes.tar")
        Preview.objects.update(due_at=timezone.now() - timedelta(hours=2))
        assert Preview.objects.late(timedelta(minutes=10)).exists()
        assert standing_of(Preview).is_late
        held = Preview.objects.claim(lease=timedelta(seconds=60))
        assert held is not None
        assert not Preview.objects.late(timedelta(minutes=10)).exists()
        assert not standing_of(Preview).is_late
        Preview.objects.filter(pk=held.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
        assert standing_of(Preview).is_late


class TestForgetting:
    def test_pictures_that_no_row_names_go_when_they_are_old(self) -> None:
        # Rows of other tests are gone by now, and their pictures may not be.
        preview_bucket().delete(*preview_bucket().keys(""))
        kept = PreviewFactory(pictures=PICTURES)
        for folder in (kept.folder, digest_of("nobody's")[:32]):
            for name in PICTURES:
                preview_bucket().put(f"{folder}/{name}", b"RIFF    WEBP")
        assert pictures.forget_pictures(1) == 0
        assert len(list(preview_bucket().keys(""))) == 4
        assert pictures.forget_pictures(-1) == 1
        assert list(preview_bucket().keys("")) == [f"{kept.folder}/{name}" for name in PICTURES]
        assert pictures.forget_pictures(-1) == 0

    def test_a_folder_with_something_new_in_it_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = digest_of("being written")[:32]
        old, new = timezone.now() - timedelta(days=9), timezone.now()
        preview_bucket().put(f"{folder}/thumbnail.webp", b"RIFF    WEBP")
        monkeypatch.setattr(
            Bucket, "dated_keys", lambda *_: iter([(f"{folder}/a.webp", old), (f"{folder}/b.webp", new)])
        )
        assert pictures.forget_pictures(1) == 0

    def test_a_bucket_that_is_away_keeps_no_other_rule_from_being_enforced(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(Bucket, "folders", _down)
        assert pictures.forget_pictures(1) == 0
        assert "old pictures were not deleted" in caplog.messages


def test_the_database_refuses_a_done_row_without_pictures() -> None:
    row = PreviewFactory()
    with pytest.raises(Exception, match="preview_done_with_pictures"):
        Preview.objects.filter(pk=row.pk).update(state="done", finished_at=timezone.now())
    connection.close()
