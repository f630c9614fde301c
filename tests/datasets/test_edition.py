"""The catalogue's edition: another one after every commit that writes to it, and no writer waits for another."""

from collections.abc import Callable
from threading import Barrier, Event

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Agreement, AgreementVersion
from datasets.models import Archive, CatalogueEdition, Dataset, Erratum, Preview, Release
from datasets.views.kept import edition
from tests.factories import (
    AgreementVersionFactory,
    ArchiveFactory,
    DatasetFactory,
    ErratumFactory,
    PreviewFactory,
    ReleaseFactory,
    UserFactory,
    VolumeFactory,
)
from tests.threads import at_once
from tests.waiting import wait_until


def delete_archive() -> None:
    Archive.objects.filter(pk=ArchiveFactory(release__status="draft").pk).delete()


WRITES: list[Callable[[], object]] = [
    lambda: Dataset.objects.update(name="Another name"),
    lambda: Release.objects.update(summary="Another summary"),
    lambda: Archive.objects.update(coils="16"),
    lambda: Agreement.objects.update(title="Another title"),
    lambda: AgreementVersion.objects.update(urgent=True),
    DatasetFactory,
    ReleaseFactory,
    AgreementVersionFactory,
    delete_archive,
    lambda: ErratumFactory(published_at=timezone.now()),
    lambda: Erratum.objects.update(published_at=timezone.now()),
    lambda: PreviewFactory(pictures=("thumbnail.webp",)),
    lambda: Preview.objects.update(folder="f" * 32),
    lambda: Preview.objects.all().delete(),
    lambda: Release.objects.bulk_create(ReleaseFactory.build_batch(2, dataset=Dataset.objects.latest("pk"))),
]


@pytest.mark.django_db
@pytest.mark.parametrize("write", WRITES)
def test_every_way_of_writing_moves_it(write: Callable[[], object]) -> None:
    ArchiveFactory(release__dataset__agreement=AgreementVersionFactory().agreement)
    PreviewFactory(pictures=("thumbnail.webp",))
    ErratumFactory()
    before = edition()
    write()
    assert edition() != before


@pytest.mark.django_db
def test_what_no_page_is_made_of_leaves_it() -> None:
    row = PreviewFactory()
    release = ReleaseFactory()
    before = edition()
    UserFactory()
    ErratumFactory(release=release)
    # What goes on all the while that volumes are rendered.
    held = Preview.objects.filter(pk=row.pk)
    held.update(state="running", leased_until=timezone.now())
    held.update(leased_until=timezone.now())
    held.update(state="failed", leased_until=None, finished_at=timezone.now(), reason="so")
    assert edition() == before


@pytest.mark.django_db
@pytest.mark.parametrize(("status", "moves"), [("checking", False), ("ready", False), ("withdrawn", True)])
def test_pictures_move_it_when_their_release_is_shown(status: str, moves: bool) -> None:
    shown = {"reason": "so", "withdrawn_at": timezone.now()} if moves else {"published_at": None}
    volume = VolumeFactory(archive__release=ReleaseFactory(status=status, **shown))
    seen = [edition()]
    row = PreviewFactory(volume=volume, pictures=("thumbnail.webp",))
    seen.append(edition())
    Preview.objects.filter(pk=row.pk).update(folder="f" * 32)
    seen.append(edition())
    row.delete()
    seen.append(edition())
    assert len(set(seen)) == (4 if moves else 1)


@pytest.mark.django_db(transaction=True)
def test_pictures_that_come_while_their_release_is_published_move_it() -> None:
    """Whoever made them saw a release that nobody was shown; when they are there, it is shown."""
    release = ReleaseFactory(status="ready", published_at=None)
    row = PreviewFactory(volume__archive__release=release, pictures=("thumbnail.webp",))
    may_publish, seen = Event(), []

    def publish() -> None:
        with transaction.atomic():
            Release.objects.select_for_update().get(pk=release.pk)
            may_publish.set()
            wait_until(somebody_waits, "The wait for the release")
            Release.objects.filter(pk=release.pk).update(status="published", published_at=timezone.now())
            seen.append(edition())

    def render() -> None:
        assert may_publish.wait(timeout=10)
        Preview.objects.filter(pk=row.pk).update(folder="f" * 32)

    assert at_once([publish, render]) == [None, None]
    assert edition() not in seen


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_it_moves_with_the_commit_and_a_rollback_leaves_it() -> None:
    dataset = DatasetFactory()
    before = edition()
    seen = []
    with transaction.atomic():
        Dataset.objects.update(name="Another name")
        seen += at_once([edition])
    assert seen == [before]
    after = edition()
    assert after != before
    with transaction.atomic():
        Dataset.objects.filter(pk=dataset.pk).update(name="Yet another")
        transaction.set_rollback(True)
    assert edition() == after


@pytest.mark.django_db(transaction=True)
def test_two_who_write_at_once_do_not_wait_for_each_other_and_both_are_seen() -> None:
    datasets = [DatasetFactory(), DatasetFactory()]
    before = edition()
    both_wrote = Barrier(2, timeout=10)

    def write(dataset: Dataset) -> str:
        with transaction.atomic():
            Dataset.objects.filter(pk=dataset.pk).update(name="Another name")
            both_wrote.wait()
        return edition()

    outcomes = at_once([lambda: write(datasets[0]), lambda: write(datasets[1])])
    assert before not in outcomes
    assert edition() in outcomes
    assert CatalogueEdition.objects.count() == 2
    Dataset.objects.update(name="And another")
    assert edition() not in {before, *outcomes}
    assert CatalogueEdition.objects.count() == 2
