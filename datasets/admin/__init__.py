"""The admin's pages of the catalogue, of access, of downloads and of evidence."""

from datasets.admin import access, catalog, downloads, evidence

__all__ = ["access", "catalog", "downloads", "evidence"]
