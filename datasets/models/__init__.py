"""What is distributed, who may have it, and what was handed out."""

from datasets.models.access import AccessGrant, AccessRequest
from datasets.models.catalog import Archive, CatalogueEdition, Dataset, Release, Volume
from datasets.models.downloads import DailyUsage, DownloadLink, DownloadRecord

__all__ = [
    "AccessGrant",
    "AccessRequest",
    "Archive",
    "CatalogueEdition",
    "DailyUsage",
    "Dataset",
    "DownloadLink",
    "DownloadRecord",
    "Release",
    "Volume",
]
