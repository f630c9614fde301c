"""What is distributed, who may have it, and what was handed out."""

from datasets.models.access import AccessGrant, AccessRequest
from datasets.models.anchors import EvidenceAnchor
from datasets.models.catalog import Archive, Dataset, Release, Volume
from datasets.models.downloads import DownloadLink, DownloadRecord
from datasets.models.notices import Notice

__all__ = [
    "AccessGrant",
    "AccessRequest",
    "Archive",
    "Dataset",
    "DownloadLink",
    "DownloadRecord",
    "EvidenceAnchor",
    "Notice",
    "Release",
    "Volume",
]
