"""Galleries on the pages of a dataset, a release and an archive."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from datasets.kspace.report import Kind, Layout
from datasets.models import Archive, Dataset, Preview, Release, Volume
from tests.factories import ArchiveFactory, PreviewFactory, UserFactory, VolumeFactory
from tests.plans import plans_of
from tests.reports import FailedFactory, RenderedFactory, report_of

pytestmark = pytest.mark.django_db
DATASET, RELEASE, ARCHIVE = "/datasets/brain/", "/datasets/brain/2.0/", "/datasets/brain/2.0/brain_val.tar.xz/"


def html_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return response.content.decode()


def section_of(client: Client, path: str) -> str:
    return html_of(client, path).partition('id="previews"')[2].partition("</section>")[0]


def words_of(html: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", html).split()))


def files_of(html: str) -> list[str]:
    return re.findall(r"Middle slice of ([^\"]+)\"", html)


@pytest.fixture
def archive() -> Archive:
    """Of Brain 2.0, whose previews are for everyone."""
    return ArchiveFactory(
        release__version="2.0",
        release__dataset__slug="brain",
        release__dataset__name="Brain",
        release__dataset__preview_audience=Dataset.Audience.EVERYONE,
        name="brain_val.tar.xz",
    )


def pictured(archive: Archive, acquisition: str, number: int = 1) -> list[Volume]:
    """Volumes with pictures, named after their acquisition and their number."""
    first = archive.volumes.filter(acquisition=acquisition).count()
    return [
        RenderedFactory(
            volume__archive=archive,
            volume__acquisition=acquisition,
            volume__path=f"val/{acquisition or 'none'}_{place:03}.h5",
            volume__field_strength=2.89,
        ).volume
        for place in range(first, first + number)
    ]


def test_a_dataset_shows_some_of_every_acquisition(client: Client, archive: Archive) -> None:
    pictured(archive, "AXT2", 20)
    pictured(archive, "AXT1", 2)
    pictured(archive, "AXFLAIR", 1)

    html = section_of(client, DATASET)

    assert files_of(html)[:5] == ["AXFLAIR_000.h5", "AXT1_000.h5", "AXT2_000.h5", "AXT1_001.h5", "AXT2_001.h5"]
    assert len(files_of(html)) == 12
    assert "12 of 23 volumes All of release 2.0" in words_of(html)
    assert "All 23 AXFLAIR 1 AXT1 2 AXT2 20" in words_of(html)
    assert 'href="/datasets/brain/2.0/?acquisition=AXT2#previews"' in html


def test_a_dataset_shows_only_its_current_release(client: Client, archive: Archive) -> None:
    older = Release.objects.create(
        dataset=archive.release.dataset,
        version="1.0",
        status="published",
        published_at=timezone.now() - timedelta(days=900),
    )
    pictured(ArchiveFactory(release=older), "AXOLD")
    pictured(archive, "AXT2")

    assert files_of(section_of(client, DATASET)) == ["AXT2_000.h5"]


@pytest.mark.parametrize("path", [DATASET, RELEASE, ARCHIVE])
def test_a_picture_has_its_size_its_text_a_finer_twin_and_leads_to_its_volume(
    client: Client, archive: Archive, path: str
) -> None:
    (volume,) = pictured(archive, "AXT2")

    html = section_of(client, path)

    folder = volume.preview.folder
    image = re.search(r"<img[^>]*>", html)
    assert image
    assert f'srcset="/previews/{volume.pk}/{folder}/card.webp 2x"' in image[0]
    assert 'width="160" height="160" alt="Middle slice of AXT2_000.h5"' in image[0]
    assert ('loading="lazy"' in image[0]) == (path != DATASET)
    assert f'<a href="{volume.get_absolute_url()}">' in html
    assert "AXT2 15 coils · 2.9 T 36 × 640 × 368" in words_of(html)


def test_a_release_shows_its_volumes_in_pages_of_24(client: Client, archive: Archive) -> None:
    pictured(archive, "AXT2", 30)

    first, second = section_of(client, RELEASE), section_of(client, f"{RELEASE}?gallery=2")

    assert len(files_of(first)) == 24
    assert "1 to 24 of 30 volumes" in words_of(first)
    assert f'rel="next" href="{RELEASE}?gallery=2#previews"' in first
    assert files_of(second)[0] == "AXT2_024.h5"
    assert f'rel="prev" href="{RELEASE}?gallery=1#previews"' in second


def test_an_acquisition_is_chosen_by_a_link_that_says_how_many_there_are(client: Client, archive: Archive) -> None:
    pictured(archive, "AXT2", 25)
    pictured(archive, "A&B <i>", 2)
    pictured(archive, "", 1)

    html = section_of(client, f"{RELEASE}?acquisition=AXT2")
    odd = section_of(client, f"{RELEASE}?acquisition=A%26B+%3Ci%3E")
    unknown = section_of(client, f"{RELEASE}?acquisition=")

    assert "All 28 not recorded 1 A&B <i> 2 AXT2 25" in words_of(html).replace("&lt;", "<")
    assert "1 to 24 of 25 volumes" in words_of(html)
    assert f'href="{RELEASE}?acquisition=AXT2&amp;gallery=2#previews"' in html
    assert html.count('aria-current="true"') == 1
    assert "1 to 2 of 2 volumes" in words_of(odd)
    assert "<i>" not in odd
    assert "1 to 1 of 1 volume" in words_of(unknown)


@pytest.mark.parametrize(
    "query", ["acquisition=AXT9", "acquisition=%00", "gallery=x", "gallery=-1", f"gallery={'9' * 400}", "gallery=%00"]
)
def test_what_is_no_choice_is_the_first_page_or_the_last(client: Client, archive: Archive, query: str) -> None:
    pictured(archive, "AXT2", 2)

    assert "1 to 2 of 2 volumes" in words_of(section_of(client, f"{RELEASE}?{query}"))


def test_volumes_without_pictures_say_why(client: Client, archive: Archive) -> None:
    pictured(archive, "AXT2")
    FailedFactory(volume__archive=archive, volume__path="b.h5")
    PreviewFactory(volume__archive=archive, volume__path="c.h5")
    VolumeFactory(archive=archive, path="d.h5", acquisition="", coils=None, phase=None)

    words = words_of(section_of(client, RELEASE))

    assert "no picture: failed b.h5 CORPD_FBK" in words
    assert "waiting c.h5" in words
    assert "no picture d.h5 not recorded not recorded not recorded" in words
    assert "1 volume still waits for its pictures." in words
    assert "Of 1 volume no picture could be made; its page says why." in words


def test_where_no_pictures_were_asked_for_there_is_no_gallery(client: Client, archive: Archive) -> None:
    VolumeFactory(archive=archive)

    for path in (DATASET, RELEASE, ARCHIVE):
        assert 'id="previews"' not in html_of(client, path)


def test_where_all_pictures_are_still_to_be_made_a_sentence_says_so(client: Client, archive: Archive) -> None:
    PreviewFactory.create_batch(3, volume__archive=archive)

    html = section_of(client, RELEASE)

    assert "3 volumes still wait for their pictures." in words_of(html)
    assert "<li>" not in html


def test_a_withdrawn_release_has_no_gallery_and_says_so(client: Client, archive: Archive) -> None:
    pictured(archive, "AXT2")
    Release.objects.update(status="withdrawn", reason="Damaged.", withdrawn_at=timezone.now())

    for path in (RELEASE, ARCHIVE):
        html = html_of(client, path)
        assert "<img" not in html
        assert "Pictures of its volumes are not shown any more." in html
    assert "<img" not in section_of(client, DATASET)


@pytest.mark.parametrize("path", [DATASET, RELEASE, ARCHIVE])
def test_a_page_with_pictures_for_some_is_not_kept_for_others(archive: Archive, path: str) -> None:
    (volume,) = pictured(archive, "AXT2")
    Dataset.objects.update(preview_audience="signed-in")
    person = Client()
    person.force_login(UserFactory())

    theirs = html_of(person, path)
    visitors = [html_of(Client(), path) for _ in range(2)]

    assert volume.preview.folder in theirs
    for html in visitors:
        assert volume.preview.folder not in html
        assert "<img" not in html.partition('id="previews"')[2].partition("</section>")[0]
        assert 'aria-label="Sampling pattern: 114 of 368 columns"' in html
        assert f'href="/accounts/login/?next={path}"' in html


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", [DATASET, RELEASE, ARCHIVE])
def test_pictures_are_gone_for_visitors_as_soon_as_they_are_for_others(archive: Archive, path: str) -> None:
    pictured(archive, "AXT2")
    assert "thumbnail.webp" in html_of(Client(), path)

    Dataset.objects.update(preview_audience="holders")

    assert "thumbnail.webp" not in html_of(Client(), path)


def test_the_pattern_of_a_test_file_is_what_was_measured(client: Client, archive: Archive) -> None:
    volume = VolumeFactory(archive=archive)
    RenderedFactory(volume=volume, report=report_of(volume, measured=tuple(range(0, 368, 8))).as_json())
    Dataset.objects.update(preview_audience="holders")

    assert 'aria-label="Sampling pattern: 46 of 368 columns"' in section_of(client, RELEASE)


def test_no_pattern_is_drawn_of_spokes(client: Client, archive: Archive) -> None:
    volume = VolumeFactory(archive=archive)
    report = report_of(volume, kinds=(Kind.RECONSTRUCTION,), layout=Layout.RADIAL)
    RenderedFactory(volume=volume, report=report.as_json())
    Dataset.objects.update(preview_audience="holders")

    html = section_of(client, RELEASE)

    assert "Sampling pattern" not in html
    assert volume.path.rpartition("/")[2] in html


@pytest.mark.parametrize("path", [DATASET, RELEASE, ARCHIVE])
def test_a_page_takes_few_queries_however_many_pictures_there_are(
    archive: Archive, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def queries() -> int:
        with django_assert_max_num_queries(10) as found:
            # What has a query is not kept.
            html_of(Client(), f"{path}?anew")
        return len(found)

    pictured(archive, "AXT2")
    before = queries()
    for acquisition in ("AXT1", "AXT2", "AXFLAIR"):
        pictured(archive, acquisition, 15)

    assert queries() == before


@pytest.mark.parametrize("path", [RELEASE, f"{RELEASE}?acquisition=AXT2&gallery=2", ARCHIVE])
def test_the_volumes_of_a_page_are_found_by_indexes(client: Client, archive: Archive, path: str) -> None:
    pictured(archive, "AXT2", 30)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE datasets_volume, datasets_preview")

    scanned = plans_of(client, path).scanned

    assert not {Volume._meta.db_table, Preview._meta.db_table} & scanned
