"""What hinders people on a page, found by automatic rules."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SCHEMES = ("light", "dark")
WIDTHS = (1280, 375)
RUN = "async () => (await axe.run({resultTypes: ['violations']})).violations.map(v => [v.id, v.nodes[0].html])"


def hindrances(page: Page) -> list[str]:
    """What axe finds wrong with this page, and sideways scrolling: both schemes, wide and narrow."""
    found = []
    page.evaluate(Axe().axe_script)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            where = f"{page.url}, {scheme}, {width} px"
            found += [f"{where}: {rule} in {html}" for rule, html in page.evaluate(RUN)]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{where}: scrolls sideways")
    return found
