"""The admin's pages of the catalogue, of access, of downloads, of notices and of evidence."""

from datasets.admin import access, catalog, downloads, evidence, notices

__all__ = ["access", "catalog", "downloads", "evidence", "notices"]
