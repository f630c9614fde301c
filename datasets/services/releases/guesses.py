"""What a file's name says of it: split and coils, and what is odd about it."""

import re
from collections import Counter
from collections.abc import Iterable

from datasets.models import Archive
from datasets.models.catalog import PLAIN_NAME, RESERVED_NAMES

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".h5", ".hdf5")
LONGEST_NAME = 150
SPLITS = {
    "sample": Archive.Split.SAMPLE,
    "train": Archive.Split.TRAIN,
    "training": Archive.Split.TRAIN,
    "val": Archive.Split.VALIDATION,
    "valid": Archive.Split.VALIDATION,
    "validation": Archive.Split.VALIDATION,
    "test": Archive.Split.TEST,
    "challenge": Archive.Split.TEST,
    "dicom": Archive.Split.IMAGES,
    "dicoms": Archive.Split.IMAGES,
    "images": Archive.Split.IMAGES,
}
PLAIN = re.compile(PLAIN_NAME)
WORD = re.compile(r"[a-z]+")
SINGLE = re.compile(r"single[ _-]?coil")


def split_of(name: str) -> str:
    """The split that a word of the name means; empty when none does, or two mean different ones."""
    found = {SPLITS[word] for word in WORD.findall(name.lower()) if word in SPLITS}
    # A sample or the images of a split are what they are, whatever else the name says.
    for split in (Archive.Split.IMAGES, Archive.Split.SAMPLE):
        if split in found:
            return str(split)
    return str(found.pop()) if len(found) == 1 else ""


def coils_of(name: str) -> str:
    """The number of coils, as far as a name can say it; that of others is read from their volumes."""
    return "1" if SINGLE.search(name.lower()) else ""


def faults_of(name: str, size: int) -> list[str]:
    """Why an object of this name cannot be an archive of a release, as parts of a sentence."""
    faults = []
    if name != name.strip():
        faults.append("its name begins or ends with a blank")
    elif not PLAIN.match(name):
        faults.append("its name has characters that scripts cannot carry")
    if len(name) > LONGEST_NAME:
        faults.append(f"its name is longer than {LONGEST_NAME} characters")
    if name in RESERVED_NAMES:
        faults.append("the site answers this name itself")
    if not name.lower().strip().endswith(ENDINGS):
        faults.append("it is of no kind that is read here")
    if not size:
        faults.append("it is empty")
    return faults


def oddities_of(name: str) -> list[str]:
    """What somebody should look at although the archive can be taken."""
    odd = []
    if not name.endswith(ENDINGS) and name.lower().endswith(ENDINGS):
        odd.append("its ending has capital letters")
    if not split_of(name):
        odd.append("its name does not say which split it is")
    return odd


def names_in_two_cases(names: Iterable[str]) -> set[str]:
    """Names that differ from another one only by their case: on many computers they are the same file."""
    different = set(names)
    counts = Counter(name.lower() for name in different)
    return {name for name in different if counts[name.lower()] > 1}
