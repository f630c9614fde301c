"""What is kept of access and downloads, and for how long (accounts.services.retention says how rules are enforced)."""

from django.conf import settings
from django.db import connection
from django.db.models import Q

from accounts.services.retention import BATCH, EVERYBODY, YOU_AND_US, Rule, before
from datasets.models import AccessRequest
from datasets.services.downloads.usage import KEPT_DAYS, forget_usage
from datasets.services.previews import forget_pictures

PURPOSE_DAYS = 365
REPLACED_DAYS = 1


def forget_addresses(days: int) -> int:
    """The network addresses of records, through the one function of the database that may."""
    return _called("SELECT public.blank_addresses(%s, %s)", days)


def forget_purposes(days: int) -> int:
    """What somebody wanted to find out whose request led to nothing; in the request first, then in its history."""
    led_nowhere = AccessRequest.objects.filter(
        status__in=(AccessRequest.Status.DECLINED, AccessRequest.Status.WITHDRAWN), decided_at__lt=before(days)
    )
    batch = list(led_nowhere.filter(~Q(purpose="")).order_by("pk").values_list("pk", flat=True)[:BATCH])
    changed = AccessRequest.objects.filter(pk__in=batch).update(purpose="")
    return changed + _called("SELECT public.blank_purposes(%s, %s)", days)


def _called(function: str, days: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(function, [days, BATCH])
        return cursor.fetchone()[0]


RULES = [
    Rule(
        models=(
            *("datasets.AccessRequest", "datasets.AccessRequestEvent"),
            *("datasets.AccessGrant", "datasets.AccessGrantEvent"),
        ),
        what="Requests for access, their decisions, and the access that they led to",
        why="To say who decided what, and why",
        seen_by=YOU_AND_US,
        how_long="As long as the account. Afterwards when there was access to what, without purposes and reasons",
    ),
    Rule(
        models=("datasets.AccessRequest", "datasets.AccessRequestEvent"),
        what="The research purpose in a request that was declined or withdrawn",
        why="To decide when you ask again",
        seen_by=YOU_AND_US,
        how_long="{days} days after the decision, then it is blanked",
        days=lambda: PURPOSE_DAYS,
        forget=forget_purposes,
    ),
    Rule(
        models=("datasets.DownloadLink", "datasets.DownloadRecord"),
        what="Links, and what was downloaded: archive, first byte, time, client, country",
        why="To show you what you have downloaded, and to know who holds a release that is withdrawn",
        seen_by=YOU_AND_US,
        how_long="As long as the release is followed up, and nobody can alter it. Without the account, a row without "
        "client and country that counts for the release",
    ),
    Rule(
        models=("datasets.DownloadRecord",),
        what="The network address of a download",
        why="To find out who misuses a link",
        seen_by=YOU_AND_US,
        how_long="{days} days, then it is blanked",
        days=lambda: settings.ADDRESS_DAYS,
        forget=forget_addresses,
    ),
    Rule(
        models=("datasets.DailyUsage",),
        what="How many bytes were asked for on a day",
        why="To notice a link that others use",
        seen_by=YOU_AND_US,
        how_long="{days} days, then it is deleted",
        days=lambda: KEPT_DAYS,
        forget=forget_usage,
    ),
    Rule(
        models=("datasets.CountedPerson",),
        what="As a member of which institution your downloads are counted in our statistics",
        why="To count them for another one when you say so in your profile",
        seen_by=YOU_AND_US,
        how_long="As long as the account, then it is emptied and they count for none",
    ),
    Rule(
        models=("datasets.DownloadDay", "datasets.DownloadShare", "datasets.DownloadCount"),
        what="Statistics: how much was downloaded by day, dataset, country and institution, how many hold access, and "
        "how long people wait",
        why="To report what the data are used for, and to see what the site must carry",
        seen_by="The maintainers",
        how_long="As long as the site; they name nobody",
    ),
    Rule(
        models=("datasets.Notice", "datasets.EvidenceAnchor"),
        what="How many people were told of a new agreement or release, a withdrawal or an erratum; daily sums over all "
        "signatures, also outside of the site",
        why="To tell everybody once, and to prove that no signature was altered or taken away",
        seen_by="The maintainers",
        how_long="As long as the signatures; nothing in them is about you",
    ),
    Rule(
        models=("datasets.Preview",),
        what="Pictures of scans that were made anew, or whose scan is gone",
        why="So that none is deleted that is just being kept for a scan; nothing in them is about you",
        seen_by="Nobody: they have no address any more",
        how_long="{days} day, then they are deleted",
        days=lambda: REPLACED_DAYS,
        forget=forget_pictures,
    ),
    Rule(
        models=(
            *("datasets.Dataset", "datasets.DatasetEvent", "datasets.Release", "datasets.ReleaseEvent"),
            *("datasets.Archive", "datasets.ArchiveEvent", "datasets.Ingest", "datasets.Volume", "datasets.Preview"),
            *("datasets.CatalogueEdition", "datasets.FixityCheck", "datasets.Drift"),
            *("datasets.Erratum", "datasets.ErratumEvent", "datasets.Erratum_archives"),
        ),
        what="The catalogue, and what was changed in it",
        why="The site is for it; nothing in it is about you",
        seen_by=EVERYBODY,
        how_long="As long as the site",
    ),
]
