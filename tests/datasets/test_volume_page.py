"""A volume's page: its pictures slice by slice, for whom they are; its numbers; or why there are no pictures."""

import ast
import re
from datetime import UTC, datetime
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from datasets.kspace.report import Kind, Layout
from datasets.models import Dataset, Preview, Release, Volume
from tests.factories import (
    AgreementVersionFactory,
    ArchiveFactory,
    PreviewFactory,
    SignatureFactory,
    UserFactory,
    VolumeFactory,
)
from tests.reports import FailedFactory, RenderedFactory, report_of

pytestmark = pytest.mark.django_db


def html_of(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, path
    return response.content.decode()


def text_of(client: Client, path: str) -> str:
    html = html_of(client, path).replace("&nbsp;", " ")
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", html).split()))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def volume() -> Volume:
    """Of Knee 2.0, whose previews are for everyone; it has no preview yet."""
    archive = ArchiveFactory(
        release__version="2.0",
        release__dataset__slug="knee",
        release__dataset__name="Knee",
        release__dataset__preview_audience=Dataset.Audience.EVERYONE,
        name="knee_val.tar.xz",
        split="validation",
    )
    AgreementVersionFactory(agreement=archive.release.dataset.agreement)
    return VolumeFactory(archive=archive, path="multicoil_val/file1000007.h5", slices=16, size=42_407_936)


@pytest.fixture
def preview(volume: Volume) -> Preview:
    return RenderedFactory(volume=volume)


def shown_to(volume: Volume, audience: str) -> None:
    dataset = volume.archive.release.dataset
    dataset.preview_audience = audience
    dataset.save()


# What is shown ------------------------------------------------------------------------------------------------


def test_a_volume_shows_the_middle_slice_three_ways_with_the_mask_in_words(client: Client, preview: Preview) -> None:
    html, text = (read(client, preview.volume.get_absolute_url()) for read in (html_of, text_of))

    assert "Knee 2.0 · validation · CORPD_FBK · 15 coils · 16 slices" in text
    assert 'aria-label="Slice 9: k-space, fully sampled, 4 times undersampled"' in html
    assert "Log magnitude, coils combined; all 368 columns" in text
    assert "Root sum of squares of 15 coils; all 368 columns" in text
    assert "Zero-filled; 114 of 368 columns, the central 29 whole" in text
    assert html.count('role="img" aria-label="Sampling mask') == 3
    for kind in Kind:
        assert f"/{preview.folder}/008-{kind}.webp" in html


def test_every_picture_says_its_size_and_what_it_shows(client: Client, preview: Preview) -> None:
    images = re.findall(r"<img[^>]*>", html_of(client, preview.volume.get_absolute_url()))

    assert len(images) == 6
    for image in images:
        assert re.search(r' width="320" height="320" alt="[^"]+"', image)


def test_each_slice_has_a_tick_and_its_neighbours_a_button(client: Client, preview: Preview) -> None:
    html = html_of(client, f"{preview.volume.get_absolute_url()}?slice=3")

    assert re.findall(r'<li><a href="\?slice=(\d+)"', html) == [str(number) for number in range(1, 17)]
    assert 'aria-label="Slice 3" aria-current="page"' in html
    assert 'rel="prev" href="?slice=2">Slice 2<' in html
    assert 'rel="next" href="?slice=4">Slice 4<' in html
    assert "002-reconstruction.webp" in html
    assert "008-" not in html


def test_the_first_and_the_last_slice_say_so(client: Client, preview: Preview) -> None:
    first = text_of(client, f"{preview.volume.get_absolute_url()}?slice=1")
    last = text_of(client, f"{preview.volume.get_absolute_url()}?slice=16")

    assert "First slice" in first
    assert "Last slice" not in first
    assert "Last slice" in last


@pytest.mark.parametrize("wished", ["0", "17", "-1", "x", "%00", "9" * 400, "%C2%B2", "%D9%A3", "3.0", ""])
def test_a_slice_that_is_none_is_the_middle_one(client: Client, preview: Preview, wished: str) -> None:
    assert 'aria-label="Slice 9" aria-current="page"' in html_of(
        client, f"{preview.volume.get_absolute_url()}?slice={wished}"
    )


def test_the_metrics_are_those_of_the_slice_and_of_all(client: Client, preview: Preview) -> None:
    text = text_of(client, f"{preview.volume.get_absolute_url()}?slice=3")

    assert "4×, slice 3 114 0.0643 23.00 dB 0.6040" in text
    assert "4×, all slices 114 0.0611 23.74 dB 0.6802" in text
    assert "From 0.600 in slice 1 to 0.630 in slice 16; 0.680 over all slices." in text


def test_a_score_that_is_not_defined_is_a_dash(client: Client, preview: Preview) -> None:
    assert preview.report
    preview.report["volume"] = {"nmse": None, "psnr": None, "ssim": None}
    for row in preview.report["slices"][2:]:
        row["scores"]["ssim"] = None
    preview.save()

    text = text_of(client, preview.volume.get_absolute_url())

    assert "4×, all slices 114 – does not apply – does not apply – does not apply" in text
    assert "From 0.600 in slice 1 to 0.602 in slice 2." in text


def test_what_the_header_does_not_say_is_not_recorded(client: Client, preview: Preview) -> None:
    text = text_of(client, preview.volume.get_absolute_url())

    assert "Field strength 1.494 T Coils 15 Slices 16, 5 mm k-space 16 × 15 × 640 × 368, complex64" in text
    assert "Repetition time 250 ms Echo time 3.4 ms Inversion time not recorded Flip angle 70°" in text
    assert "Member multicoil_val/file1000007.h5 Size 42,407,936 bytes" in text


def test_a_test_file_has_two_pictures_its_own_mask_and_a_note(client: Client, volume: Volume) -> None:
    note = "The file is undersampled already, so there is nothing to hold a picture of fewer columns against."
    kinds = (Kind.KSPACE, Kind.RECONSTRUCTION)
    report = report_of(volume, kinds=kinds, measured=tuple(range(0, 368, 4)), notes=(note,))
    RenderedFactory(volume=volume, report=report.as_json())

    html, text = (read(client, volume.get_absolute_url()) for read in (html_of, text_of))

    assert note in text
    assert "Log magnitude, coils combined; 92 of 368 columns" in text
    assert "b as measured" in text
    assert "Compare" not in text
    assert "Metrics" not in text
    assert html.count("<img") == 2


@pytest.mark.parametrize("layout", [Layout.AVERAGES, Layout.RADIAL])
def test_a_stored_reconstruction_is_named_as_such(client: Client, volume: Volume, layout: Layout) -> None:
    report = report_of(volume, layout=layout, kinds=(Kind.RECONSTRUCTION,))
    RenderedFactory(volume=volume, report=report.as_json())

    html, text = (read(client, volume.get_absolute_url()) for read in (html_of, text_of))

    assert "a stored" in text
    assert "As the file holds it" in text
    assert "Sampling mask" not in html


@pytest.mark.parametrize("layout", list(Layout))
def test_the_lines_that_open_a_file_are_python(client: Client, volume: Volume, layout: Layout) -> None:
    volume.path = "a'b\"c\\n</code>{{ x }} é\u2028.h5"
    volume.save()
    RenderedFactory(volume=volume, report=report_of(volume, layout=layout).as_json())

    html = html_of(client, volume.get_absolute_url())
    code = unescape(re.sub(r"<[^>]+>", "", html.partition('aria-label="Python"><code>')[2].partition("</code>")[0]))

    names = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
    assert volume.path.rpartition("/")[2] in names


# Why there may be none ------------------------------------------------------------------------------------------


def test_a_failed_preview_says_why_and_whom_to_ask(client: Client, volume: Volume) -> None:
    FailedFactory(volume=volume, reason="the file <is> a web page")

    text = text_of(client, volume.get_absolute_url())

    assert "No picture could be made of this volume The file <is> a web page. What is known" in text
    assert "Questions: " in text
    assert "k-space 640 × 368" in text


def test_where_an_object_lies_and_what_went_wrong_with_ourselves_is_not_for_everybody(
    client: Client, volume: Volume
) -> None:
    key = volume.archive.key
    row = FailedFactory(volume=volume, reason=f"The bucket has no object {key}.")

    assert "The bucket has no object knee_val.tar.xz." in text_of(client, volume.get_absolute_url())

    Preview.objects.filter(pk=row.pk).update(deaths=3, reason=f"3 workers died on it. The last said: {key} at bucket-7")
    text = text_of(client, volume.get_absolute_url())
    assert "This site failed at it several times. Nothing is known to be wrong with the file." in text
    assert "bucket-7" not in text
    assert key not in text


def test_a_waiting_preview_says_since_when(client: Client, volume: Volume) -> None:
    PreviewFactory(volume=volume, asked_at=datetime(2026, 11, 12, 10, 3, tzinfo=UTC))

    assert "wait for their turn since 12 Nov 2026, 10:03 UTC." in text_of(client, volume.get_absolute_url())


def test_pictures_go_on_being_shown_while_they_are_made_again_and_when_that_fails(
    client: Client, preview: Preview
) -> None:
    for change in ({"state": "waiting", "finished_at": None}, {"state": "failed", "reason": "x", "finished_at": None}):
        finished = timezone.now() if change["state"] == "failed" else None
        Preview.objects.filter(pk=preview.pk).update(**{**change, "finished_at": finished})

        assert "008-reconstruction.webp" in html_of(client, preview.volume.get_absolute_url())


def test_a_report_of_another_version_of_the_site_asks_for_new_pictures(client: Client, preview: Preview) -> None:
    assert preview.report
    Preview.objects.update(report=preview.report | {"facts": preview.report["facts"] | {"flavour": "mint"}})
    text = text_of(client, preview.volume.get_absolute_url())

    assert "The pictures of this volume have to be made again" in text
    assert "Member multicoil_val/file1000007.h5" in text


def test_scores_of_some_slices_are_not_called_those_of_all(client: Client, preview: Preview) -> None:
    assert preview.report
    preview.report["slices"] = preview.report["slices"][::2]
    preview.save()
    text = text_of(client, f"{preview.volume.get_absolute_url()}?slice=3")

    assert "4×, 8 slices 114 0.0611" in text
    assert "0.680 over 8 slices." in text
    assert "all slices" not in text.lower()


def test_a_volume_without_a_preview_says_so(client: Client, volume: Volume) -> None:
    text = text_of(client, volume.get_absolute_url())

    assert "There are no pictures of this volume" in text
    assert "Acquisition CORPD_FBK" in text


def test_a_withdrawn_release_shows_no_pictures(client: Client, preview: Preview) -> None:
    Release.objects.update(status="withdrawn", reason="two volumes carried dates", withdrawn_at=timezone.now())

    html, text = (read(client, preview.volume.get_absolute_url()) for read in (html_of, text_of))

    assert "This release is withdrawn, and its pictures are not shown Two volumes carried dates." in text
    assert "<img" not in html
    assert "Metrics" not in text


@pytest.mark.parametrize("status", ["draft", "checking", "ready", "scheduled", "failed"])
def test_a_volume_of_a_release_that_is_not_published_has_no_page(client: Client, volume: Volume, status: str) -> None:
    Release.objects.update(status=status, reason="x", publish_at=timezone.now())

    html_of(client, volume.get_absolute_url(), status=404)


def test_a_volume_of_an_unlisted_dataset_has_no_page(client: Client, volume: Volume) -> None:
    Dataset.objects.update(is_listed=False)

    html_of(client, volume.get_absolute_url(), status=404)


# For whom -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audience", ["signed-in", "holders"])
def test_a_visitor_sees_the_sampling_pattern_and_how_to_see_the_pictures(
    client: Client, preview: Preview, audience: str
) -> None:
    shown_to(preview.volume, audience)
    path = preview.volume.get_absolute_url()

    html, text = (read(client, path) for read in (html_of, text_of))

    assert "<img" not in html
    assert preview.folder not in html
    assert html.count('aria-label="Sampling pattern: ') == 2
    assert 'aria-label="Sampling pattern: 114 of 368 columns"' in html
    assert f'href="/accounts/login/?next={path}"' in html
    assert "Repetition time 250 ms" in text
    assert "4×, slice 9 114 0.0643" in text


def test_pictures_for_everybody_signed_in_are_for_nobody_else(preview: Preview) -> None:
    shown_to(preview.volume, "signed-in")
    path = preview.volume.get_absolute_url()

    assert "<img" in html_of(signed_in(UserFactory()), path)
    assert "<img" not in html_of(Client(), path)


def test_pictures_for_holders_are_for_those_who_have_signed(preview: Preview) -> None:
    shown_to(preview.volume, "holders")
    path, agreement = preview.volume.get_absolute_url(), preview.volume.archive.release.dataset.agreement
    signer = SignatureFactory(version=agreement.versions.get()).user

    other = html_of(signed_in(UserFactory()), path)

    assert "<img" not in other
    assert 'href="/datasets/knee/agreement/">read and sign it</a>' in other
    assert "<img" in html_of(signed_in(signer), path)
    assert "<img" not in html_of(Client(), path)


def test_nobody_keeps_a_page_with_a_persons_pictures(preview: Preview) -> None:
    shown_to(preview.volume, "signed-in")
    path = preview.volume.get_absolute_url()

    assert {"private", "no-store"} <= set(signed_in(UserFactory()).get(path)["Cache-Control"].split(", "))
    assert "Cookie" in Client().get(path)["Vary"]


# Addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "file.h5",
        "multicoil val/file 1.h5",
        "100%/a%2Fb%00.h5",
        "Knie/Größe–🦵.h5",
        "../../etc/passwd",
        "./a//b/../c.h5",
        "~/x/~~y.h5",
        "/absolute.h5",
        "ends/with/",
        "what?is=this#here;&.h5",
        "line\nbreak.h5",
        "a\\b'\"<i>.h5",
    ],
)
def test_any_member_path_has_an_address_that_leads_back_to_it(client: Client, volume: Volume, path: str) -> None:
    volume.path = path
    volume.save()

    address = volume.get_absolute_url()
    parts = urlsplit(address).path.split("/")[1:-1]
    html = html_of(client, address)
    listed = html_of(client, "/datasets/knee/2.0/knee_val.tar.xz/")

    assert not {"", ".", ".."} & set(parts)
    heading = unescape(html.partition('<h1 class="mono-title">')[2].partition("</h1>")[0])
    assert heading == (path.rpartition("/")[2] or path)
    assert address in unescape(listed)
    assert "<i>" not in html + listed


@pytest.mark.parametrize(
    "member", ["nothing.h5", "%00.h5", "~a.h5", "a/../multicoil_val/file1000007.h5", "%ff", "k" * 3000]
)
def test_a_member_that_is_none_has_no_page(client: Client, volume: Volume, member: str) -> None:
    html_of(client, f"/datasets/knee/2.0/knee_val.tar.xz/{member}/", status=404)


def test_an_address_of_a_member_of_another_archive_has_no_page(client: Client, volume: Volume) -> None:
    other = ArchiveFactory(release=volume.archive.release)

    html_of(client, reverse("volume", args=["knee", "2.0", other.name, volume.path]), status=404)


def test_a_page_is_only_read_and_takes_three_queries_at_most(
    client: Client, preview: Preview, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    path = preview.volume.get_absolute_url()

    with django_assert_max_num_queries(3):
        client.get(f"{path}?slice=2")

    assert client.post(path).status_code == 405
