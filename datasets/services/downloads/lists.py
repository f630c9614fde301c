"""What a link offers, as the lists that clients read and the commands that people copy.

Every list takes `only`, patterns of file names. The token stands in the lists and never on a command line, which
others on a cluster can read: commands read the address from a file that only its owner may open.
"""

import json
import shlex
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from itertools import starmap
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string

from datasets.exceptions import FileUnknown
from datasets.models import Archive, DownloadLink
from datasets.permissions import site_address
from datasets.services.downloads.delivery import OpenLink
from datasets.services.downloads.tokens import address_below, token_of


class ListedFile(NamedTuple):
    name: str
    size: int
    sha256: str
    split: str
    coils: str
    part_size: int | None
    part_hashes: Sequence[str] = ()
    """Only where it is asked for: an archive may have thousands."""


class Listing(NamedTuple):
    """The files of a release below one link. `address` ends in a slash; file names are added to it."""

    slug: str
    dataset: str
    version: str
    address: str
    only: tuple[str, ...]
    files: list[ListedFile]

    @property
    def title(self) -> str:
        return f"{self.dataset} {self.version}"

    @property
    def stem(self) -> str:
        """What files are called that a client keeps beside the data."""
        return f"{self.slug}-{self.version}"

    @property
    def total_size(self) -> int:
        return sum(file.size for file in self.files)

    def address_of(self, name: str) -> str:
        """The address of a list, for the same choice of files."""
        query = f"?{urlencode([('only', pattern) for pattern in self.only])}" if self.only else ""
        return f"{self.address}{name}{query}"


def listing(link: DownloadLink, only: Sequence[str] = ()) -> Listing:
    release = link.release
    dataset = release.dataset
    return listed(token_of(link), release.pk, (dataset.slug, dataset.name, release.version), only)


def listing_of(link: OpenLink, only: Sequence[str] = (), *, with_parts: bool = False) -> Listing:
    standing = link.standing
    title = (standing.dataset_slug, standing.dataset_name, standing.release_version)
    return listed(link.token, link.release_id, title, only, with_parts=with_parts)


def listed(
    token: str, release_id: int, title: tuple[str, str, str], only: Sequence[str], *, with_parts: bool = False
) -> Listing:
    """The verified archives of a release, or those that match one of the patterns; FileUnknown when none does."""
    columns = [name for name in ListedFile._fields if with_parts or name != "part_hashes"]
    rows = Archive.objects.verified().filter(release=release_id).order_by("id").values_list(*columns)
    files = [file for file in starmap(ListedFile, rows) if not only or matches(file.name, only)]
    slug, dataset, version = title
    address = address_below(token)
    if only and not files:
        raise FileUnknown(
            f"{dataset} {version} has no file of this name or pattern. All its files are listed at {address}"
        )
    return Listing(slug, dataset, version, address, tuple(only), files)


def matches(name: str, only: Sequence[str]) -> bool:
    """Whether a name matches one of these patterns, or has it as a part: as download.sh --only reads them."""
    return any(pattern in name or fnmatchcase(name, pattern) for pattern in only)


def as_sums(listing: Listing) -> str:
    return "".join(f"{file.sha256}  {file.name}\n" for file in listing.files)


def as_aria2(listing: Listing) -> str:
    """For `aria2c -i`. The options stand at each file, so that the command stays short."""
    options = (
        "continue=true", "allow-overwrite=true", "auto-file-renaming=false", "check-integrity=true", "split=4",
        "max-connection-per-server=4", "max-tries=1000", "retry-wait=10", "file-allocation=none",
    )  # fmt: skip
    entries = [
        (listing.address + file.name, f"out={file.name}", f"checksum=sha-256={file.sha256}", *options)
        for file in listing.files
    ]
    return "".join("\n ".join(entry) + "\n" for entry in entries)


def as_wget(listing: Listing) -> str:
    return "".join(f"{listing.address}{file.name}\n" for file in listing.files)


def as_curl(listing: Listing) -> str:
    """For `curl -K`. It stops at the first failure, so that its exit code tells."""
    head = ["fail", "fail-early", "location", "continue-at = -", "speed-limit = 1", "speed-time = 60"]
    pairs = [f'url = "{listing.address}{file.name}"\noutput = "{file.name}"' for file in listing.files]
    return "\n".join([*head, *pairs, ""])


def as_manifest(listing: Listing) -> str:
    """What there is, for programs. It holds no address, so that it may be kept beside the data and passed on."""
    facts = {
        "dataset": listing.slug,
        "name": listing.dataset,
        "version": listing.version,
        "total_size": listing.total_size,
        "files": [file._asdict() for file in listing.files],
    }
    return json.dumps(facts, indent=2) + "\n"


def as_script(listing: Listing) -> str:
    """A shell script. Whatever a dataset is called, the shell reads it as text and nothing else."""
    context = {
        "listing": listing,
        "title": shlex.quote(" ".join(listing.title.split())),
        "stem": shlex.quote(listing.stem),
        "address": shlex.quote(listing.address),
        "contact": shlex.quote(settings.SITE_CONTACT),
    }
    return rendered("get/download.sh", context)


def as_text(listing: Listing) -> str:
    return rendered(
        "get/listing.txt", {"listing": listing, "rows": text_rows(listing), "replace_at": site_address("downloads")}
    )


def as_page(listing: Listing, request: HttpRequest) -> str:
    """For browsers. Nothing in this template asks who is signed in, for below a link no cookie is read."""
    context = {
        "listing": listing,
        "files": [(file, size_text(file.size)) for file in listing.files],
        "total": size_text(listing.total_size),
        "commands": commands_for(listing),
    }
    return render_to_string("get/listing.html", context, request)


def as_commands(listing: Listing) -> str:
    return rendered("get/commands.txt", {"listing": listing, "commands": commands_for(listing)})


def rendered(template: str, context: dict[str, Any]) -> str:
    return render_to_string(template, context).strip() + "\n"


# What stands below a link beside its files, and the type that a browser is told.
LISTS: dict[str, tuple[Callable[[Listing], str], str]] = {
    "download.sh": (as_script, "text/x-shellscript"),
    "aria2.txt": (as_aria2, "text/plain"),
    "curl.txt": (as_curl, "text/plain"),
    "wget.txt": (as_wget, "text/plain"),
    "SHA256SUMS": (as_sums, "text/plain"),
    "manifest.json": (as_manifest, "application/json"),
    "commands.txt": (as_commands, "text/plain"),
}


def commands(link: DownloadLink, only: Sequence[str] = ()) -> dict[str, str]:
    """The commands of a link, as one copies them: script, aria2, curl, wget and check."""
    return commands_for(listing(link, only))


def commands_for(listing: Listing) -> dict[str, str]:
    """Three short lines each. The first writes the address into a file that only its owner may read; the second fetches
    with it what the third one needs, for its owner alone too."""
    stem = listing.stem
    # Bounded, and with an exit code that tells: that of `false` when all tries have failed.
    again = "for try in $(seq 100); do {} && break; sleep 10; false; done"
    return {
        "script": f"{_with_curl(listing, 'download.sh', f'{stem}.sh')}\nsh {stem}.sh",
        "aria2": f"{_with_aria2(listing, 'aria2.txt', f'{stem}.aria2')}\naria2c -j2 -i {stem}.aria2",
        "curl": f"{_with_curl(listing, 'curl.txt', f'{stem}.curl')}\n{again.format(f'curl -K {stem}.curl')}",
        "wget": f"{_with_wget(listing, 'wget.txt', f'{stem}.wget')}\n"
        + again.format(f"wget -c --tries=1 -i {stem}.wget"),
        "check": f"{_with_curl(listing, 'SHA256SUMS', f'{stem}.sha256')}\nsha256sum -c {stem}.sha256",
    }


def _with_curl(listing: Listing, name: str, output: str) -> str:
    lines = f"'url = \"{listing.address_of(name)}\"'"
    return f"(umask 077; echo {lines} > {listing.stem}.url\ncurl -fsSLK {listing.stem}.url -o {output})"


def _with_wget(listing: Listing, name: str, output: str) -> str:
    file = f"{listing.stem}.url"
    return f"(umask 077; echo '{listing.address_of(name)}' > {file}\nwget -q -i {file} -O {output})"


def _with_aria2(listing: Listing, name: str, output: str) -> str:
    lines, file = f"'{listing.address_of(name)}' ' out={output}'", f"{listing.stem}.url"
    return f"(umask 077; printf '%s\\n' {lines} > {file}\naria2c -q --allow-overwrite -i {file})"


def text_rows(listing: Listing) -> list[str]:
    width = max((len(file.name) for file in listing.files), default=0)
    return [f"{file.name:<{width}}  {size_text(file.size):>9}  {file.sha256}" for file in listing.files]


def size_text(size: int) -> str:
    """Decimal units with two decimals, as everywhere on the site."""
    for unit, digits in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.2f} {digits}"
    return f"{size} B"
