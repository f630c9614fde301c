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

__all__ = [
    "AccessGrant",
    "AccessRequest",
    "Archive",
    "CatalogueEdition",
    "DailyUsage",
    "Dataset",
    "DownloadLink",
    "DownloadRecord",
    "Drift",
    "Erratum",
    "EvidenceAnchor",
    "FixityCheck",
    "Ingest",
    "Notice",
    "Preview",
    "Release",
    "Volume",
]
