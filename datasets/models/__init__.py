"""What is distributed, who may have it, and what was handed out."""

from datasets.models.access import AccessGrant, AccessRequest
from datasets.models.anchors import EvidenceAnchor
from datasets.models.catalog import Archive, CatalogueEdition, Dataset, Release, Volume
from datasets.models.downloads import DailyUsage, DownloadLink, DownloadRecord
from datasets.models.errata import Erratum
from datasets.models.fixity import Drift, FixityCheck
from datasets.models.ingests import Ingest
from datasets.models.notices import Notice
from datasets.models.previews import Preview
from datasets.models.statistics import CountedPerson, DownloadCount, DownloadDay, DownloadShare, Period

__all__ = [
    "AccessGrant",
    "AccessRequest",
    "Archive",
    "CatalogueEdition",
    "CountedPerson",
    "DailyUsage",
    "Dataset",
    "DownloadCount",
    "DownloadDay",
    "DownloadLink",
    "DownloadRecord",
    "DownloadShare",
    "Drift",
    "Erratum",
    "EvidenceAnchor",
    "FixityCheck",
    "Ingest",
    "Notice",
    "Period",
    "Preview",
    "Release",
    "Volume",
]
