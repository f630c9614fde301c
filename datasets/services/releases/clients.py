"""What each client would be given of a release that is not published yet, made by the code that gives it."""

from collections.abc import Callable

from datasets.models import Release
from datasets.services.downloads.lists import LISTS, Listing, as_text, listed

# In the place of somebody's token. It is none, so nothing can be had with it.
NOBODYS = "YOUR-OWN-LINK"
LISTING = "listing.txt"
# What is told with its first lines; a page has the whole of each.
NAMES = ("SHA256SUMS", "download.sh", "aria2.txt", "manifest.json", LISTING)
LINES = 25
# Of more archives a page only leads to the texts.
MOST = 1_000


def listing_for(release: Release, *, with_parts: bool = False) -> Listing:
    dataset = release.dataset
    title = (dataset.slug, dataset.name, release.version)
    return listed(NOBODYS, release.pk, title, (), with_parts=with_parts)


def text_for(release: Release, name: str) -> str:
    """KeyError of a name that no client asks for."""
    make: Callable[[Listing], str] = as_text if name == LISTING else LISTS[name][0]
    return make(listing_for(release, with_parts=name == "manifest.json"))


def beginnings(release: Release) -> dict[str, str]:
    """By name: the first lines of each text; nothing of a release whose lists are long."""
    listing = listing_for(release)
    if len(listing.files) > MOST:
        return dict.fromkeys(NAMES, "")
    whole = {name: (as_text if name == LISTING else LISTS[name][0])(listing) for name in NAMES}
    return {name: _beginning(text) for name, text in whole.items()}


def _beginning(text: str) -> str:
    lines = text.splitlines()
    more = len(lines) - LINES
    return "\n".join([*lines[:LINES], *([f"… and {more:,} more lines"] if more > 0 else [])])
