"""An object that we may not read fails alone, with a reason: the bucket counts as away only when it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError
from django.test import Client
from pytest_django import Settings

from datasets.exceptions import BucketDown, ObjectRefused
from datasets.models import Preview, Volume
from datasets.services.previews import plan_previews, render_due_previews, rendering
from datasets.services.releases import check, ingest_due_archives, ingesting
from datasets.services.releases.checks import bucket_obstacles
from datasets.storage import Bucket, bucket
from tests import imports
from tests.archives import Painter, stored
from tests.factories import StaffFactory
from tests.flows.faults import before_the_bucket, denied
from tests.maintainers import maintainer

pytestmark = pytest.mark.django_db(transaction=True)
SENTENCE = "does not let this site read the object"


@contextmanager
def denying() -> Iterator[None]:
    """The bucket answers, but lets nobody read an object."""
    with before_the_bucket() as plan:
        plan.always = denied()
        yield


@pytest.fixture
def _painter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any file is taken for k-space."""
    monkeypatch.setattr(rendering, "Sandbox", Painter)
    monkeypatch.setattr(ingesting, "Sandbox", imports.Reader)
    yield
    rendering._kept.renderer.close()
    imports.empty()


@pytest.mark.parametrize("ask", [Bucket.open, Bucket.stream])
def test_while_the_bucket_answers_it_is_the_objects_fault(ask: Callable[[Bucket, str], object]) -> None:
    bucket().put("refused.tar", b"k-space")
    with denying(), pytest.raises(ObjectRefused, match=f"{SENTENCE} refused.tar"):
        ask(bucket(), "refused.tar")


def test_who_may_do_nothing_at_all_finds_the_bucket_down(settings: Settings) -> None:
    bucket().put("refused.tar", b"k-space")
    settings.BUCKET_SECRET_ACCESS_KEY = "wrong"
    for ask in (bucket().open, bucket().head):
        with pytest.raises(BucketDown):
            ask("refused.tar")


@pytest.mark.usefixtures("_painter")
def test_a_preview_fails_and_the_public_is_not_told_where_the_object_lies(client: Client) -> None:
    volume = Volume.objects.get(archive=stored("volumes.tar", {"file1.h5": b"volume"}, key="inner/folder/volumes.tar"))
    plan_previews(Volume.objects.all())

    with denying():
        render_due_previews(seconds=60)

    row = Preview.objects.get()
    assert (row.state, SENTENCE in row.reason) == ("failed", True)
    page = client.get(volume.get_absolute_url()).content.decode()
    assert f"{SENTENCE} volumes.tar." in page
    assert "inner/folder" not in page
    maintainer(client)
    assert "inner/folder/volumes.tar" in client.get(f"/admin/datasets/preview/{row.pk}/change/").content.decode()


@pytest.mark.usefixtures("_painter")
def test_an_archive_fails_and_can_be_read_again_once_we_may() -> None:
    release = imports.registered("volumes.tar")
    check(release, by=StaffFactory())

    with denying():
        ingest_due_archives(seconds=60)

    archive = release.archives.get()
    assert (archive.status, SENTENCE in archive.reason) == ("failed", True)
    check(release, by=StaffFactory())
    ingest_due_archives(seconds=60)
    archive.refresh_from_db()
    assert archive.status == "verified"


@pytest.mark.usefixtures("_painter")
def test_nothing_is_published_that_we_may_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    release = imports.read("volumes.tar")

    def refused(**asked: str) -> None:
        # Of a HEAD, S3 says no more.
        raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

    monkeypatch.setattr(bucket().client, "head_object", refused)
    (obstacle,) = bucket_obstacles(release)
    assert obstacle.what == f"the object {imports.FOLDER}volumes.tar is missing, or this site may not read it"
