"""Galleries and volumes in a real browser: the edge by keyboard, by hand and without JavaScript; wide and narrow."""

import re
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from datasets.kspace.report import Kind, Layout
from datasets.models import Dataset, Volume
from tests.axe import hindrances
from tests.factories import AgreementVersionFactory, ArchiveFactory, PreviewFactory, VolumeFactory
from tests.reports import FailedFactory, RenderedFactory, report_of

pytestmark = pytest.mark.django_db(transaction=True)
SIZES = {"thumbnail": 160, "card": 320}


def paint(route: Route) -> None:
    """A grey picture of the size that its name promises: what lies in storage is told elsewhere."""
    name = route.request.url.rpartition("/")[2].partition(".")[0]
    side = SIZES.get(name, 320)
    file = BytesIO()
    Image.new("L", (side, side), 90).save(file, "WEBP")
    route.fulfill(body=file.getvalue(), content_type="image/webp")


@pytest.fixture
def volume() -> Volume:
    """Of Knee 2.0, whose pictures are for everyone: 50 slices; beside it volumes of every other kind."""
    archive = ArchiveFactory(
        release__version="2.0",
        release__dataset__slug="knee",
        release__dataset__name="Knee",
        release__dataset__preview_audience=Dataset.Audience.EVERYONE,
        name="knee_val.tar.xz",
    )
    AgreementVersionFactory(agreement=archive.release.dataset.agreement)
    for name, acquisition in (("test", "CORPDFS_FBK"), ("stored", ""), *((f"{n:03}", "CORPD_FBK") for n in range(24))):
        row = VolumeFactory(archive=archive, path=f"{name}.h5", acquisition=acquisition, slices=4)
        report = report_of(row)
        if name == "test":
            two = (Kind.KSPACE, Kind.RECONSTRUCTION)
            report = report_of(row, kinds=two, measured=tuple(range(0, 368, 4)), notes=("It is undersampled already.",))
        elif name == "stored":
            report = report_of(row, kinds=(Kind.RECONSTRUCTION,), layout=Layout.RADIAL)
        RenderedFactory(volume=row, report=report.as_json())
    FailedFactory(volume__archive=archive, volume__path="failed.h5")
    PreviewFactory(volume__archive=archive, volume__path="waiting.h5")
    VolumeFactory(archive=archive, path="none.h5")
    long = f"multicoil_val/{'a_very_long_name_' * 8}.h5"
    return RenderedFactory(volume__archive=archive, volume__path=long, volume__slices=50).volume


@pytest.fixture
def opened(page: Page, live_server: LiveServer, volume: Volume) -> Page:
    """The volume's page, with pictures."""
    page.route("**/previews/**", paint)
    page.goto(live_server.url + volume.get_absolute_url())
    return page


def hidden_share(over: Locator) -> float:
    """How much of the undersampled picture is clipped away on its left, in per cent."""
    clip = over.evaluate("e => { e.style.transition = 'none'; return getComputedStyle(e).clipPath }")
    found = re.fullmatch(r"inset\(0px 0px 0px ([\d.]+)%\)", clip)
    assert found, clip
    return float(found[1])


def paths(volume: Volume) -> list[str]:
    archive = "/datasets/knee/2.0/knee_val.tar.xz/"
    others = [f"{archive}{name}.h5/" for name in ("test", "stored", "failed", "waiting", "none")]
    pages = ["/datasets/knee/", "/datasets/knee/2.0/?acquisition=CORPD_FBK", archive]
    return [*pages, *others, f"{volume.get_absolute_url()}?slice=17"]


def test_nothing_hinders_a_visitor(opened: Page, live_server: LiveServer, volume: Volume) -> None:
    found = []
    for path in paths(volume):
        opened.goto(live_server.url + path)
        found += hindrances(opened)
    assert found == []


def test_nothing_hinders_somebody_for_whom_the_pictures_are_not(
    opened: Page, live_server: LiveServer, volume: Volume
) -> None:
    Dataset.objects.update(preview_audience=Dataset.Audience.HOLDERS)
    found = []
    for path in paths(volume):
        opened.goto(live_server.url + path)
        found += hindrances(opened)
    assert found == []


def test_no_page_scrolls_sideways(opened: Page, live_server: LiveServer, volume: Volume) -> None:
    for path in paths(volume):
        opened.goto(live_server.url + path)
        for width in (375, 768, 1280, 1440):
            opened.set_viewport_size({"width": width, "height": 900})
            assert opened.evaluate("document.documentElement.scrollWidth") <= width, f"{path} at {width} px"


def test_pictures_load_and_stand_side_by_side(opened: Page) -> None:
    pictures = opened.locator(".triptych img")

    expect(pictures).to_have_count(3)
    boxes = [picture.bounding_box() for picture in pictures.all()]
    assert len({box and box["y"] for box in boxes}) == 1
    assert all(pictures.evaluate_all("all => all.map(i => i.complete && i.naturalWidth > 0)"))


def test_the_keyboard_moves_the_edge(opened: Page) -> None:
    over = opened.locator(".compare .over")
    opened.get_by_role("link", name="Slice 50").focus()
    while opened.evaluate("document.activeElement.type") != "radio":
        opened.keyboard.press("Tab")

    assert hidden_share(over) == 50
    opened.keyboard.press("ArrowRight")
    assert hidden_share(over) == 60
    expect(opened.get_by_role("radio", name="60")).to_be_focused()
    for _ in range(6):
        opened.keyboard.press("ArrowLeft")
    assert hidden_share(over) == 0


def test_the_edge_follows_the_pointer_and_then_the_keyboard_again(opened: Page) -> None:
    stage, over = opened.locator(".stage"), opened.locator(".compare .over")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box
    y = box["y"] + 40

    opened.mouse.move(box["x"] + box["width"] / 2, y)
    opened.mouse.down()
    opened.mouse.move(box["x"] + box["width"] * 0.23, y, steps=4)
    assert hidden_share(over) == pytest.approx(23, abs=1)
    opened.mouse.move(box["x"] - 200, y)
    assert hidden_share(over) == 0
    opened.mouse.move(box["x"] + box["width"] * 0.77, y)
    opened.mouse.up()
    opened.mouse.move(box["x"], y)

    assert hidden_share(over) == pytest.approx(77, abs=1)
    expect(opened.get_by_role("radio", name="80")).to_be_checked()
    opened.get_by_role("radio", name="80").press("ArrowLeft")
    assert hidden_share(over) == 70


def test_the_edge_moves_without_javascript(browser: Browser, live_server: LiveServer, volume: Volume) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.route("**/previews/**", paint)
    page.goto(live_server.url + volume.get_absolute_url())

    page.locator(".stops label", has_text=re.compile("^20$")).click()

    expect(page.get_by_label("20", exact=True)).to_be_checked()
    expect(page.locator(".compare .over")).to_have_css("clip-path", "inset(0px 0px 0px 20%)")
    expect(page.locator(".copy:visible")).to_have_count(0)
    context.close()


def test_a_browser_that_does_not_know_has_shows_both_pictures(opened: Page, live_server: LiveServer) -> None:
    def without_has(route: Route) -> None:
        sheet = route.fetch()
        route.fulfill(response=sheet, body=sheet.text().replace("selector(:has(*))", "selector(:unknown-to-all)"))

    opened.route("**/previews*.css", without_has)
    opened.reload()

    full, under = opened.locator(".stage > div").nth(0), opened.locator(".stage > .over")
    expect(under).to_have_css("clip-path", "none")
    left, right = full.bounding_box(), under.bounding_box()
    assert left
    assert right
    assert left["x"] + left["width"] <= right["x"]
    expect(opened.locator(".stops")).to_be_hidden()


@pytest.mark.parametrize("width", [375, 1280])
def test_every_slice_is_one_step_away(opened: Page, volume: Volume, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})

    opened.get_by_role("link", name="Slice 42").click()
    expect(opened).to_have_url(re.compile(r"\?slice=42$"))
    opened.get_by_role("link", name="Slice 43").last.click()

    expect(opened.locator(".scrub [aria-current=page]")).to_have_text("43")
    expect(opened.get_by_role("group", name="Slice 43: k-space, fully sampled, 4 times undersampled")).to_be_visible()
    expect(opened).to_have_title(re.compile("^Slice 43 of "))
    boxes = [tick.bounding_box() for tick in opened.locator(".scrub li").all()]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)


def test_a_gallery_leads_to_a_volume_and_an_acquisition(opened: Page, live_server: LiveServer) -> None:
    opened.goto(f"{live_server.url}/datasets/knee/")
    opened.get_by_role("link", name="CORPD_FBK 28").click()
    expect(opened).to_have_url(re.compile(r"/datasets/knee/2\.0/\?acquisition=CORPD_FBK#previews$"))
    expect(opened.locator(".gallery li")).to_have_count(24)

    opened.get_by_role("link", name="Next").click()
    expect(opened.locator(".gallery li")).to_have_count(4)
    opened.get_by_role("navigation", name="Acquisition").get_by_role("link", name="CORPDFS_FBK 1").click()
    opened.get_by_role("link", name="Middle slice of test.h5").click()

    expect(opened.get_by_role("heading", level=1)).to_have_text("test.h5")
