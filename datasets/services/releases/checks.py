"""What keeps a release from being published, and how each of it is mended."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.db.models import Count, Q

from accounts.services.agreements import current_version
from datasets.exceptions import ObjectMissing, ObjectRefused
from datasets.models import Archive, Preview, Release
from datasets.storage import ObjectFacts, bucket

# Requests to the bucket at once.
AT_ONCE = 16
# Keys that are named one by one.
TOLD = 20


@dataclass(frozen=True)
class Obstacle:
    what: str
    """As a part of a sentence: "it has no archive"."""
    mend: str
    """As a sentence: what to do about it."""


def obstacles_to(release: Release) -> list[Obstacle]:
    """All of them, the bucket asked now for every key. Raises BucketDown when it does not answer."""
    return [*recorded_obstacles(release), *bucket_obstacles(release)]


def recorded_obstacles(release: Release) -> list[Obstacle]:
    """What the database knows of."""
    found = [*_about_archives(release), *_about_texts(release)]
    previews = Preview.objects.filter(volume__archive__release=release).exclude(folder="")
    if not previews.exists():
        mend = "Look at Previews for the reasons, and render them again; or wait until one is made."
        found.append(Obstacle("none of its volumes has a preview", mend))
    return found


def _about_archives(release: Release) -> list[Obstacle]:
    verified = Count("pk", filter=Q(status=Archive.Status.VERIFIED))
    counts = release.archives.aggregate(all=Count("pk"), verified=verified)
    if not counts["all"]:
        return [Obstacle("it has no archive", "Import them from the bucket.")]
    left = counts["all"] - counts["verified"]
    if not left:
        return []
    what = f"{left:,} of its {counts['all']:,} archives {'is' if left == 1 else 'are'} not verified"
    return [Obstacle(what, "Check the release. An archive that fails is uploaded again and read again, or left out.")]


def _about_texts(release: Release) -> list[Obstacle]:
    found = []
    if current_version(release.dataset.agreement) is None:
        what = f"the agreement “{release.dataset.agreement}” has no published version"
        found.append(Obstacle(what, "Publish a version of it."))
    if not release.notes.strip():
        mend = "Take it back to a draft, and write what changed since the release before."
        found.append(Obstacle("its notes are not written", mend))
    twin = _twin_of(release)
    if twin is not None:
        mend = "Take it back to a draft, and give it a version of its own."
        found.append(Obstacle(f"{twin} has the same version, written otherwise", mend))
    return found


def _twin_of(release: Release) -> Release | None:
    """Another release of the dataset that says the same number: 2.0 and 2, or 02.0."""
    number = _number(release.version)
    others = Release.objects.filter(dataset=release.dataset_id).exclude(pk=release.pk).select_related("dataset")
    return next((other for other in others.defer("notes") if _number(other.version) == number), None)


def _number(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def bucket_obstacles(release: Release) -> list[Obstacle]:
    """Verified archives whose objects are gone or other ones, each asked for now."""
    archives = list(release.archives.verified().defer("part_hashes").order_by("pk"))
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="head") as pool:
        found = [obstacle for obstacle in pool.map(_about_object, archives) if obstacle is not None]
    more = len(found) - TOLD
    if more <= 0:
        return found
    return [*found[:TOLD], Obstacle(f"{more:,} more keys are gone, changed or refused", "Import the release again.")]


def _about_object(archive: Archive) -> Obstacle | None:
    try:
        # Without its version: what is published is what stands under the key now.
        seen = bucket().head(archive.key)
    except ObjectRefused:
        # To whoever may not list, as the web server, S3 says no more of an object that is gone.
        mend = "Look for it in the bucket: put it back, let this site read it, or leave it out."
        return Obstacle(f"the object {archive.key} is missing, or this site may not read it", mend)
    except ObjectMissing:
        mend = "Upload it again and have it read again, or leave it out."
        return Obstacle(f"the bucket has no object {archive.key} any more", mend)
    if is_same_object(archive, seen):
        return None
    mend = "Have the archive read again, or put the former object back."
    return Obstacle(f"the object {archive.key} is another one than was read", mend)


def is_same_object(archive: Archive, seen: ObjectFacts) -> bool:
    """Whether what the bucket has is what was read."""
    # A bucket without versions names none; one that has them since the archive was read still has the same object.
    same_version = not archive.version_id or seen.version_id == archive.version_id
    return (seen.size, seen.etag) == (archive.size, archive.etag) and same_version


def as_sentence(obstacles: Iterable[Obstacle]) -> str:
    return "; ".join(obstacle.what for obstacle in obstacles)
