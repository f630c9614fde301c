"""What a folder of the bucket would make of a release. Nothing is downloaded, and nothing is written."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from datasets.exceptions import SourceRefused
from datasets.models import Dataset, Release
from datasets.services.releases.guesses import coils_of, faults_of, names_in_two_cases, oddities_of, split_of
from datasets.services.releases.sources import prefix_of, source_of
from datasets.storage import Listed, bucket

# More than anybody ever put into a release; a list of a whole archive's scans, one a key, is shorter.
MOST = 100_000


class Standing(StrEnum):
    """Against the newest published release of the dataset."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


class Former(NamedTuple):
    """An archive of the former release: of tens of thousands no more is read than is compared."""

    name: str
    size: int | None
    etag: str
    split: str
    coils: str


class Proposed(NamedTuple):
    """One object, as an archive of the release."""

    key: str
    name: str
    size: int
    etag: str
    split: str
    coils: str
    standing: Standing
    former_size: int | None
    faults: tuple[str, ...]
    """Why it cannot be taken; none when it can."""
    oddities: tuple[str, ...]
    """What to look at before it is taken."""

    @property
    def is_usable(self) -> bool:
        return not self.faults


@dataclass(frozen=True)
class Proposal:
    source: str
    former: Release | None
    rows: Sequence[Proposed]
    """In the order of their keys."""
    gone: Sequence[Former]
    """Archives of the former release of whose name there is none any more."""
    fingerprint: str
    """Of the list, so that what was agreed to is what is registered."""

    @property
    def usable(self) -> list[Proposed]:
        return [row for row in self.rows if row.is_usable]

    def count(self, standing: Standing) -> int:
        return sum(row.standing == standing for row in self.rows)


def propose(dataset: Dataset, source: str, release: Release | None = None) -> Proposal:
    """List the folder and say what each object in it would be. Raises SourceRefused and BucketDown.

    What the release has already keeps the split and coils that were written for it."""
    prefix = prefix_of(source)
    listed = _listed(prefix)
    former = former_release(dataset)
    known = _archives_of(former)
    rows = _proposed(listed, known, _archives_of(release))
    names = {row.name for row in rows}
    return Proposal(
        source=source_of(prefix),
        former=former,
        rows=rows,
        gone=[archive for name, archive in known.items() if name not in names],
        fingerprint=_fingerprint(listed),
    )


def former_release(dataset: Dataset, before: Release | None = None) -> Release | None:
    """The newest published one, which a new one is compared with."""
    others = dataset.releases.published().newest_first()
    return (others.exclude(pk=before.pk) if before else others).first()


def _archives_of(release: Release | None) -> dict[str, Former]:
    if release is None:
        return {}
    return {row[0]: Former(*row) for row in release.archives.values_list(*Former._fields)}


def _listed(prefix: str) -> list[Listed]:
    found = []
    for listed in bucket().listing(prefix):
        # A key that ends so is what a console makes of an empty folder.
        if not listed.key.endswith("/"):
            found.append(listed)
        if len(found) > MOST:
            raise SourceRefused(f"There are more than {MOST:,} objects in {source_of(prefix)}. Choose a folder in it.")
    if not found:
        raise SourceRefused(f"There is nothing in {source_of(prefix)}.")
    return found


def _proposed(listed: Iterable[Listed], known: dict[str, Former], own: dict[str, Former]) -> list[Proposed]:
    named = [(entry, entry.key.rpartition("/")[2]) for entry in listed]
    counts = Counter(name for _entry, name in named)
    cases = names_in_two_cases(counts)
    rows = []
    for entry, name in named:
        former = known.get(name)
        written = own.get(name, former)
        faults, odd = faults_of(name, entry.size), oddities_of(name)
        if counts[name] > 1:
            faults.append("another object in this folder has the same name")
        elif name in cases:
            odd.append("another name differs only by its case")
        rows.append(
            Proposed(
                key=entry.key,
                name=name,
                size=entry.size,
                etag=entry.etag,
                split=written.split if written else split_of(name),
                coils=written.coils if written else coils_of(name),
                standing=_standing(entry, former),
                former_size=former.size if former else None,
                faults=tuple(faults),
                oddities=tuple(odd),
            )
        )
    return rows


def _standing(entry: Listed, former: Former | None) -> Standing:
    if former is None:
        return Standing.NEW
    # An ETag also differs when the same bytes were sent in other parts: then they are read, and the hash decides.
    return Standing.SAME if (entry.size, entry.etag) == (former.size, former.etag) else Standing.CHANGED


def _fingerprint(listed: Iterable[Listed]) -> str:
    lines = (f"{entry.key}\0{entry.size}\0{entry.etag}\n" for entry in listed)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
